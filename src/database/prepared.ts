import pg from 'pg';
import { limits } from '../limits.js';

const names = new Map<string, string>();

/** The name of a statement, the same on every connection; undefined when there are too many to keep. */
function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= limits.preparedStatements) return known;
  const name = `s${names.size + 1}`;
  names.set(text, name);
  return name;
}

type Query = (...args: unknown[]) => unknown;

/**
 * A connection on which a statement with parameters is parsed and planned once, not each time: for the short ones of a sale that is most of
 * what they cost. Texts that are made up as they come belong to `= ANY($1)`, or they would use the names up.
 */
export class PreparingClient extends pg.Client {
  // The overloads of the library all come down to this one.
  override query = ((statement: unknown, values: unknown, ...rest: unknown[]) => {
    const query = super.query as Query;
    if (typeof statement !== 'string' || !Array.isArray(values) || values.length === 0)
      return query.call(this, statement, values, ...rest);
    const name = nameOf(statement);
    return query.call(this, { ...(name !== undefined && { name }), text: statement, values }, ...rest);
  }) as pg.Client['query'];
}
