/** The buyer's cards, by the names the provider's test mode gives them; `pm_slow` is our own. */
interface TestMethod {
  readonly outcome: 'approve' | 'decline' | 'authenticate' | 'slow';
  readonly declineCode: string | null;
  readonly last4: string;
  readonly brand: 'visa' | 'mastercard';
  /** What becomes of refunds to it: at once, after `slowMs`, or returned as failed after `slowMs`. */
  readonly refunds: 'succeed' | 'succeedLater' | 'failLater';
}

const visa: TestMethod = { outcome: 'approve', declineCode: null, last4: '4242', brand: 'visa', refunds: 'succeed' };

const methods: Readonly<Record<string, TestMethod>> = {
  pm_card_visa: visa,
  pm_card_mastercard: { ...visa, last4: '4444', brand: 'mastercard' },
  pm_card_chargeDeclined: { ...visa, outcome: 'decline', declineCode: 'generic_decline', last4: '0002' },
  pm_card_chargeDeclinedInsufficientFunds: {
    ...visa,
    outcome: 'decline',
    declineCode: 'insufficient_funds',
    last4: '9995',
  },
  pm_card_authenticationRequired: { ...visa, outcome: 'authenticate', last4: '3184' },
  pm_slow: { ...visa, outcome: 'slow', last4: '0077' },
  pm_card_pendingRefund: { ...visa, last4: '7726', refunds: 'succeedLater' },
  pm_card_refundFail: { ...visa, last4: '5126', refunds: 'failLater' },
};

export function findMethod(name: string): TestMethod | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

export function methodOf(name: string | null): TestMethod {
  return (name === null ? undefined : findMethod(name)) ?? visa;
}

/**
 * The least the provider charges in a currency, in its minor units, and all the currencies the sandbox knows.
 * Source: the provider's table of minimum charges, rounded to what it says today; the exact figures are not relied upon.
 */
export const minimumCharge: Readonly<Record<string, number>> = {
  usd: 50,
  eur: 50,
  gbp: 30,
  chf: 50,
  cad: 50,
  aud: 50,
  nzd: 50,
  sek: 300,
  nok: 300,
  dkk: 250,
  pln: 200,
  czk: 1_500,
  huf: 17_500,
  ron: 200,
  jpy: 50,
  sgd: 50,
  hkd: 400,
  mxn: 1_000,
  brl: 50,
  inr: 50,
};

export const maximumCharge = 99_999_999;
