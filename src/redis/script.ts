import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { type EventRef, metaKey } from './keys.js';

const folder = new URL('.', import.meta.url);

/**
 * Reads a script and puts the text of its includes in place. Scripts are files, so that they can be read and diffed. With its first line
 * Redis refuses the whole script when it could not write (out of memory, read-only), instead of stopping in the middle of it.
 */
export function loadScript(name: string, root: URL = folder): string {
  return `#!lua\n${withIncludes(`scripts/${name}.lua`, root)}`;
}

function withIncludes(path: string, root: URL): string {
  const text = readFileSync(new URL(path, root), 'utf8');
  return text.replace(/^ *--@include (\w+)$/gm, (_line, name: string) => withIncludes(`includes/${name}.lua`, root));
}

/** The scripts, by file name. */
export const scriptNames = [
  'seats.hold',
  'seats.read',
  'seats.change',
  'seats.extend',
  'seats.release',
  'seats.checkout',
  'seats.confirm',
  'seats.issue',
  'seats.sold',
  'seats.return',
  'seats.free',
  'seats.allocate',
  'seats.snapshot',
  'sales.read',
  'line.join',
  'line.leave',
  'line.read',
  'line.presence',
  'line.admit',
  'line.draw',
  'line.numbers',
  'line.restore',
  'line.snapshot',
  'event.settings',
  'provider.quota',
  'provider.hold',
] as const;
export type ScriptName = (typeof scriptNames)[number];

export type ScriptValue = string | number;

/** What a script answers: a code, then Redis time in milliseconds, then the values its contract names. */
export interface ScriptReply {
  readonly code: string;
  readonly nowMs: number;
  readonly values: readonly string[];
}

type DefinedCommand = (key: string, ...args: ScriptValue[]) => Promise<unknown>;

/** Makes every script a command of the client: EVALSHA first, EVAL where the server does not know it yet. */
export function defineScripts(client: Redis): void {
  for (const name of scriptNames) client.defineCommand(name, { numberOfKeys: 1, lua: loadScript(name) });
}

const servers = new WeakMap<Redis, string>();

/** Says which server is behind a connection; null: nobody knows, and scripts answer WRONG_EPOCH without being sent. */
export function setServer(client: Redis, server: string | null): void {
  if (server === null) servers.delete(client);
  else servers.set(client, server);
}

/** The identity of the server behind a connection, or null. */
export function serverOf(client: Redis): string | null {
  return servers.get(client) ?? null;
}

/** A generation on the server it was loaded on: data that a server has from another one, or from before its restart, is not trusted. */
export function epochOf(generation: number, server: string): string {
  return `${generation}@${server}`;
}

/** Runs a script on an event, in the generation the caller believes in, on the server that is behind this connection. */
export async function runScript(
  client: Redis,
  name: ScriptName,
  ref: EventRef,
  ...args: ScriptValue[]
): Promise<ScriptReply> {
  const reply = await callScript(client, name, ref, args);
  if (reply === null) return { code: 'WRONG_EPOCH', nowMs: 0, values: [] };
  return { code: String(reply[0]), nowMs: Number(reply[1] ?? 0), values: reply.slice(2).map(String) };
}

/** The raw answer of a script with a binary value in it; null where no server is known. */
export async function runBinaryScript(
  client: Redis,
  name: ScriptName,
  ref: EventRef,
  ...args: ScriptValue[]
): Promise<readonly (Buffer | number)[] | null> {
  return (await callScript(client, `${name}Buffer`, ref, args)) as (Buffer | number)[] | null;
}

async function callScript(
  client: Redis,
  command: string,
  ref: EventRef,
  args: readonly ScriptValue[],
): Promise<unknown[] | null> {
  const server = serverOf(client);
  if (server === null) return null;
  const run = (client as unknown as Record<string, DefinedCommand>)[command]!;
  return (await run.call(client, metaKey(ref.eventId), epochOf(ref.generation, server), ...args)) as unknown[];
}

export async function runNumberScript(
  client: Redis,
  name: 'provider.quota' | 'provider.hold',
  key: string,
  ...args: ScriptValue[]
): Promise<number> {
  const command = (client as unknown as Record<string, DefinedCommand>)[name]!;
  return Number(await command.call(client, key, ...args));
}

/** Fields of a hash as a script returns them: name, value, name, value. */
export function fieldsOf(values: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < values.length; i += 2) fields[values[i]!] = values[i + 1]!;
  return fields;
}

/** The switch over codes is complete in TypeScript; a code it does not know is a bug of the script or of this process. */
export function unknownCode(script: ScriptName, code: string): never {
  throw new Error(`script ${script} answered with the unknown code ${code}`);
}
