import { decimalsOf } from './currencies.js';
import type { IntentRecord } from './records.js';
import type { Settings } from './settings.js';

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => escapes[letter] ?? '');
}

function page(title: string, content: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}
button{font:inherit;padding:.6rem 1.2rem;margin-right:.6rem}td{padding:.1rem 1rem .1rem 0}</style></head>
<body><h1>${escapeHtml(title)}</h1>${content}</body></html>`;
}

export function homePage(settings: Settings): string {
  const rows = Object.entries(settings).map(
    ([name, value]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(String(value))}</td></tr>`,
  );
  return page(
    'Payment sandbox',
    `<p>Stands in for the payment provider on a laptop: it speaks the part of the Stripe API that Floodgate uses. No money moves.</p>
<p><a href="/_sandbox/state">State</a> · <a href="/_sandbox/intents">Payment intents</a> · <a href="/_sandbox/settings">Settings as JSON</a>
(change them with <code>PATCH /_sandbox/settings</code>)</p><table>${rows.join('')}</table>`,
  );
}

function money(intent: IntentRecord): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency: intent.currency });
  return format.format(intent.amount / 10 ** decimalsOf(intent.currency));
}

/** The bank's page: the buyer says yes or no. */
export function authenticationPage(intent: IntentRecord): string {
  if (intent.status !== 'requires_action')
    return page('Your bank', '<p>There is nothing to confirm for this payment.</p>');
  return page(
    'Your bank asks',
    `<p>Do you want to pay ${escapeHtml(money(intent))}?</p><form method="post">
<button name="result" value="success">Yes, pay</button><button name="result" value="fail">No</button></form>`,
  );
}

export function authenticatedPage(success: boolean): string {
  return page(success ? 'Confirmed' : 'Refused', '<p>You can close this page and go back to your order.</p>');
}
