import pg from 'pg';
import { DataSource } from 'typeorm';
import { Account, Organizer, Revocation } from '../entities/accounts.js';
import { CodeUse, DiscountCode } from '../entities/codes.js';
import {
  Event,
  EventCategory,
  EventChannel,
  Inventory,
  LayoutVersion,
  RecoveryCode,
  Venue,
} from '../entities/events.js';
import { EventCancellation, MoneyCursor, MoneyDifference, Posting, Refund } from '../entities/money.js';
import { Order, OrderLine, OrderStepRow, SeatOwner, Ticket, WebhookEvent } from '../entities/orders.js';
import { ReceiptCounter, ReceiptRow } from '../entities/receipts.js';
import { limits } from '../limits.js';
import { Initial1790000000000 } from './migrations/1790000000000-initial.js';
import { LineAndClaims1790000100000 } from './migrations/1790000100000-line-and-claims.js';
import { Revocations1790000200000 } from './migrations/1790000200000-revocations.js';
import { Money1790000300000 } from './migrations/1790000300000-money.js';
import { Pricing1790000400000 } from './migrations/1790000400000-pricing.js';
import { Invoices1790000500000 } from './migrations/1790000500000-invoices.js';
import { MoneyDifferences1790000600000 } from './migrations/1790000600000-money-differences.js';
import { TicketsDiffer1790000700000 } from './migrations/1790000700000-tickets-differ.js';
import { OrdersAtRest1790000800000 } from './migrations/1790000800000-orders-at-rest.js';
import { SnakeNaming } from './naming.js';
import { PreparingClient } from './prepared.js';

// Fences and sums stay far below 2^53; a string here would turn every comparison into a trap.
pg.types.setTypeParser(20, Number);

/**
 * Ways of planning that are off on every connection. Statements are prepared: a plan may be made while a table is empty, when reading all of it is best,
 * and be used in the minute in which everybody comes. Nearly all of them look up what an index has; the others say so (`queryAtLarge`).
 */
export const waysToRead = ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'] as const;
// What is off is said by enormous costs up to PostgreSQL 17, at which it would compile what takes a moment.
const planning = ['plan_cache_mode=force_generic_plan', 'jit=off', ...waysToRead.map((way) => `${way}=off`)];

export function makeDataSource(url: string, connections: number = limits.databaseConnections): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    entities: [
      Account,
      Organizer,
      Revocation,
      Venue,
      Event,
      EventCategory,
      EventChannel,
      LayoutVersion,
      Inventory,
      RecoveryCode,
      DiscountCode,
      CodeUse,
      Order,
      OrderLine,
      OrderStepRow,
      SeatOwner,
      Ticket,
      WebhookEvent,
      Refund,
      Posting,
      EventCancellation,
      ReceiptRow,
      ReceiptCounter,
      MoneyDifference,
      MoneyCursor,
    ],
    migrations: [
      Initial1790000000000,
      LineAndClaims1790000100000,
      Revocations1790000200000,
      Money1790000300000,
      Pricing1790000400000,
      Invoices1790000500000,
      MoneyDifferences1790000600000,
      TicketsDiffer1790000700000,
      OrdersAtRest1790000800000,
    ],
    namingStrategy: new SnakeNaming(),
    uuidExtension: 'pgcrypto',
    installExtensions: false,
    applicationName: 'floodgate',
    poolSize: connections,
    connectTimeoutMS: limits.databaseConnectMs,
    extra: {
      statement_timeout: limits.databaseStatementMs,
      Client: PreparingClient,
      options: planning.map((setting) => `-c ${setting}`).join(' '),
    },
  });
}
