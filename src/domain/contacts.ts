import { limits } from '../limits.js';
import { invalidInput, isRefusal, type Refusal } from './errors.js';

/** Who a receipt is made out to and where it goes; null: not said. */
export interface Buyer {
  readonly email: string | null;
  readonly name: string | null;
  readonly address: string | null;
}

/** Who a receipt is from; null: not said. */
export interface Seller {
  readonly legalName: string | null;
  readonly address: string | null;
  readonly taxId: string | null;
}

/** What people send: nothing, null and an empty text all mean that nothing is said. */
export type Said<T> = { readonly [K in keyof T]?: T[K] | null | undefined };

/** Control characters, and those that turn the direction of what follows: neither belongs into a mail's head or on a receipt. */
const unprintable = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** An address as it is kept; null when it is none. */
export function normalAddress(email: string): string | null {
  const address = email.trim().normalize('NFC').toLowerCase();
  const isAddress = /^[^\s@<>(),;:"\\[\]]+@[^\s@<>(),;:"\\[\]]+\.[^\s@<>(),;:"\\[\]]+$/.test(address);
  return isAddress && address.length <= limits.nameLength && !/[\p{Cc}\p{Cf}\p{Cs}]/u.test(address) ? address : null;
}

export function checkBuyer(path: string, said: Said<Buyer>): Buyer | Refusal<'INVALID_INPUT'> {
  const email = said.email?.trim() ? normalAddress(said.email) : null;
  if (email === null && said.email?.trim()) return invalidInput(`${path}.email`, 'Must be an email address.');
  const name = checkLine(`${path}.name`, said.name);
  if (isRefusal(name)) return name;
  const address = checkPostalAddress(`${path}.address`, said.address);
  return isRefusal(address) ? address : { email, name, address };
}

export function checkSeller(path: string, said: Said<Seller>): Seller | Refusal<'INVALID_INPUT'> {
  const legalName = checkLine(`${path}.legalName`, said.legalName);
  if (isRefusal(legalName)) return legalName;
  const address = checkPostalAddress(`${path}.address`, said.address);
  if (isRefusal(address)) return address;
  const taxId = checkLine(`${path}.taxId`, said.taxId);
  return isRefusal(taxId) ? taxId : { legalName, address, taxId };
}

function checkLine(path: string, said: string | null | undefined): string | null | Refusal<'INVALID_INPUT'> {
  const text = said?.trim() ?? '';
  if (text.length > limits.nameLength) return invalidInput(path, `Must have at most ${limits.nameLength} characters.`);
  return unprintable.test(text) ? invalidInput(path, 'Must be one line of printable characters.') : text || null;
}

function checkPostalAddress(path: string, said: string | null | undefined): string | null | Refusal<'INVALID_INPUT'> {
  const text = (said?.trim() ?? '').replaceAll('\r\n', '\n');
  if (text.length > limits.postalAddressLength)
    return invalidInput(path, `Must have at most ${limits.postalAddressLength} characters.`);
  const lines = text.split('\n').map((line) => line.trim());
  if (lines.length > limits.postalAddressLines)
    return invalidInput(path, `Must have at most ${limits.postalAddressLines} lines.`);
  return lines.some((line) => unprintable.test(line))
    ? invalidInput(path, 'Must be lines of printable characters.')
    : lines.join('\n') || null;
}
