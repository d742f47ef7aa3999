import { buildSchema, GraphQLObjectType, type GraphQLSchema } from 'graphql';
import type { BroadcastRule } from '../../src/resolvers/broadcast.js';

/** A schema as it is written, with what is declared to tell everybody the same: types, and fields as `Type.field`. */
export function declaredSchema(text: string, declared: Readonly<Record<string, BroadcastRule>>): GraphQLSchema {
  const schema = buildSchema(text);
  for (const [path, rule] of Object.entries(declared)) {
    const [typeName, fieldName] = path.split('.') as [string, string?];
    const type = schema.getType(typeName);
    if (!(type instanceof GraphQLObjectType)) throw new Error(`${typeName} is no object type`);
    const thing = fieldName === undefined ? type : type.getFields()[fieldName];
    if (thing === undefined) throw new Error(`there is no ${path}`);
    Object.assign(thing.extensions, { broadcast: rule });
  }
  return schema;
}
