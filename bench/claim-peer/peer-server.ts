import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buildSchema, type DocumentNode, parse, validate } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { limits } from '../../src/limits.js';
import { obey } from '../support/party.js';
import { root } from '../support/stores.js';
import { claimBy, type Way } from './seat-table.js';

/**
 * The mutation of the product behind the same transport, with the claim done in Postgres. Whatever else the product does for a hold, it does
 * not do: limits of a person, keys of a repeated wish, counts, telling those who watch.
 */
export interface PeerCommand {
  readonly databaseUrl: string;
  readonly way: Way;
  readonly connections: number;
  /** By index. */
  readonly seats: readonly PeerSeat[];
  readonly currency: string;
}

/** What never moves; in the memory of the process, as the product has it. */
export interface PeerSeat {
  readonly id: string;
  readonly sectionName: string;
  readonly rowLabel: string | null;
  readonly seatLabel: string | null;
  readonly category: number;
  readonly priceMinor: number;
  readonly feeMinor: number;
}

export interface PeerReport {
  readonly url: string;
}

interface HoldSeats {
  readonly input: { readonly eventId: string; readonly seats: { readonly seatIds: readonly string[] } };
}

/** The very schema of the product, so that documents and answers are the same. */
const schema = buildSchema(readFileSync(join(root, 'schema.graphql'), 'utf8'));
const documents = new Map<string, DocumentNode>();

function documentOf(text: string): DocumentNode {
  let document = documents.get(text);
  if (document === undefined) {
    document = parse(text);
    const [error] = validate(schema, document);
    if (error !== undefined) throw error;
    documents.set(text, document);
  }
  return document;
}

obey<PeerCommand, PeerReport>(async (command) => {
  const rootValue = { holdSeats: holdSeats(command) };
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, perMessageDeflate: false, clientTracking: false });
  useServer<{ readonly token: string }>(
    {
      schema,
      onSubscribe: ({ connectionParams }, _id, { query, variables }) => {
        return {
          schema,
          document: documentOf(query),
          variableValues: variables,
          rootValue,
          contextValue: { person: connectionParams!.token },
        };
      },
    },
    sockets,
  );
  await new Promise<void>((resolve) => {
    http.listen({ host: '127.0.0.1', port: 0, backlog: limits.listenBacklog }, resolve);
  });
  return { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/` };
});

function holdSeats({ databaseUrl, way, connections, seats, currency }: PeerCommand) {
  const claim = claimBy(way, databaseUrl, connections);
  const indexes = new Map(seats.map(({ id }, index) => [id, index]));
  const described = seats.map(({ id, sectionName, rowLabel, seatLabel, category, priceMinor, feeMinor }, index) => ({
    id,
    index,
    sectionName,
    rowLabel,
    seatLabel,
    categoryId: String(category),
    price: { amountMinor: priceMinor, currency },
    fee: { amountMinor: feeMinor, currency },
  }));
  const totals = seats.map(({ priceMinor, feeMinor }) => priceMinor + feeMinor);
  return async ({ input }: HoldSeats, { person }: { readonly person: string }) => {
    const { seatIds } = input.seats;
    const wanted = seatIds.map((id) => indexes.get(id)!);
    const holdId = randomUUID();
    const held = await claim({ holdId, holder: person, seats: wanted });
    if (held === null) {
      const path = ['input', 'seats', 'seatIds'];
      const message = 'Some of these seats are not available.';
      return {
        hold: null,
        errors: [{ __typename: 'SeatsUnavailable', code: 'SEATS_UNAVAILABLE', message, path, seatIds }],
      };
    }
    const { heldUntil, now } = held;
    return {
      hold: {
        id: `${input.eventId}.${holdId}`,
        eventId: input.eventId,
        state: 'HELD',
        fence: holdId,
        seats: wanted.map((index) => described[index]!),
        total: { amountMinor: wanted.reduce((sum, index) => sum + totals[index]!, 0), currency },
        expiresAt: heldUntil,
        extensionsEndAt: heldUntil,
        payBy: null,
        expiryWarning: false,
        orderId: null,
        now,
      },
      errors: [],
    };
  };
}
