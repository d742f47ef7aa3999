import { makeDataSource } from '../../src/database/data-source.js';
import { createTestStores } from '../support/stores.js';

test('Entities and migrations agree: after all migrations nothing is left to change', async () => {
  const stores = await createTestStores();
  const database = await makeDataSource(stores.databaseUrl, 1).initialize();
  try {
    await database.runMigrations();
    const { upQueries } = await database.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  } finally {
    await database.destroy();
    await stores.close();
  }
});

test('Every migration can be taken back and applied again', async () => {
  const stores = await createTestStores();
  const database = await makeDataSource(stores.databaseUrl, 1).initialize();
  try {
    const applied = await database.runMigrations();
    for (const _ of applied) await database.undoLastMigration();
    const left: { table_name: string }[] = await database.query(
      `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'migrations'`,
    );
    expect(left.map(({ table_name }) => table_name)).toEqual([]);
    expect(await database.runMigrations()).toHaveLength(applied.length);
  } finally {
    await database.destroy();
    await stores.close();
  }
});
