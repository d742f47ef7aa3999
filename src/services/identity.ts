import { type Refusal, refuse } from '../domain/errors.js';
import type { Event, Identity } from '../entities/events.js';
import type { Viewer } from './platform.js';

/**
 * Whether a session is what an event takes for a person. ANONYMOUS takes every session; EMAIL a session of a verified address; ACCOUNT
 * somebody who has signed in, here or with an issuer the platform trusts. Limits then hold for that person, on however many devices.
 */
export function refuseStranger(viewer: Viewer, event: Pick<Event, 'identity'>): Refusal<'IDENTITY_REQUIRED'> | null {
  const accepted: Readonly<Record<Identity, boolean>> = {
    ANONYMOUS: true,
    EMAIL: viewer.identity === 'EMAIL',
    ACCOUNT: viewer.identity === 'ACCOUNT',
  };
  if (accepted[event.identity]) return null;
  return refuse('IDENTITY_REQUIRED', { path: ['input', 'eventId'], identity: event.identity });
}
