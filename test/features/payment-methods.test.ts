import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { heldMethods, paymentMethods } from '../../src/domain/payment-methods.js';
import { freeCalls } from '../../src/payments/calls.js';
import { StripeGateway } from '../../src/payments/stripe.js';

test('Money is authorised first and taken after the tickets exist, where the method of payment allows it', async () => {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    bodies.push(await text(request));
    response.writeHead(402, { 'content-type': 'application/json' }).end('{"error":{"type":"card_error"}}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const gateway = new StripeGateway({ secretKey: 'sk_test_x', webhookSecret: 'whsec_x', apiUrl }, freeCalls);
    const request = { orderId: 'o', eventId: 'e', amountMinor: 1_000, currency: 'EUR', idempotencyKey: 'o:CREATE:1' };
    expect(await gateway.createIntent(request)).toMatchObject({ kind: 'refused' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
  const sent = new URLSearchParams(bodies[0]);
  const asked = [...sent.keys()].flatMap(
    (name) => /^payment_method_options\[(\w+)\]\[capture_method\]$/.exec(name)?.[1] ?? [],
  );
  expect(asked.sort()).toEqual([...heldMethods].sort());
  expect(new Set(asked.map((method) => sent.get(`payment_method_options[${method}][capture_method]`)))).toEqual(
    new Set(['manual']),
  );
  expect(paymentMethods).toMatchObject({
    card: 'hold',
    klarna: 'hold',
    paypal: 'hold',
    ideal: 'charge',
    twint: 'charge',
  });
  expect(sent.get('automatic_payment_methods[enabled]')).toBe('true');
  expect(sent.has('capture_method')).toBe(false);
});
