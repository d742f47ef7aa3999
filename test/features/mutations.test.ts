import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  getNamedType,
  isInputObjectType,
  isNonNullType,
} from 'graphql';
import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient, type Data } from '../support/client.js';
import { refusals, type Who } from '../support/mutation-cases.js';
import { arrange, type World } from '../support/mutation-world.js';

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));
const mutations = Object.values(schema.getMutationType()!.getFields());

let app: TestApp;
let w: World;

beforeAll(async () => {
  app = await startTestApp();
  w = await arrange(app);
});
afterAll(() => app.close());

/** What is remembered of requests, not of seats, money or places; and what moves with time alone. */
const memory = /:(idempotency|attempts|email-code):|:provider-quota|:processes$|:(reconcile|money)-turn$/;
const clocks = new Set(
  'lastNow tokens tokensAt version recovering pace paceAt paceAdmits paceLeft paceWaiting'.split(' '),
);

/** A text that stands for every row of the ledger and every key of Redis. */
async function digest(): Promise<string> {
  const hash = createHash('sha256');
  const tables = await app.sql<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'money_cursor' ORDER BY 1`,
  );
  for (const { name } of tables) {
    const [rows] = await app.sql<Data>(`SELECT string_agg(t::text, ',' ORDER BY t::text) AS text FROM ${name} t`);
    hash.update(`${name}=${rows.text}\n`);
  }
  const { redis } = app.server.services.platform;
  for (const key of (await redis.keys('*')).sort()) {
    if (memory.test(key)) continue;
    if (!/:(meta|line)$/.test(key)) {
      hash.update(`${key}=${(await redis.dumpBuffer(key))?.toString('base64')}\n`);
      continue;
    }
    const fields = Object.entries(await redis.hgetall(key)).filter(([field]) => !clocks.has(field));
    hash.update(`${key}=${JSON.stringify(fields.sort())}\n`);
  }
  return hash.digest('hex');
}

const client = (who: Who): ApiClient =>
  who === 'nobody' ? app.anonymous : who === 'organizer' ? app.organizer : w[who];

test('The table of refusals knows every mutation of the schema', () => {
  expect(Object.keys(refusals).sort()).toEqual(mutations.map(({ name }) => name).sort());
});

/** Mutations by which somebody without a session gets one. */
const forAnybody = new Set([
  'startGuestSession',
  'signIn',
  'requestEmailCode',
  'confirmEmail',
  'signUp',
  'recoverPlace',
]);

const errorSelection = '... on UserError { code message path }';

describe.each(mutations.map(({ name }) => name))('%s refuses, typed and without a trace,', (name) => {
  const { valid, cases } = refusals[name] ?? { valid: () => ({}), cases: [] };
  const mutation = mutations.find((field) => field.name === name)!;
  const inputType = (
    isNonNullType(mutation.args[0]!.type) ? mutation.args[0]!.type.ofType : null
  ) as GraphQLInputObjectType;
  const send = (who: Who, input: object) =>
    client(who).send(
      `mutation ($input: ${inputType.name}!) { payload: ${name}(input: $input) { errors { ${errorSelection} } } }`,
      {
        input,
      },
    );

  if (cases.length > 0) {
    const rows = cases.map(([what, who, input, code, path = null]) => ({ what, who, input, code, path }));
    test.each(rows)('$what', async ({ who, input, code, path }) => {
      const given = input(w);
      const before = await digest();
      const { data, errors } = await send(who, given);
      expect(errors).toBeUndefined();
      expect(data.payload.errors).toEqual([
        { code, message: expect.stringMatching(/^[A-Z].*\.$/), path: path === null ? null : path.split('.') },
      ]);
      expect(await digest()).toBe(before);
    });
  }

  if (!forAnybody.has(name)) {
    test.each<[string, () => ApiClient]>([
      ['somebody without a token', () => app.anonymous],
      ['somebody with a token nobody signed', () => new ApiClient(app.url, `${w.owner.token!.slice(0, -8)}AAAAAAAA`)],
    ])('%s', async (_who, asker) => {
      const before = await digest();
      const query = `mutation ($input: ${inputType.name}!) { payload: ${name}(input: $input) { errors { ${errorSelection} } } }`;
      const { data } = await asker().send(query, { input: valid(w) });
      expect(data.payload.errors).toMatchObject([{ code: 'UNAUTHENTICATED' }]);
      expect(await digest()).toBe(before);
    });
  }

  test('every field of a wrong type, every missing one, and every unknown one', async () => {
    const before = await digest();
    const wrong = (field: GraphQLInputField): unknown => {
      // A single value stands for a list of it.
      return isInputObjectType(getNamedType(field.type)) ? 'text' : { an: 'object' };
    };
    const fields = Object.values(inputType.getFields());
    const required = fields.filter((field) => isNonNullType(field.type) && field.defaultValue === undefined);
    const inputs = [
      ...fields.map((field) => ({ ...valid(w), [field.name]: wrong(field) })),
      ...required.map((field) => ({ ...valid(w), [field.name]: null })),
      { ...valid(w), fieldNobodyKnows: 1 },
    ];
    for (const input of inputs) {
      const { status, data, errors } = await send('owner', input);
      expect([status, data]).toEqual([400, null]);
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
    expect(await digest()).toBe(before);
  });
});

test('Signing in too often with one address is refused for a while', async () => {
  const input = { email: 'often@example.com', password: 'x' };
  const codes: string[] = [];
  for (let attempt = 0; attempt <= limits.signInAttemptsPerMinute; attempt += 1) {
    const { errors } = await app.anonymous.mutate('signIn', input, 'session { token }');
    codes.push(errors[0].code);
  }
  expect(codes.slice(0, -1)).toEqual(Array(limits.signInAttemptsPerMinute).fill('UNAUTHENTICATED'));
  expect(codes.at(-1)).toBe('OVERLOADED');
});
