import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

const folder = new URL('.', import.meta.url);

/** Reads a script and puts the text of its includes in place. Scripts are files, so that they can be read and diffed. */
export function loadScript(name: string, root: URL = folder): string {
  const text = readFileSync(new URL(`scripts/${name}.lua`, root), 'utf8');
  return text.replace(/^--@include (\w+)$/gm, (_line, include: string) =>
    readFileSync(new URL(`includes/${include}.lua`, root), 'utf8'),
  );
}

/** The scripts, by file name. */
export const scriptNames = [
  'seats.hold',
  'seats.read',
  'seats.extend',
  'seats.release',
  'seats.checkout',
  'seats.confirm',
  'seats.issue',
  'seats.sold',
  'seats.free',
  'seats.snapshot',
  'sales.read',
  'line.join',
  'line.leave',
  'line.read',
  'line.presence',
  'line.admit',
  'line.draw',
  'line.snapshot',
  'event.settings',
  'provider.quota',
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

const distrusted = new WeakSet<Redis>();

/** From here on scripts answer WRONG_EPOCH without being sent: nobody knows yet which server is behind this connection. */
export function distrust(client: Redis): void {
  distrusted.add(client);
}

export function trust(client: Redis): void {
  distrusted.delete(client);
}

export function isDistrusted(client: Redis): boolean {
  return distrusted.has(client);
}

export async function runScript(
  client: Redis,
  name: ScriptName,
  key: string,
  ...args: ScriptValue[]
): Promise<ScriptReply> {
  if (isDistrusted(client)) return { code: 'WRONG_EPOCH', nowMs: 0, values: [] };
  const command = (client as unknown as Record<string, DefinedCommand>)[name]!;
  const reply = (await command.call(client, key, ...args)) as (string | number)[];
  return { code: String(reply[0]), nowMs: Number(reply[1] ?? 0), values: reply.slice(2).map(String) };
}

export async function runNumberScript(
  client: Redis,
  name: 'provider.quota',
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
