import { Redis } from 'ioredis';
import { identify } from '../../src/redis/connections.js';
import { defineScripts, loadScript, type ScriptName } from '../../src/redis/script.js';

export type BenchClient = Redis;

/**
 * A client with the product's scripts that sends commands in exactly the order in which they are called: what is sent at once is then
 * carried out one after the other, without a pause in which Redis would go to sleep.
 */
export async function connectClient(url: string): Promise<BenchClient> {
  const client = new Redis(url, { lazyConnect: true, enableAutoPipelining: false });
  defineScripts(client);
  await client.connect();
  await identify(client);
  return client;
}

const library = 'bench';

/**
 * Loads a script of the product as a function: Redis counts its calls as FCALL, apart from those of EVALSHA, so that a script can be
 * measured while another one undoes what it did after every call.
 */
export async function loadAsFunction(client: BenchClient, script: ScriptName): Promise<void> {
  const name = functionName(script);
  const body = loadScript(script).replace(/^#!lua\n/, '');
  const text = `#!lua name=${library}_${name}\nredis.register_function('${name}', function(KEYS, ARGV)\n${body}\nend)`;
  await client.call('FUNCTION', 'LOAD', 'REPLACE', text);
}

/** Calls a script that was loaded as a function, in the manner of `runScript`; answers its code. */
export async function callFunction(
  client: BenchClient,
  script: ScriptName,
  { key, epoch }: { readonly key: string; readonly epoch: string },
  ...args: (string | number)[]
): Promise<string> {
  const reply = (await client.call('FCALL', functionName(script), 1, key, epoch, ...args)) as unknown[];
  return String(reply[0]);
}

function functionName(script: ScriptName): string {
  return script.replaceAll('.', '_');
}
