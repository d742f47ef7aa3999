import type { FastifyInstance } from 'fastify';
import { endpoints } from './endpoints.js';
import type { FaultPlan } from './faults.js';
import { sandboxLimits } from './limits.js';
import { failureModes } from './settings.js';
import type { World } from './world.js';

const endpointNames = ['all', ...endpoints.map(({ name }) => name)];

const properties = {
  endpoint: { type: 'string', enum: endpointNames },
  mode: { type: 'string', enum: ['none', ...failureModes] },
  times: { type: 'integer', minimum: 1 },
  rate: { type: 'number', minimum: 0, maximum: 1 },
  latencyMs: { type: 'integer', minimum: 0, maximum: 60_000 },
  retryAfterSeconds: { type: 'integer', minimum: 0 },
  matching: { type: 'string', maxLength: sandboxLimits.textLength },
};

const body = { type: 'object', properties, required: ['endpoint', 'mode'], additionalProperties: false };

/** Faults of single endpoints, for a number of calls or until they are taken back. */
export function addFaultRoutes(app: FastifyInstance, world: World): void {
  app.get('/_sandbox/faults', () => world.faults.plans);
  app.post<{ Body: Partial<FaultPlan> & Pick<FaultPlan, 'endpoint' | 'mode'> }>(
    '/_sandbox/faults',
    { schema: { body } },
    (request, reply) => {
      const plan = { times: null, rate: 1, latencyMs: 0, retryAfterSeconds: null, matching: '', ...request.body };
      if (world.faults.plan(plan)) return world.faults.plans;
      return reply.code(400).send({ error: { message: `at most ${sandboxLimits.plannedFaults} faults are planned` } });
    },
  );
  app.delete<{ Querystring: { params: { endpoint?: string } } }>('/_sandbox/faults', (request) => {
    world.faults.clear(request.query.params.endpoint);
    return world.faults.plans;
  });
}
