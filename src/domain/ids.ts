import { hash } from 'node:crypto';

/** In hexadecimal digits. All at once: a hash object to be fed and asked costs six times as much. */
export const sha256 = (text: string): string => hash('sha256', text);

/**
 * A UUID derived from its parts: the same parts give the same id on every process, which is what makes a repeated
 * request find what the first one made. Laid out as a version 8 UUID (RFC 9562, section 5.8).
 */
export function derivedId(kind: string, ...parts: readonly string[]): string {
  const hex = sha256([kind, ...parts].join('\0'));
  const variant = '89ab'[Number.parseInt(hex[16]!, 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Sixteen hexadecimal digits that stand for an input: the same key with another digest is a misuse of the key. */
export function inputDigest(value: unknown): string {
  return sha256(JSON.stringify(value)).slice(0, 16);
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}
