/** What the payment provider is asked for, each under a rate of its own. */
export const providerEndpoints = ['cancel', 'retrieve', 'create', 'capture', 'refund', 'list'] as const;
export type ProviderEndpoint = (typeof providerEndpoints)[number];

/**
 * Who goes first where not everybody can. What ends unpaid orders at payBy gives seats back; a payment form is waited for by somebody; money
 * that is authorised stays so for days; money that goes back has no hurry; looking things up has the least. The greater, the later.
 */
export const precedenceOf: Readonly<Record<ProviderEndpoint, number>> = {
  cancel: 0,
  retrieve: 0,
  create: 1,
  capture: 2,
  refund: 3,
  list: 4,
};

export const lowestPrecedence = 4;
