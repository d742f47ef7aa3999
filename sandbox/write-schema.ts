import { writeFileSync } from 'node:fs';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchema } from '../src/resolvers/schema.js';

writeFileSync(process.argv[2] ?? 'schema.graphql', `${printSchema(lexicographicSortSchema(buildSchema()))}\n`);
