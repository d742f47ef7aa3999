import { relative } from 'node:path';
import type { HouseSettings } from './settings.js';

export interface HouseFacts {
  readonly settings: HouseSettings;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Absent: the real Stripe. */
  readonly paymentsUrl: string | undefined;
  /** Absent: your mail server. */
  readonly mailboxUrl: string | undefined;
  readonly apiUrl: string;
  /** Where the private PostgreSQL keeps its files. */
  readonly postgresHome: string;
  /** What sandbox/seed.ts printed. */
  readonly demo: Record<string, unknown>;
}

interface Account {
  readonly email?: string;
  readonly password?: string;
  readonly role?: string;
}

interface DemoEvent {
  readonly id?: string;
  readonly name?: string;
}

/** The text that tells what runs where and what to try next. */
export function describeHouse(facts: HouseFacts): string {
  const { settings, demo } = facts;
  const graphql = `${facts.apiUrl.replace(/\/$/, '')}/graphql`;
  const accounts = (demo.accounts ?? []) as readonly Account[];
  const events = (demo.events ?? []) as readonly DemoEvent[];
  const home = relative(settings.root, settings.home) || settings.home;
  const rows: [string, string][] = [
    ['GraphQL', `${graphql}  (HTTP and WebSocket)`],
    ['Explorer', `${graphql}  (the same address in a browser)`],
    [
      'Payments',
      facts.paymentsUrl === undefined ? 'Stripe (STRIPE_SECRET_KEY)' : `${facts.paymentsUrl}  (sandbox, no real money)`,
    ],
    [
      'Mail',
      facts.mailboxUrl === undefined ? 'yours (SMTP_URL)' : `${facts.mailboxUrl}  (sandbox, nothing is delivered)`,
    ],
    ['PostgreSQL', settings.databaseUrl === undefined ? facts.databaseUrl : 'yours (DATABASE_URL)'],
    ['Redis', settings.redisUrl === undefined ? facts.redisUrl : 'yours (REDIS_URL)'],
    ['State, logs', `${home}  (npm start -- --fresh begins anew)`],
    // Only where the postgres OS user cannot reach the state directory.
    ...(facts.postgresHome.startsWith(settings.home)
      ? []
      : [['Tables', facts.postgresHome] satisfies [string, string]]),
    ...events.map((event): [string, string] => ['Demo event', `${event.name}  (id ${event.id})`]),
    ...accounts.map((account): [string, string] => [
      'Account',
      `${account.email}  password ${account.password}  role ${account.role}  (shown this once)`,
    ]),
  ];
  const query = JSON.stringify({ query: '{ events(first: 3) { edges { node { id name } } } }' });
  return `
Floodgate is open.

${rows.map(([name, value]) => `  ${name.padEnd(12)}${value}`).join('\n')}

Try
  1. Open ${graphql} in a browser and run a query.
  2. curl -s ${graphql} -H 'content-type: application/json' -d '${query}'
  3. In a second terminal: npm run rush brings a crowd to a server of its own; npm test runs the tests.

Ctrl-C stops everything; the data stays.
`;
}
