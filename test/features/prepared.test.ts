import type { DataSource } from 'typeorm';
import { makeDataSource } from '../../src/database/data-source.js';
import { limits } from '../../src/limits.js';
import { createTestStores, type TestStores } from '../support/stores.js';

let stores: TestStores;
let database: DataSource;
beforeAll(async () => {
  stores = await createTestStores();
  // One connection: whatever is asked is asked there.
  database = await makeDataSource(stores.databaseUrl, 1).initialize();
});
afterAll(async () => {
  await database.destroy();
  await stores.close();
});

/** The statements this connection has prepared. */
async function prepared(): Promise<string[]> {
  const rows: { statement: string }[] = await database.query('SELECT statement FROM pg_prepared_statements');
  return rows.map(({ statement }) => statement);
}

const plus = (text: string, number: number): Promise<[{ sum: number }]> => database.query(text, [number]);

test('A statement with parameters is prepared once on a connection, whatever its parameters and even if it has failed', async () => {
  const text = 'SELECT 12 / $1::int AS sum';
  expect(await plus(text, 3)).toEqual([{ sum: 4 }]);
  await expect(plus(text, 0)).rejects.toThrow('division by zero');
  await expect(
    database.transaction(async (manager) => {
      await manager.query('SELECT 24 / $1::int AS sum', [0]);
    }),
  ).rejects.toThrow('division by zero');
  expect(await plus('SELECT 24 / $1::int AS sum', 2)).toEqual([{ sum: 12 }]);
  expect(await plus(text, 6)).toEqual([{ sum: 2 }]);
  expect(await database.query('SELECT 1 AS sum')).toEqual([{ sum: 1 }]);
  await expect(plus('SELECT $1::int AS sum FROM nothing', 1)).rejects.toThrow('nothing');
  await expect(plus('SELECT $1::int AS sum FROM nothing', 1)).rejects.toThrow('nothing');
  expect((await prepared()).sort()).toEqual([text, 'SELECT 24 / $1::int AS sum']);
});

test('Statements beyond the bound are answered without being prepared, and those within it still are', async () => {
  const { length } = await prepared();
  const texts = Array.from({ length: limits.preparedStatements + 5 }, (_, at) => `SELECT $1::int + ${at} AS sum`);
  for (const again of [1, 2])
    for (const [at, text] of texts.entries()) expect(await plus(text, again)).toEqual([{ sum: at + again }]);
  const known = await prepared();
  expect(known.length).toBeLessThanOrEqual(limits.preparedStatements);
  expect(known.length).toBeGreaterThan(length + limits.preparedStatements / 2);
  expect(known).toContain(texts[0]);
  expect(known).not.toContain(texts.at(-1));
});
