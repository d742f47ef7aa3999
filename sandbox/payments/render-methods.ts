import type Stripe from 'stripe';
import { type MethodType, methodOf, methodTypes, takesHold } from './methods.js';
import type { ChargeRecord, IntentRecord } from './records.js';

const noAddress = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };
export const noBilling = { address: noAddress, email: null, name: null, phone: null, tax_id: null };

/** The ways of paying the buyer may choose from. */
export function offeredTypes(intent: OfferOf): string[] {
  const wanted = intent.allowedTypes ?? (intent.automaticMethods ? Object.keys(methodTypes) : ['card']);
  return wanted.filter((type) => !intent.excludedTypes.includes(type) && isOffered(type, intent));
}

type OfferOf = Pick<
  IntentRecord,
  'allowedTypes' | 'excludedTypes' | 'automaticMethods' | 'currency' | 'captureMethod' | 'redirects'
>;

function isOffered(type: string, { currency, captureMethod, redirects }: OfferOf): boolean {
  if (captureMethod === 'manual' && !takesHold(type)) return false;
  if (!Object.hasOwn(methodTypes, type)) return true;
  const rules = methodTypes[type as MethodType];
  return (rules.currencies?.includes(currency) ?? true) && (redirects || !rules.redirects);
}

type MethodDetails = Pick<Stripe.PaymentMethod, MethodType>;

const methodDetails: Readonly<Record<Exclude<MethodType, 'card' | 'sepa_debit'>, MethodDetails>> = {
  link: { link: { email: 'buyer@example.com' } },
  klarna: { klarna: {} },
  paypal: { paypal: { country: 'DE', payer_email: 'buyer@example.com', payer_id: 'SANDBOXPAYER1' } },
  ideal: { ideal: { bank: 'ing', bic: 'INGBNL2A' } },
  bancontact: { bancontact: {} },
};

function detailsOfMethod(name: string | null): MethodDetails {
  const { type, brand, last4 } = methodOf(name);
  if (type === 'sepa_debit') {
    const account = { bank_code: '37040044', branch_code: null, country: 'DE', fingerprint: null, last4 };
    return { sepa_debit: { ...account, generated_from: null } };
  }
  if (type !== 'card') return methodDetails[type];
  return {
    card: {
      brand,
      checks: null,
      country: 'DE',
      display_brand: brand,
      exp_month: 12,
      exp_year: 2040,
      funding: 'credit',
      generated_from: null,
      last4,
      networks: { available: [brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
  };
}

export function renderMethod(id: string, name: string | null, created: number): Stripe.PaymentMethod {
  return {
    id,
    object: 'payment_method',
    billing_details: noBilling,
    created,
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: methodOf(name).type,
    ...detailsOfMethod(name),
  };
}

/** The options of a PaymentIntent that were set, beside those of cards, which are always shown. */
export function renderMethodOptions(intent: IntentRecord): Stripe.PaymentIntent.PaymentMethodOptions {
  const manual = { capture_method: 'manual' as const };
  const isHeld = (type: string): boolean => intent.manualTypes.includes(type);
  const others = intent.manualTypes.filter((type) => !Object.hasOwn(methodTypes, type));
  return {
    card: {
      installments: null,
      mandate_options: null,
      network: null,
      request_three_d_secure: 'automatic',
      ...(isHeld('card') && manual),
    },
    ...(isHeld('link') && { link: { persistent_token: null, ...manual } }),
    ...(isHeld('klarna') && { klarna: { preferred_locale: null, ...manual } }),
    ...(isHeld('paypal') && { paypal: { preferred_locale: null, reference: null, ...manual } }),
    ...Object.fromEntries(others.map((type) => [type, manual])),
  };
}

type ChargeDetails = Stripe.Charge.PaymentMethodDetails;

const bank = { generated_sepa_debit: null, generated_sepa_debit_mandate: null, iban_last4: null, verified_name: null };

const chargeDetails: Readonly<Record<Exclude<MethodType, 'card'>, Omit<ChargeDetails, 'type'>>> = {
  link: { link: { country: 'DE' } },
  klarna: { klarna: { payer_details: null, payment_method_category: 'pay_later', preferred_locale: 'de-DE' } },
  paypal: {
    paypal: {
      country: 'DE',
      payer_email: 'buyer@example.com',
      payer_id: 'SANDBOXPAYER1',
      payer_name: null,
      seller_protection: null,
      transaction_id: null,
    },
  },
  sepa_debit: {
    sepa_debit: {
      bank_code: '37040044',
      branch_code: null,
      country: 'DE',
      fingerprint: null,
      last4: '3201',
      mandate: null,
    },
  },
  ideal: { ideal: { bank: 'ing', bic: 'INGBNL2A', transaction_id: null, ...bank } },
  bancontact: { bancontact: { bank_code: null, bank_name: null, bic: null, preferred_language: 'nl', ...bank } },
};

/** Only cards say until when an authorisation can be captured. */
export function renderChargeMethod(intent: IntentRecord, charge: ChargeRecord): ChargeDetails {
  const { type, brand, last4 } = methodOf(intent.methodName);
  if (type !== 'card') return { type, ...chargeDetails[type] };
  return {
    type,
    card: {
      amount_authorized: charge.status === 'failed' ? null : intent.amount,
      authorization_code: null,
      brand,
      ...(charge.captureBefore === null ? {} : { capture_before: charge.captureBefore }),
      checks: null,
      country: 'DE',
      electronic_commerce_indicator: null,
      exp_month: 12,
      exp_year: 2040,
      funding: 'credit',
      installments: null,
      last4,
      mandate: null,
      network: brand,
      network_transaction_id: null,
      regulated_status: 'unregulated',
      three_d_secure: null,
      transaction_link_id: null,
      wallet: null,
    },
  };
}
