/**
 * How each way to pay hands the money over. `hold`: it can be authorised now and captured later, so that tickets come first. `charge`: it is
 * taken at once, and goes back if there are no tickets. What an intent has come to is said by its status alone: this is what is asked for.
 * Methods for readers of cards on a counter are left out: nobody pays there in an online sale.
 * Source: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method and the types of the pinned package, which payments/stripe.ts holds
 * equal to this table: a version that knows another method does not compile before it has been decided about here.
 */
export const paymentMethods = {
  acss_debit: 'charge',
  affirm: 'hold',
  afterpay_clearpay: 'hold',
  alipay: 'charge',
  alma: 'hold',
  amazon_pay: 'hold',
  au_becs_debit: 'charge',
  bacs_debit: 'charge',
  bancontact: 'charge',
  billie: 'hold',
  bizum: 'charge',
  blik: 'charge',
  boleto: 'charge',
  card: 'hold',
  cashapp: 'hold',
  crypto: 'charge',
  customer_balance: 'charge',
  eps: 'charge',
  fpx: 'charge',
  giropay: 'charge',
  grabpay: 'charge',
  ideal: 'charge',
  kakao_pay: 'hold',
  klarna: 'hold',
  konbini: 'charge',
  kr_card: 'hold',
  link: 'hold',
  mb_way: 'charge',
  mobilepay: 'hold',
  multibanco: 'charge',
  naver_pay: 'hold',
  nz_bank_account: 'charge',
  oxxo: 'charge',
  p24: 'charge',
  pay_by_bank: 'charge',
  payco: 'hold',
  paynow: 'charge',
  paypal: 'hold',
  paypay: 'charge',
  payto: 'charge',
  pix: 'charge',
  promptpay: 'charge',
  revolut_pay: 'hold',
  samsung_pay: 'hold',
  satispay: 'hold',
  scalapay: 'hold',
  sepa_debit: 'charge',
  sequra: 'hold',
  sofort: 'charge',
  sunbit: 'hold',
  swish: 'charge',
  twint: 'charge',
  upi: 'charge',
  us_bank_account: 'charge',
  wechat_pay: 'charge',
  zip: 'charge',
} as const;

export type PaymentMethod = keyof typeof paymentMethods;

/** Methods whose money is authorised first. */
export const heldMethods: readonly PaymentMethod[] = (Object.keys(paymentMethods) as PaymentMethod[]).filter(
  (method) => paymentMethods[method] === 'hold',
);
