import { createHash } from 'node:crypto';
import type { ChainableCommander, Command, Redis } from 'ioredis';
import { loadScript, scriptNames } from '../../src/redis/script.js';
import { type Fault, fibers } from './scheduler.js';

const faults: readonly Fault[] = ['request lost', 'answer lost'];
const sha = (text: string) => createHash('sha1').update(text).digest('hex');
const scripts = new Map<string, string>(scriptNames.map((name) => [sha(loadScript(name)), name]));

type Send = (command: Command, stream?: unknown) => Promise<unknown>;

/** What is known of the commands of a lane. */
export interface Commands {
  /** Whether anything may have changed the seats since this was last asked. */
  haveMoved(): boolean;
}

/** Every command, script and pipeline of a task is a call. TIME is answered here: the time of a run does not pass by itself. */
export function gateCommands(redis: Redis, time: { readonly nowMs: number }): Commands {
  // Every command is one call; and none fails because the machine was busy.
  redis.options.enableAutoPipelining = false;
  delete redis.options.commandTimeout;
  let moved = false;
  const send = redis.sendCommand.bind(redis) as Send;
  const gate = <T>(label: string, act: () => Promise<T>): Promise<T> => {
    const fiber = fibers.getStore();
    if (fiber === undefined) return act();
    return fiber.scheduler.call(fiber, { label: `redis ${label}`, faults, tell }, async (verdict) => {
      if (verdict === 'request lost') throw new Error('Connection is closed.');
      const answer = await act();
      moved = true;
      if (verdict === 'answer lost') throw new Error('Command timed out');
      return answer;
    });
  };
  redis.sendCommand = ((command: Command, stream?: unknown) => {
    if (command.name === 'time') return Promise.resolve(timeOf(time));
    return stream === undefined ? gate(describe(command), () => send(command)) : send(command, stream);
  }) as Redis['sendCommand'];
  const pipeline = redis.pipeline.bind(redis);
  redis.pipeline = ((...args: Parameters<typeof pipeline>) => {
    const made: ChainableCommander = pipeline(...args);
    const exec = made.exec.bind(made);
    made.exec = (() => gate(`pipeline of ${made.length}`, () => exec())) as ChainableCommander['exec'];
    return made;
  }) as Redis['pipeline'];
  return {
    haveMoved: () => {
      const have = moved;
      moved = false;
      return have;
    },
  };
}

const timeOf = ({ nowMs }: { readonly nowMs: number }) => [
  String(Math.floor(nowMs / 1_000)),
  String((nowMs % 1_000) * 1_000),
];

function describe({ name, args }: Command): string {
  const script = scripts.get(String(args[0]));
  if (script !== undefined) return script;
  // Keys are told without what is the same in all of them, or another one in every run.
  const key = name.startsWith('eval') ? 'of a script' : String(args[0] ?? '').replace(/^.*\}:|^fg2:/, '');
  return key === '' ? name : `${name} ${key.replace(/[.:][^ ]*:.*/, '')}`;
}

/** A script answers its code first; other answers are long, and tell little. */
const tell = (answer: unknown) =>
  Array.isArray(answer) && typeof answer[0] === 'string' && /^[A-Z_]+$/.test(answer[0]) ? answer[0] : '';
