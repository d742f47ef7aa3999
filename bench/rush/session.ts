import { StartGuestSessionDocument, type StartGuestSessionMutation } from '../../client/operations.js';
import { dataOf, UnreachableError } from './connection.js';
import { pause, refusalRetries } from './conversation.js';
import type { HttpClient } from './http.js';

export interface Session {
  readonly token: string;
  readonly personId: string;
  readonly ms: number;
}

/**
 * Starts a guest session over HTTP, as a page does before it opens its socket; tries again while it is told to, and where no answer comes: a
 * process that is replaced closes connections that are kept alive, and one of them may just have been chosen.
 */
export async function startSession(http: HttpClient, url: string, onRefusal: (code: string) => void): Promise<Session> {
  const body = JSON.stringify({ query: StartGuestSessionDocument.toString(), variables: { input: {} } });
  for (let attempt = 0; ; attempt += 1) {
    const sent = http.post(url, { 'content-type': 'application/json' }, body);
    const answer = await sent.catch((error: Error) => ({ status: 0, body: error.message, ms: 0 }));
    if (answer.status === 200) {
      const { session, errors } = dataOf<StartGuestSessionMutation>(`{"payload":${answer.body}}`).startGuestSession;
      if (session) return { token: session.token, personId: session.personId, ms: answer.ms };
      onRefusal(errors[0]?.code ?? 'NOTHING');
    }
    if (attempt >= refusalRetries)
      throw new UnreachableError(`no session: ${answer.status} ${answer.body.slice(0, 200)}`);
    await pause(500 + 100 * attempt);
  }
}
