import type { IntentRecord } from './records.js';

/** An error as the API words it: `{ "error": { type, code, message, param, … } }` with the HTTP status beside it. */
export interface Refusal {
  readonly status: number;
  readonly type: 'invalid_request_error' | 'card_error' | 'idempotency_error' | 'api_error';
  readonly message: string;
  readonly code?: string;
  readonly param?: string;
  readonly declineCode?: string;
  readonly chargeId?: string;
  /** Shown inside the error, rendered for whoever asked. */
  readonly intent?: IntentRecord;
  /**
   * Whether an idempotency key remembers this answer. The provider forgets answers of calls that never began to execute
   * (bad parameters, quota, a key in use), so those may be repeated under the same key after being corrected.
   */
  readonly remembered: boolean;
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function refused(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}

export function badParameter(param: string, message: string, code?: string): Refusal {
  const refusal: Refusal = { status: 400, type: 'invalid_request_error', message, param, remembered: false };
  return code === undefined ? refusal : { ...refusal, code };
}

export function missingResource(kind: string, id: string, param: string, status = 404): Refusal {
  return {
    status,
    type: 'invalid_request_error',
    code: 'resource_missing',
    message: `There is no ${kind} '${id}'.`,
    param,
    remembered: false,
  };
}

/** The sandbox has no room for more of something. */
export function fullRefusal(things: string): Refusal {
  const message = `The sandbox keeps no more ${things}; start it with an empty state.`;
  return { status: 500, type: 'api_error', code: 'sandbox_full', message, remembered: false };
}

export function unexpectedState(intent: IntentRecord, action: string, allowed: readonly string[]): Refusal {
  return {
    status: 400,
    type: 'invalid_request_error',
    code: 'payment_intent_unexpected_state',
    message: `This PaymentIntent is ${intent.status} and cannot be ${action}; that takes ${allowed.join(' or ')}.`,
    intent,
    remembered: true,
  };
}
