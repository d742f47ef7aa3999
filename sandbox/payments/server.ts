import formbody from '@fastify/formbody';
import fastify, { type FastifyInstance } from 'fastify';
import { parse } from 'qs';
import { addControlRoutes } from './control.js';
import { endpoints } from './endpoints.js';
import { type Form, Gate } from './gate.js';
import { resumeIntents } from './intents.js';
import { sandboxLimits } from './limits.js';
import { resumeRefunds } from './refunds.js';
import type { Settings } from './settings.js';
import { Store } from './store.js';
import { Webhooks } from './webhooks.js';
import { World } from './world.js';

export interface SandboxOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly secretKey: string;
  readonly webhookSecret: string;
  /** Without one nothing survives a restart. */
  readonly stateFile: string | undefined;
  /** Where browsers reach the sandbox, when that differs from where it listens. */
  readonly publicUrl: string | undefined;
  readonly settings: Settings;
}

export interface RunningSandbox {
  readonly url: string;
  /** Answers what is under way, writes the state file, and ends every timer and connection. */
  stop(): Promise<void>;
}

/** Rejects when the port is taken or the state file cannot be read. */
export async function startSandbox(options: SandboxOptions): Promise<RunningSandbox> {
  const store = new Store(options.stateFile);
  await store.restore();
  const world = new World(store, options.settings);
  const webhooks = new Webhooks(world, options.webhookSecret);
  world.announcer = webhooks;
  const gate = new Gate(world, options.secretKey);
  const app = await buildServer(world, gate, webhooks);
  const url = (await app.listen({ host: options.host, port: options.port })).replace('0.0.0.0', '127.0.0.1');
  const pages = options.publicUrl ?? url;
  world.pageUrl = (intentId) => `${pages}/_sandbox/3ds/${intentId}`;
  resumeIntents(world);
  resumeRefunds(world);
  webhooks.resume();
  return { url, stop: () => stop(app, world, gate, webhooks) };
}

async function stop(app: FastifyInstance, world: World, gate: Gate, webhooks: Webhooks): Promise<void> {
  webhooks.stop();
  gate.stop();
  const impatience = setTimeout(() => app.server.closeAllConnections(), sandboxLimits.shutdownMs);
  await app.close();
  clearTimeout(impatience);
  world.stop();
  world.store.close();
}

function readForm(raw: string): Form {
  return { raw, params: parse(raw, { parameterLimit: sandboxLimits.formFields, depth: 4 }) };
}

async function buildServer(world: World, gate: Gate, webhooks: Webhooks): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: sandboxLimits.bodyBytes,
    // The control API takes what it names and nothing else.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    // `Form` is what every reader of a query or a form expects; the plugin's type asks for a plain record.
    routerOptions: { querystringParser: (raw) => ({ ...readForm(raw) }) },
  });
  await app.register(formbody, { parser: (raw) => ({ ...readForm(raw) }) });
  for (const endpoint of endpoints) {
    app.route({
      method: endpoint.method,
      url: endpoint.path,
      handler: (request, reply) => gate.serve(endpoint, request, reply),
    });
  }
  // The buyer's browser asks before it sends a key to another origin.
  app.options('/v1/*', (_request, reply) =>
    reply
      .code(204)
      .headers({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': 'authorization, content-type, idempotency-key, stripe-version',
        'access-control-max-age': '600',
      })
      .send(),
  );
  addControlRoutes(app, world, gate, webhooks);
  app.setNotFoundHandler((request, reply) => {
    const message = `Unrecognized request URL (${request.method}: ${request.url.slice(0, 200)}).`;
    return reply.code(404).send({ error: { type: 'invalid_request_error', message } });
  });
  app.setErrorHandler((problem: { statusCode?: number; message: string; stack?: string }, _request, reply) => {
    const status = problem.statusCode ?? 500;
    if (status >= 500) process.stderr.write(`${problem.stack ?? problem.message}\n`);
    const type = status >= 500 ? 'api_error' : 'invalid_request_error';
    return reply.code(status).send({ error: { type, message: problem.message } });
  });
  return app;
}
