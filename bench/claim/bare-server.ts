import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { hoardBudgetMs } from '../../src/domain/hoarding.js';
import { limits } from '../../src/limits.js';
import { connectRedis } from '../../src/redis/connections.js';
import type { EventRef } from '../../src/redis/keys.js';
import { claimSeats } from '../../src/redis/seat-holds.js';
import type { BenchClient } from '../support/client.js';
import { obey } from '../support/party.js';

/** What a hold costs at least: a socket or a request, one call of the product's own script through ioredis, one answer. */
export interface BareCommand {
  readonly redisUrl: string;
  readonly ref: EventRef;
  readonly prices: string;
  readonly categories: number;
}

export interface BareReport {
  readonly socketUrl: string;
  readonly httpUrl: string;
}

export interface BareWish {
  readonly id: string;
  readonly person: string;
  readonly index: number;
}

obey<BareCommand, BareReport>(async (command) => {
  const { commands: client } = await connectRedis(command.redisUrl, () => {});
  const http = createServer((request, response) => {
    void bodyOf(request)
      .then((body) => hold(client, command, JSON.parse(body) as BareWish))
      .then((answer) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) });
        response.end(answer);
      });
  });
  const sockets = new WebSocketServer({ server: http, perMessageDeflate: false, clientTracking: false });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      void hold(client, command, JSON.parse(String(data)) as BareWish).then((answer) => socket.send(answer));
    });
  });
  await new Promise<void>((resolve) => {
    http.listen({ host: '127.0.0.1', port: 0, backlog: limits.listenBacklog }, resolve);
  });
  const { port } = http.address() as AddressInfo;
  return { socketUrl: `ws://127.0.0.1:${port}/`, httpUrl: `http://127.0.0.1:${port}/` };
});

function bodyOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => resolve(body));
    request.on('error', reject);
  });
}

async function hold(
  client: BenchClient,
  { ref, prices, categories }: BareCommand,
  { id, person, index }: BareWish,
): Promise<string> {
  const answer = await claimSeats(client, ref, {
    holdId: id,
    person,
    digest: '0123456789abcdef',
    selection: { kind: 'seats', indexes: [index] },
    letters: '.',
    prices,
    ttlMs: limits.holdTtlMs,
    maxMs: limits.holdMaxMs,
    seatsPerPerson: limits.seatsPerPerson,
    hoardBudgetMs: hoardBudgetMs({ maxSeatsPerPerson: limits.seatsPerPerson, holdTtlMs: limits.holdTtlMs }),
    newEntryId: id,
    categories,
  });
  return JSON.stringify({ id, ...answer });
}
