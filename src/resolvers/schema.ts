import 'reflect-metadata';
import { GraphQLInputObjectType, type GraphQLSchema } from 'graphql';
import { GraphQLDateTime } from 'graphql-scalars';
import { buildSchemaSync, getMetadataStorage } from 'type-graphql';
import { resumable } from '../pubsub/execution.js';
import { AccountsResolver } from './accounts.js';
import { CancellationsResolver } from './cancellations.js';
import { CodesResolver } from './codes.js';
import { EventsResolver } from './events.js';
import { LineResolver } from './line.js';
import { MoneyReportResolver } from './money-report.js';
import { OrdersResolver, TicketsResolver, ViewerOrdersResolver } from './orders.js';
import { OrderReceiptsResolver, SellerResolver } from './receipts.js';
import { SalesResolver } from './sales.js';
import { SeatHoldsResolver } from './seat-holds.js';
import { SeatMapResolver } from './seat-map.js';
import { SystemResolver } from './system.js';

const oneOfInputs = ['SeatSelection', 'SeatRange', 'Discount'];

/** type-graphql asks for a pub/sub even where every subscription brings its own source. */
const noPubSub = {
  publish: () => {
    throw new Error('subscriptions bring their own source');
  },
  subscribe: () => {
    throw new Error('subscriptions bring their own source');
  },
};

/** The executable schema. Built once per process. */
export function buildSchema(): GraphQLSchema {
  // What is only read from its object needs nothing round it; by itself the library makes a call with middleware of every field.
  for (const field of getMetadataStorage().fields) field.simple ??= field.name === field.schemaName;
  const schema = buildSchemaSync({
    resolvers: [
      AccountsResolver,
      CancellationsResolver,
      CodesResolver,
      EventsResolver,
      LineResolver,
      OrderReceiptsResolver,
      MoneyReportResolver,
      OrdersResolver,
      SalesResolver,
      SeatHoldsResolver,
      SeatMapResolver,
      SellerResolver,
      SystemResolver,
      TicketsResolver,
      ViewerOrdersResolver,
    ],
    scalarsMap: [{ type: Date, scalar: GraphQLDateTime }],
    pubSub: noPubSub,
    validate: false,
  });
  for (const name of oneOfInputs) {
    const type = schema.getType(name);
    if (!(type instanceof GraphQLInputObjectType)) throw new Error(`the schema has no input ${name}`);
    type.isOneOf = true;
  }
  return resumable(schema);
}
