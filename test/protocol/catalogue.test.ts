import { readdirSync, readFileSync } from 'node:fs';
import {
  type GraphQLInputObjectType,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  GraphQLUnionType,
  getNamedType,
} from 'graphql';
import { CloseCode } from 'graphql-ws';
import { errorCatalogue } from '../../src/domain/errors.js';
import { limits } from '../../src/limits.js';
import { errorTypeName } from '../../src/resolvers/errors.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { closeCodes } from '../../src/server/connection.js';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const protocol = read('PROTOCOL.md');
const schema = buildSchema();
const catalogue = Object.entries(errorCatalogue) as [
  keyof typeof errorCatalogue,
  { meaning: string; next: string; extras?: Record<string, string> },
][];

/** The rows of the table under this head, cell by cell. */
function table(head: string): string[][] {
  const lines = protocol.split('\n');
  const start = lines.indexOf(head);
  if (start === -1) throw new Error(`PROTOCOL.md has no table ${head}`);
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

const bare = (cell: string) => cell.replaceAll('`', '');

test('PROTOCOL.md tells of every error of the catalogue, and of no other', () => {
  const rows = table('| code | type | extra fields | meaning | what a client does next |');
  expect(rows).toEqual(
    catalogue.map(([code, { meaning, next, extras = {} }]) => [
      `\`${code}\``,
      `\`${errorTypeName(code)}\``,
      Object.keys(extras)
        .map((field) => `\`${field}\``)
        .join(', ') || '–',
      meaning,
      next,
    ]),
  );
});

test('The schema has one type for every error of the catalogue, with its fields, and no other', () => {
  const userError = schema.getType('UserError') as GraphQLInterfaceType;
  const types = schema.getPossibleTypes(userError) as readonly GraphQLObjectType[];
  const common = Object.keys(userError.getFields());
  const described = types.map((type) => [
    type.name,
    type.description,
    Object.keys(type.getFields()).filter((field) => !common.includes(field)),
  ]);
  const expected = catalogue.map(([code, { meaning, extras = {} }]) => [
    errorTypeName(code),
    meaning,
    Object.keys(extras),
  ]);
  const byName = (a: unknown[], b: unknown[]) => String(a[0]).localeCompare(String(b[0]));
  expect(described.sort(byName)).toEqual(expected.sort(byName));
});

test('Every mutation takes one input and answers one payload: a nullable result and its errors', () => {
  for (const field of Object.values(schema.getMutationType()!.getFields())) {
    expect(field.args.map(({ name }) => name)).toEqual(['input']);
    const name = `${field.name[0]!.toUpperCase()}${field.name.slice(1)}`;
    expect(String(field.args[0]!.type)).toBe(`${name}Input!`);
    expect(String(field.type)).toBe(`${name}Payload!`);
    const fields = Object.values((getNamedType(field.type) as GraphQLObjectType).getFields());
    const [errors, ...results] = fields.sort((a) => (a.name === 'errors' ? -1 : 1));
    expect(String(errors!.type)).toBe(`[${name}Error!]!`);
    expect(results).toHaveLength(1);
    expect(String(results[0]!.type)).not.toMatch(/!$/);
    expect(getNamedType(errors!.type)).toBeInstanceOf(GraphQLUnionType);
  }
});

test('Every mutation that moves seats or money takes an idempotency key', () => {
  const keyed = Object.values(schema.getMutationType()!.getFields())
    .filter(({ args }) => 'idempotencyKey' in (getNamedType(args[0]!.type) as GraphQLInputObjectType).getFields())
    .map(({ name }) => name);
  expect(keyed).toEqual(
    expect.arrayContaining(['holdSeats', 'extendHold', 'releaseHold', 'startCheckout', 'cancelOrder']),
  );
});

test('PROTOCOL.md tells of every top-level code the server answers with, and of no other', () => {
  const documented = table('| code | meaning | what a client does next |').map(([code]) => bare(code!));
  const sources = readdirSync(new URL('src/server/', root)).map((file) => read(`src/server/${file}`));
  const spoken = sources.flatMap((text) => [...text.matchAll(/'([A-Z]+_?[A-Z_]*[A-Z])'/g)].map(([, code]) => code!));
  const codes = spoken.filter((code) => !['GET', 'POST', 'WS', 'SELECT', 'GUEST'].includes(code));
  expect([...new Set(codes)].sort()).toEqual([...documented].sort());
});

test('PROTOCOL.md tells of every close code, and of no other', () => {
  const rows = protocol.slice(protocol.indexOf('## Close codes')).matchAll(/^\| (\d{4}) \|/gm);
  const ofWebSocket = [1009, 1011];
  const ofProtocol = [
    CloseCode.BadRequest,
    CloseCode.Unauthorized,
    CloseCode.Forbidden,
    CloseCode.SubprotocolNotAcceptable,
    CloseCode.ConnectionInitialisationTimeout,
    CloseCode.SubscriberAlreadyExists,
    CloseCode.TooManyInitialisationRequests,
  ];
  expect([...rows].map(([, code]) => Number(code))).toEqual(
    [...ofWebSocket, ...ofProtocol, ...Object.values(closeCodes)].sort((a, b) => a - b),
  );
});

/** Bounds that no client ever meets: how processes, stores and the provider are treated. */
const inside = new Set(
  `admitBatch admitEveryMs admitWork auditEntries claimReclaimHolds codeReservationMs codeSweepUses databaseConnectMs databaseConnections databaseStatementMs documentCacheEntries drawChunk eventCacheEntries eventCacheMs idempotencyReplayMs mirrorIdleMs openEvents orphanCheckoutMs
   framesPerText wakeSlice metricsAnswerMs processRestartMs reconcileEveryMs reconcileSeats
   presenceBatch presenceEveryMs processLeaseMs providerCallsPerEndpointPerSecond providerCallsPerSecond providerInFlight
   breakerOutages breakerRestMaxMs breakerRestMs checkoutWaitMs paymentDelayShownMs paymentHealthEveryMs providerCallsAlonePerSecond
   providerHoldMaxMs providerHoldMs providerTurnMs providerUsualMs stepsPerLane
   providerTimeoutMs redisCommandMs redisConnectMs socketSweepMs stepBatch stepLeaseMs stepGatherMs stepPollMs stepRetryMaxMs
   stepRetryMs stepGiveUps processingRereadMaxMs shoppersPerSeat rebuildRetryMs restoreBatch lineNumbers channelSeats mailConnections mailTimeoutMs mailAttempts mailRetryMs
   moneyTurnMs moneyUnmatchedMs moneyRestMs moneyIntentsEveryMs moneyOverlapMs moneyLookBackMs moneyPages moneyPageOrders moneyRechecks
   moneyRefundRereadMs moneyReportPostings
   cancellationBatch cancellationUnfinished cancellationEveryMs cancellationWatchMs providerEvents providerEventMs providerEventTries providerEventPollMs
   mailQueue receiptEveryMs receiptBatch receiptMailAttempts receiptCacheEntries jobConcurrency jobConnections jobSlotMs jobMaxMs jobLocksEveryMs
   jobRestartMs preparedStatements revocations sweepEveryMs sweepHolds listenBacklog admitAtJoinAhead tokenCacheEntries tokenLength webhookBytes webhookToleranceSeconds`.split(
    /\s+/,
  ),
);

test('PROTOCOL.md tells of every limit a client can meet, with its value', () => {
  const rows = table('| limit | value | of what |');
  const documented = rows.map(([name, value]) => [bare(name!), Number(value!.replace(/[^\d]/g, ''))]);
  const expected = Object.entries(limits).filter(([name]) => !inside.has(name));
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(expected));
  expect(documented).toHaveLength(expected.length);
});

test('The docs for who operates it tell of every alarm, by its message', () => {
  const told = read('docs/operating.md') + read('docs/operations/payments.md');
  const folders = ['src/services/', 'src/payments/', 'src/workers/', 'src/server/'];
  const sources = folders.flatMap((folder) =>
    readdirSync(new URL(folder, root)).map((file) => read(`${folder}${file}`)),
  );
  const spoken = sources.flatMap((text) => [
    ...text.matchAll(/#alarm\(\s*step,\s*[`']([^`'$]+)/g),
    ...text.matchAll(/alarm: true[^}]*\}[,;]\s*(?:[\w.#]*log\.error\(about, )?'([^']+)'/g),
  ]);
  const messages = spoken.map(([, message]) => message!.split(';')[0]!.replace(/[:,]? *$/, ''));
  expect(messages.length).toBeGreaterThan(10);
  expect(messages.filter((message) => !told.includes(message))).toEqual([]);
});
