/** The ways of paying the sandbox carries out. */
export type MethodType = 'card' | 'link' | 'klarna' | 'paypal' | 'sepa_debit' | 'ideal' | 'bancontact';

interface TypeRules {
  /** How long an authorisation is kept; null when the way of paying captures at once and `capture_method` is no option of it. */
  readonly authorisationDays: number | null;
  /** Whether the buyer is sent to a page of somebody else. */
  readonly redirects: boolean;
  /** Null: any. */
  readonly currencies: readonly string[] | null;
}

/** Source: the provider's page on placing a hold and the options in its package's types; days are those it gives for online payments. */
export const methodTypes: Readonly<Record<MethodType, TypeRules>> = {
  card: { authorisationDays: 7, redirects: false, currencies: null },
  link: { authorisationDays: 7, redirects: false, currencies: null },
  klarna: { authorisationDays: 28, redirects: true, currencies: null },
  paypal: { authorisationDays: 10, redirects: true, currencies: null },
  sepa_debit: { authorisationDays: null, redirects: false, currencies: ['eur'] },
  ideal: { authorisationDays: null, redirects: true, currencies: ['eur'] },
  bancontact: { authorisationDays: null, redirects: true, currencies: ['eur'] },
};

/** Further ways of paying whose options have `capture_method`: accepted in a PaymentIntent, although no buyer here pays with them. */
const othersWithHold = [
  'affirm',
  'afterpay_clearpay',
  'alma',
  'amazon_pay',
  'billie',
  'cashapp',
  'kakao_pay',
  'kr_card',
  'mobilepay',
  'naver_pay',
  'payco',
  'revolut_pay',
  'samsung_pay',
  'satispay',
  'scalapay',
  'sequra',
  'sunbit',
];

/** Further ways of paying that capture at once. */
const othersAtOnce = ['alipay', 'blik', 'eps', 'multibanco', 'p24', 'pay_by_bank', 'swish', 'twint', 'us_bank_account'];

export const knownTypes: readonly string[] = [...Object.keys(methodTypes), ...othersWithHold, ...othersAtOnce];

export function takesHold(type: string): boolean {
  if (Object.hasOwn(methodTypes, type)) return methodTypes[type as MethodType].authorisationDays !== null;
  return othersWithHold.includes(type);
}

/** What becomes of a refund: at once, later, first pending and then returned, first succeeded and then returned, or never by itself. */
export const refundModes = ['succeed', 'succeedLater', 'failLater', 'bounceLater', 'pending'] as const;
export type RefundMode = (typeof refundModes)[number];

/** What buyers pay with: cards by the names the provider's test mode gives them; those without `card` in the name are our own. */
interface TestMethod {
  readonly type: MethodType;
  readonly outcome: 'approve' | 'decline' | 'authenticate' | 'slow' | 'slowDecline' | 'slowCapture';
  readonly declineCode: string | null;
  readonly last4: string;
  readonly brand: 'visa' | 'mastercard';
  readonly refunds: RefundMode;
}

const visa: TestMethod = {
  type: 'card',
  outcome: 'approve',
  declineCode: null,
  last4: '4242',
  brand: 'visa',
  refunds: 'succeed',
};

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
  pm_card_chargeDeclinedLostCard: { ...visa, outcome: 'decline', declineCode: 'lost_card', last4: '9987' },
  pm_card_authenticationRequired: { ...visa, outcome: 'authenticate', last4: '3184' },
  pm_slow: { ...visa, outcome: 'slow', last4: '0077' },
  pm_card_pendingRefund: { ...visa, last4: '7726', refunds: 'succeedLater' },
  pm_card_refundFail: { ...visa, last4: '5126', refunds: 'bounceLater' },
  pm_slow_capture: { ...visa, outcome: 'slowCapture', last4: '0085' },
  pm_link: { ...visa, type: 'link' },
  pm_klarna: { ...visa, type: 'klarna' },
  pm_klarna_redirect: { ...visa, type: 'klarna', outcome: 'authenticate' },
  pm_paypal: { ...visa, type: 'paypal' },
  pm_ideal: { ...visa, type: 'ideal' },
  pm_ideal_redirect: { ...visa, type: 'ideal', outcome: 'authenticate' },
  pm_bancontact: { ...visa, type: 'bancontact' },
  pm_sepa_debit: { ...visa, type: 'sepa_debit', outcome: 'slow', last4: '3201', refunds: 'succeedLater' },
  pm_sepa_debit_fails: { ...visa, type: 'sepa_debit', outcome: 'slowDecline', last4: '3202' },
};

export function findMethod(name: string): TestMethod | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

export function methodOf(name: string | null): TestMethod {
  return (name === null ? undefined : findMethod(name)) ?? visa;
}
