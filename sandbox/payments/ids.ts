import { randomBytes } from 'node:crypto';

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
let pool = randomBytes(4096);
let used = 0;

/** A random id in the provider's manner: `pi_` and letters and digits. Bytes are drawn in bulk because every call needs some. */
export function makeId(prefix: string, length = 24): string {
  if (used + length > pool.length) {
    pool = randomBytes(4096);
    used = 0;
  }
  let id = prefix;
  for (const byte of pool.subarray(used, used + length)) id += letters[byte % letters.length];
  used += length;
  return id;
}

/** Seconds since 1970, the unit of every instant in the API. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
