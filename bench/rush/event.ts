import { join } from 'node:path';
import { UpdateAdmissionDocument, type UpdateAdmissionMutation } from '../../client/operations.js';
import { seedDemo, seedStadium, withServices } from '../../sandbox/seed.js';
import { SetupError } from '../../sandbox/services/process.js';
import { readConfig } from '../../src/config.js';
import type { RushOptions } from './options.js';
import type { Stack } from './stack.js';

const organizerSessionMs = 24 * 3_600_000;
/** The least an organizer can set: as good as nobody is admitted. */
const waitingPerSecond = 0.01;

export interface RushEvent {
  readonly eventId: string;
  /** A session of the event's organizer. */
  readonly organizerToken: string;
}

/** Puts the event of the run on sale, before the server starts. */
export async function openEvent(options: RushOptions, stack: Stack): Promise<RushEvent> {
  const config = readConfig({
    DATABASE_URL: stack.databaseUrl,
    REDIS_URL: stack.redisUrl,
    STRIPE_SECRET_KEY: 'sk_test_unused',
    STRIPE_WEBHOOK_SECRET: 'whsec_unused',
    TOKEN_KEY_FILE: join(stack.home, 'token-key.json'),
  });
  const { activeCap } = options;
  const admitPerSecond = options.waitMs > 0 ? waitingPerSecond : options.admitPerSecond;
  const settings = { admitPerSecond, activeCap, waitingRoom: 'ALWAYS' as const, saleOpensAt: null };
  return withServices(config, async (services) => {
    const { event: kind } = options;
    const event =
      kind.kind === 'demo' ? await seedDemo(services, settings) : await seedStadium(services, kind.seats, settings);
    const organizer = {
      personId: 'rush-organizer',
      role: 'ORGANIZER',
      identity: 'ACCOUNT',
      organizerId: event.organizerId,
    } as const;
    const { token } = services.tokens.session(organizer, organizerSessionMs);
    return { eventId: event.id, organizerToken: token };
  });
}

/** Lets people in at this pace from now on, as an organizer does while the sale runs. */
export async function changePace(serverUrl: string, event: RushEvent, admitPerSecond: number): Promise<void> {
  const variables = { input: { eventId: event.eventId, admitPerSecond } };
  const response = await fetch(`${serverUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${event.organizerToken}` },
    body: JSON.stringify({ query: UpdateAdmissionDocument.toString(), variables }),
  });
  const text = await response.text();
  const { data } = JSON.parse(text) as { readonly data?: UpdateAdmissionMutation | null };
  if (!data?.updateAdmission.event) throw new SetupError(`the pace of admissions could not be changed: ${text}`);
}
