import type { HttpClient } from './http.js';

export interface PaymentDetails {
  readonly paymentIntentId: string;
  readonly clientSecret: string;
  readonly apiUrl: string;
  readonly publishableKey: string;
}

export interface PaymentOutcome {
  readonly outcome: 'accepted' | 'declined' | 'over';
  readonly ms: number;
}

const attempts = 8;

interface ConfirmedIntent {
  readonly status?: string;
  readonly next_action?: { readonly redirect_to_url?: { readonly url: string } } | null;
}

/** What the provider's own page script does with the card of a buyer: it talks to the provider, not to us. */
export class PaymentForm {
  readonly #http: HttpClient;
  readonly #details: PaymentDetails;

  constructor(http: HttpClient, details: PaymentDetails) {
    this.#http = http;
    this.#details = details;
  }

  /** Confirms with a card and, if the bank asks, says yes. `over`: this payment cannot be made any more. */
  async pay(card: string): Promise<PaymentOutcome> {
    const { apiUrl, paymentIntentId, clientSecret, publishableKey } = this.#details;
    const url = `${apiUrl}/v1/payment_intents/${paymentIntentId}/confirm`;
    const headers = { authorization: `Bearer ${publishableKey}`, 'content-type': 'application/x-www-form-urlencoded' };
    const form = new URLSearchParams({
      client_secret: clientSecret,
      payment_method: card,
      return_url: `${apiUrl}/`,
    }).toString();
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#http
        .post(url, headers, form)
        .catch((error: Error) => ({ status: 0, body: error.message, ms: 0 }));
      if (answer.status === 402) return { outcome: 'declined', ms: answer.ms };
      if (answer.status === 200) {
        const intent = JSON.parse(answer.body) as ConfirmedIntent;
        if (intent.status === 'requires_action') await this.#sayYes(intent.next_action?.redirect_to_url?.url);
        return { outcome: 'accepted', ms: answer.ms };
      }
      const worthRepeating =
        answer.status === 0 || answer.status === 429 || answer.status === 409 || answer.status >= 500;
      if (!worthRepeating || attempt === attempts) return { outcome: 'over', ms: answer.ms };
      await new Promise((resolve) => setTimeout(resolve, 200 * attempt));
    }
  }

  async #sayYes(url: string | undefined): Promise<void> {
    if (url) await this.#http.post(url, { 'content-type': 'application/json' }, '{"result":"success"}');
  }
}
