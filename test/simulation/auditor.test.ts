import { audit } from '../../bench/rush/auditor.js';
import type { Evidence, LedgerOrder, LineEntry, LineEntryKind, SalesSample } from '../../bench/rush/evidence.js';
import type { Belief, BuyerRecord } from '../../bench/rush/records.js';
import { judgeEstimates } from '../../bench/rush/report.js';
import { findBestMinute } from '../../bench/rush/targets.js';
import { blankRecord } from '../../bench/rush/witness.js';

/** Two buyers, three seats: the first bought seats 0 and 1, the second waits; seat 2 is free. */
function soundEvidence(): Evidence {
  return {
    ledger: {
      eventId: 'event',
      capacity: 3,
      categories: [0, 0, 1],
      orders: [order()],
      owners: [
        { seatIndex: 0, orderId: 'order-1', state: 'ISSUED' },
        { seatIndex: 1, orderId: 'order-1', state: 'ISSUED' },
      ],
      tickets: [ticket('ticket-0', 0), ticket('ticket-1', 1)],
    },
    live: {
      generation: 1,
      status: 'ss.',
      channels: '...',
      counts: { '*:s': 2, '*:.': 1, '0:s': 2, '1:.': 1, '0:revenue': 2_000 },
      cap: 2,
      admitted: 0,
      waiting: 1,
    },
    intents: [intent()],
    line: lineOf([
      ['join', 'entry-1', 1, 0],
      ['join', 'entry-2', 2, 0],
      ['admit', 'entry-1', 1, 0],
      ['C', 'entry-1', 1, 0],
    ]),
    sales: [sample(4_000, 1, 0), sample(5_100, 2, 2)],
    buyers: [
      {
        ...buyer(1),
        admitted: true,
        admittedGeneration: 1,
        beliefs: [belief({ seats: [0, 1], untilMs: null })],
        orders: [{ orderId: 'order-1', state: 'COMPLETED', totalMinor: 2_000, currency: 'EUR' }],
        tickets: [
          { orderId: 'order-1', ticketId: 'ticket-0', state: 'VALID' },
          { orderId: 'order-1', ticketId: 'ticket-1', state: 'VALID' },
        ],
      },
      { ...buyer(2), end: 'left' },
    ],
  };
}

function order(change: Partial<LedgerOrder> = {}): LedgerOrder {
  return {
    id: 'order-1',
    personId: 'person-1',
    holdId: 'hold-1',
    state: 'COMPLETED',
    payment: 'CAPTURED',
    currency: 'EUR',
    totalMinor: 2_000,
    intentId: 'pi_1',
    lines: [
      { seatIndex: 0, totalMinor: 1_000 },
      { seatIndex: 1, totalMinor: 1_000 },
    ],
    ...change,
  };
}

function ticket(id: string, seatIndex: number, orderId = 'order-1', state = 'VALID') {
  return { id, orderId, seatIndex, state, issuedAtMs: 5_000 };
}

function intent(change: Partial<Evidence['intents'][number]> = {}) {
  return {
    id: 'pi_1',
    status: 'succeeded',
    amount: 2_000,
    currency: 'eur',
    amountReceived: 2_000,
    amountRefunded: 0,
    ...change,
  };
}

function sample(nowMs: number, version: number, sold: number): SalesSample {
  const category = { capacity: 3, available: 3 - sold, held: 0, issuing: 0, sold, returning: 0, blocked: 0 };
  return { nowMs, epoch: '1', version, categories: [category] };
}

function belief(change: Partial<Belief> = {}): Belief {
  return { holdId: 'hold-1', generation: 1, ordered: false, seats: [0], fromMs: 1_000, untilMs: 2_000, ...change };
}

function buyer(number: number): BuyerRecord {
  return {
    ...blankRecord(number, {
      quantity: 2,
      taste: 'seats',
      outcome: 'pay',
      card: 'pm_card_visa',
      drops: 'never',
      repeats: false,
      patienceMs: 10_000,
    }),
    personId: `person-${number}`,
    entryId: `entry-${number}`,
    stage: 'settle',
    end: 'bought',
    endedAtMs: 10_000,
    number,
    generation: 1,
    positionMessages: 3,
    mapMessages: 3,
  };
}

type LineStep = readonly [kind: LineEntryKind, entry: string, number: number, active: number];

function lineOf(steps: readonly LineStep[], cap = 2): LineEntry[] {
  return steps.map(([kind, entry, number, active], at) => ({
    serial: at + 1,
    atMs: 100 + at,
    kind,
    entry,
    number,
    active,
    cap,
  }));
}

/** Every part of the evidence may be replaced; what is not named stays sound. */
interface Forgery {
  readonly ledger?: Partial<Evidence['ledger']>;
  readonly live?: Partial<Evidence['live']>;
  readonly intents?: Evidence['intents'];
  readonly line?: readonly LineEntry[];
  readonly sales?: readonly SalesSample[];
  readonly buyers?: readonly Partial<BuyerRecord>[];
}

function rulesBroken(forgery: Forgery = {}): string[] {
  const sound = soundEvidence();
  const { violations } = audit({
    ledger: { ...sound.ledger, ...forgery.ledger },
    live: { ...sound.live, ...forgery.live },
    intents: forgery.intents ?? sound.intents,
    line: forgery.line ?? sound.line,
    sales: forgery.sales ?? sound.sales,
    buyers: sound.buyers.map((record, at) => ({ ...record, ...forgery.buyers?.[at] })),
  });
  return violations.map(({ rule }) => rule);
}

describe('the auditor of a run', () => {
  it('finds nothing wrong with a sound run and says how much it looked at', () => {
    const verdict = audit(soundEvidence());
    expect(verdict.violations).toEqual([]);
    expect(verdict.examined).toMatchObject({ seats: 3, orders: 1, tickets: 2, admissions: 1, buyers: 2, claims: 1 });
  });

  describe('of the ledger', () => {
    const sound = soundEvidence().ledger;

    it('finds a seat with two tickets', () => {
      const tickets = [...sound.tickets, ticket('ticket-x', 1)];
      expect(rulesBroken({ ledger: { tickets } })).toContain('no seat has two tickets');
    });

    it('does not count a void ticket as a second one', () => {
      const tickets = [...sound.tickets, ticket('ticket-x', 1, 'order-0', 'VOID')];
      expect(rulesBroken({ ledger: { tickets } })).toEqual([]);
    });

    it('finds a ticket whose seat belongs to another order', () => {
      const owners = [sound.owners[0]!, { seatIndex: 1, orderId: 'order-2', state: 'ISSUED' }];
      expect(rulesBroken({ ledger: { owners } })).toContain('every ticket belongs to the owner of its seat');
    });

    it('finds a paid order without its tickets', () => {
      const rules = rulesBroken({ ledger: { tickets: [sound.tickets[0]!] } });
      expect(rules).toContain('every paid order has exactly the tickets of its lines');
    });

    it('finds tickets that were never made valid', () => {
      const tickets = sound.tickets.map((one) => ({ ...one, state: 'PENDING_CAPTURE' }));
      expect(rulesBroken({ ledger: { tickets } })).toContain('every paid order has exactly the tickets of its lines');
    });

    it('finds tickets of an order that was not paid', () => {
      const rules = rulesBroken({ ledger: { orders: [order({ state: 'EXPIRED' })] } });
      expect(rules).toContain('no tickets exist without a paid order');
    });

    it('finds an order that costs something else than its lines', () => {
      const rules = rulesBroken({ ledger: { orders: [order({ totalMinor: 2_100 })] } });
      expect(rules).toContain('an order costs what its lines cost');
    });
  });

  describe('of the money', () => {
    const drifting = 'every captured or authorised payment has a completed order of the same amount, or was given back';

    it('finds a captured payment without an order', () => {
      expect(rulesBroken({ intents: [intent(), intent({ id: 'pi_2' })] })).toContain(drifting);
    });

    it('finds a captured payment whose order expired', () => {
      const forgery = { orders: [order({ state: 'EXPIRED' })], tickets: [], owners: [] };
      expect(rulesBroken({ ledger: forgery })).toContain(drifting);
    });

    it('accepts a payment without tickets once it was given back in full', () => {
      const intents = [intent(), intent({ id: 'pi_2', amountRefunded: 2_000 })];
      expect(rulesBroken({ intents })).toEqual([]);
    });

    it('finds a payment that was captured with another amount', () => {
      expect(rulesBroken({ intents: [intent({ amountReceived: 1_999 })] })).toContain(drifting);
    });

    it('finds an authorisation that nobody will capture', () => {
      const stuck = intent({ id: 'pi_2', status: 'requires_capture', amountReceived: 0 });
      expect(rulesBroken({ intents: [intent(), stuck] })).toContain(drifting);
    });

    it('finds a completed order that nobody paid', () => {
      const rules = rulesBroken({ intents: [intent({ status: 'requires_payment_method', amountReceived: 0 })] });
      expect(rules).toContain('every completed order was paid');
    });
  });

  describe('of the counts', () => {
    const counted = 'available + held + issuing + sold + returning + blocked = capacity, as counted over the seats';
    const sold = 'a seat is sold in Redis if and only if the ledger has its ticket';

    it('finds a count that has drifted from the seats', () => {
      expect(
        rulesBroken({ live: { counts: { '*:s': 2, '*:.': 2, '0:s': 2, '1:.': 2, '0:revenue': 2_000 } } }),
      ).toContain(counted);
    });

    it('finds two wrong counts that add up', () => {
      expect(
        rulesBroken({ live: { counts: { '*:s': 1, '*:.': 2, '0:s': 2, '1:.': 1, '0:revenue': 2_000 } } }),
      ).toContain(counted);
    });

    it('finds a sold seat without a ticket', () => {
      const live = { status: 'sss', counts: { '*:s': 3, '0:s': 2, '1:s': 1, '0:revenue': 2_000 } };
      expect(rulesBroken({ live })).toEqual([sold]);
    });

    it('finds a ticket whose seat is free again', () => {
      const live = { status: 's..', counts: { '*:s': 1, '*:.': 2, '0:s': 1, '0:.': 1, '1:.': 1, '0:revenue': 2_000 } };
      expect(rulesBroken({ live })).toEqual([sold]);
    });

    it('finds revenue that is not what was sold', () => {
      const counts = { ...soundEvidence().live.counts, '0:revenue': 1_900 };
      expect(rulesBroken({ live: { counts } })).toEqual(['the revenue shown live is what the sold places cost']);
    });

    it('finds the seat of an open order on offer', () => {
      const owners = [...soundEvidence().ledger.owners, { seatIndex: 2, orderId: 'order-2', state: 'PENDING' }];
      const orders = [
        order(),
        order({ id: 'order-2', state: 'AWAITING_PAYMENT', intentId: null, totalMinor: 0, lines: [] }),
      ];
      expect(rulesBroken({ ledger: { owners, orders } })).toEqual(['the seats of an open order are held in Redis']);
    });
  });

  describe('of the line', () => {
    const audience = { buyers: [{ admitted: false, admittedGeneration: null, number: null }, { number: null }] };
    const rulesOfLine = (steps: readonly LineStep[], cap = 2) => rulesBroken({ ...audience, line: lineOf(steps, cap) });
    const inOrder = 'nobody is admitted before somebody with a lower number who is present';

    it('finds a missing entry', () => {
      const line = soundEvidence().line.filter((entry) => entry.serial !== 2);
      expect(rulesBroken({ ...audience, line })).toContain(
        'the audit stream has no gap and its time never runs backwards',
      );
    });

    it('finds time that ran backwards', () => {
      const line = soundEvidence().line.map((entry) => (entry.serial === 3 ? { ...entry, atMs: 1 } : entry));
      expect(rulesBroken({ line })).toEqual(['the audit stream has no gap and its time never runs backwards']);
    });

    it('finds an admission at the cap', () => {
      const steps: LineStep[] = [
        ['join', 'a', 1, 0],
        ['join', 'b', 2, 0],
        ['admit', 'a', 1, 0],
        ['admit', 'b', 2, 1],
      ];
      expect(rulesOfLine(steps)).toEqual([]);
      expect(rulesOfLine(steps, 1)).toEqual(['no admission is granted while active ≥ cap']);
    });

    it('finds an active count that hides an admission', () => {
      const steps: LineStep[] = [
        ['join', 'a', 1, 0],
        ['join', 'b', 2, 0],
        ['admit', 'a', 1, 0],
        ['admit', 'b', 2, 0],
      ];
      expect(rulesOfLine(steps, 1)).toEqual(['the active count is what the admissions and endings add up to']);
    });

    it('finds somebody who was passed over', () => {
      const steps: LineStep[] = [
        ['join', 'a', 1, 0],
        ['join', 'b', 2, 0],
        ['admit', 'b', 2, 0],
      ];
      expect(rulesOfLine(steps)).toEqual([inOrder]);
    });

    it('accepts that somebody who is away is passed over, and not once they are back', () => {
      const away: LineStep[] = [
        ['join', 'a', 1, 0],
        ['join', 'b', 2, 0],
        ['away', 'a', 1, 0],
        ['admit', 'b', 2, 0],
        ['join', 'c', 3, 1],
        ['present', 'a', 1, 1],
      ];
      expect(rulesOfLine([...away, ['admit', 'a', 1, 1]])).toEqual([]);
      expect(rulesOfLine([...away, ['admit', 'c', 3, 1]])).toEqual([inOrder]);
    });

    it('goes by the drawn numbers for those who came in the lobby', () => {
      const steps: LineStep[] = [
        ['join', 'a', 0, 0],
        ['join', 'b', 0, 0],
        ['drawn', 'b', 1, 0],
        ['drawn', 'a', 2, 0],
      ];
      expect(rulesOfLine([...steps, ['admit', 'b', 1, 0]])).toEqual([]);
      expect(rulesOfLine([...steps, ['admit', 'a', 2, 0]])).toEqual([inOrder]);
    });

    it('finds somebody who was admitted twice, or after leaving', () => {
      const once: LineStep[] = [
        ['join', 'a', 1, 0],
        ['admit', 'a', 1, 0],
      ];
      const unfounded = 'only somebody who waits and is present is admitted, once';
      expect(rulesOfLine([...once, ['admit', 'a', 1, 1]])).toContain(unfounded);
      expect(rulesOfLine([once[0]!, ['L', 'a', 1, 0], ['admit', 'a', 1, 0]])).toContain(unfounded);
    });

    it('finds an admission that a buyer was told of but nobody granted', () => {
      const admitted = { admitted: true, admittedGeneration: 1 };
      expect(rulesBroken({ buyers: [{}, admitted] })).toEqual([
        'every admission a buyer was told of is in the audit stream',
      ]);
      // That of an earlier generation is not in the stream of this one.
      expect(rulesBroken({ live: { generation: 2 }, buyers: [{}, admitted] })).toEqual([]);
    });

    it('finds somebody who went on waiting after having been admitted', () => {
      const waiting = { admitted: false, admittedGeneration: null, beliefs: [], orders: [], endedAtMs: 5_200 };
      const rule = 'who is admitted is told so within 5 s';
      expect(rulesBroken({ buyers: [waiting] })).toEqual([rule]);
      expect(rulesBroken({ buyers: [{ ...waiting, endedAtMs: 5_100 }] })).toEqual([]);
    });

    it('accepts somebody who walks in where nobody waits, and who is back after Redis was lost, under the cap alone', () => {
      expect(rulesOfLine([['walk', 'a', 1, 0]])).toEqual([]);
      expect(
        rulesOfLine([
          ['join', 'a', 1, 0],
          ['walk', 'b', 2, 0],
        ]),
      ).toEqual([inOrder]);
      const back: LineStep[] = [
        ['join', 'a', 1, 0],
        ['join', 'b', 2, 0],
        ['back', 'b', 2, 0],
      ];
      expect(rulesOfLine(back)).toEqual([]);
      expect(rulesOfLine([...back, ['admit', 'a', 1, 1]], 1)).toEqual(['no admission is granted while active ≥ cap']);
    });

    it('finds somebody who still waited two seconds after everything was sold, and was not told', () => {
      const rule = 'who waits when everything is sold is told so within 2 s';
      const soldOut = {
        live: { status: 'ss.', channels: '..B', counts: { ...soundEvidence().live.counts } },
      };
      const waiting = { end: 'left' as const, waitingSinceMs: 1_000, endedAtMs: 7_001 };
      expect(rulesBroken({ ...soldOut, buyers: [{}, waiting] })).toEqual([rule]);
      expect(rulesBroken({ ...soldOut, buyers: [{}, { ...waiting, soldOutAtMs: 7_001 }] })).toEqual([rule]);
      expect(rulesBroken({ ...soldOut, buyers: [{}, { ...waiting, soldOutAtMs: 7_000 }] })).toEqual([]);
      expect(rulesBroken({ ...soldOut, buyers: [{}, { ...waiting, endedAtMs: 7_000 }] })).toEqual([]);
      expect(rulesBroken({ ...soldOut, buyers: [{}, { ...waiting, waitingSinceMs: 5_001 }] })).toEqual([]);
      expect(rulesBroken({ buyers: [{}, waiting] })).toEqual([]);
    });

    it('finds what was lost although Redis was not', () => {
      const buyers = [{}, { lostHolds: 1 }];
      expect(rulesBroken({ buyers })).toEqual(['no hold, admission or place is lost while Redis is not']);
      expect(rulesBroken({ live: { generation: 2 }, buyers })).toEqual([]);
    });

    it('finds a buyer who was told the number of somebody else', () => {
      expect(rulesBroken({ buyers: [{}, { number: 1 }] })).toEqual([
        'the number a buyer was told is the number of the place',
      ]);
    });
  });

  describe('of the live sales', () => {
    const last = sample(5_100, 2, 2);

    it('finds a sample that does not add up', () => {
      const [category] = sample(4_000, 1, 0).categories;
      const sales = [{ ...sample(4_000, 1, 0), categories: [{ ...category!, held: 1 }] }, last];
      expect(rulesBroken({ sales })).toEqual(['every sample of the live sales adds up to the capacity']);
    });

    it('finds a ticket that was shown as sold before the ledger had it', () => {
      expect(rulesBroken({ sales: [sample(4_999, 1, 1), last] })).toEqual(['live sales never exceed the ledger']);
    });

    it('finds an older version after a newer one', () => {
      expect(rulesBroken({ sales: [last, sample(5_200, 1, 2)] })).toEqual([
        'live sales never go back to an older version',
      ]);
    });

    it('finds sales that never arrived at what the ledger says, and an organizer who was shown nothing', () => {
      const rule = 'live sales equal the ledger in the end';
      expect(rulesBroken({ sales: [sample(4_000, 1, 0)] })).toEqual([rule]);
      expect(rulesBroken({ sales: [] })).toEqual([rule]);
    });
  });

  describe('of the buyers', () => {
    const overlap = 'no two buyers believe at the same time that one seat is theirs';

    it('finds two buyers who believed at the same time that a seat was theirs', () => {
      const buyers = [{}, { beliefs: [belief({ holdId: 'hold-2', seats: [1], fromMs: 1_500, untilMs: 1_600 })] }];
      expect(rulesBroken({ buyers })).toEqual([overlap]);
    });

    it('accepts one buyer after the other on the same seat', () => {
      const first = belief({ seats: [2], fromMs: 1_000, untilMs: 2_000 });
      const second = belief({ holdId: 'hold-2', seats: [2], fromMs: 2_000, untilMs: 3_000 });
      const [buyerOne] = soundEvidence().buyers;
      expect(rulesBroken({ buyers: [{ beliefs: [...buyerOne!.beliefs, first] }, { beliefs: [second] }] })).toEqual([]);
    });

    it('finds a long belief that a third one runs into', () => {
      const long = belief({ seats: [2], fromMs: 1_000, untilMs: 9_000 });
      const again = belief({ holdId: 'hold-3', seats: [2], fromMs: 1_100, untilMs: 1_200 });
      const late = belief({ holdId: 'hold-2', seats: [2], fromMs: 5_000, untilMs: 6_000 });
      expect(rulesBroken({ buyers: [{ beliefs: [long, again] }, { beliefs: [late] }] })).toEqual([overlap]);
    });

    it('accepts a hold that somebody else has after Redis was lost, and not an order', () => {
      const held = belief({ seats: [2], fromMs: 1_000, untilMs: 9_000 });
      const later = belief({ holdId: 'hold-2', generation: 2, seats: [2], fromMs: 5_000, untilMs: 6_000 });
      const [buyerOne] = soundEvidence().buyers;
      const then = (first: Belief) => [{ beliefs: [...buyerOne!.beliefs, first] }, { beliefs: [later] }];
      expect(rulesBroken({ buyers: then(held) })).toEqual([]);
      expect(rulesBroken({ buyers: then({ ...held, ordered: true }) })).toEqual([overlap]);
      expect(rulesBroken({ buyers: then({ ...held, generation: 2 }) })).toEqual([overlap]);
    });

    it('finds a client in silence', () => {
      const silences = [{ atMs: 5_000, overdueMs: 100, what: 'the next message of queuePositionChanged' }];
      expect(rulesBroken({ buyers: [{}, { silences }] })).toEqual([
        'no client in silence: a message within its next due time + 5 s',
      ]);
    });

    it('finds a position that rose', () => {
      const positionRises = [{ from: 3, to: 4, atMs: 5_000 }];
      expect(rulesBroken({ buyers: [{}, { positionRises }] })).toEqual(['a shown position never rises']);
    });

    it('finds a repeated request that was answered differently', () => {
      const repeats = [{ operation: 'hold', first: 'hold-1', second: 'hold-2' }];
      expect(rulesBroken({ buyers: [{ repeats }] })).toEqual([
        'the same request with the same key gives the same answer',
      ]);
    });

    it('finds a buyer who was left without an end', () => {
      expect(rulesBroken({ buyers: [{}, { end: 'unfinished' }] })).toEqual([
        'every buyer comes to an end that the platform explained',
      ]);
    });

    it('finds a buyer who was shown other tickets than the ledger has', () => {
      const rule = 'the tickets a buyer was shown are the tickets of the ledger';
      const [shown] = soundEvidence().buyers[0]!.tickets;
      expect(rulesBroken({ buyers: [{ tickets: [shown!] }] })).toEqual([rule]);
      expect(rulesBroken({ buyers: [{ tickets: [] }] })).toContain(rule);
      expect(rulesBroken({ buyers: [{ personId: 'person-9' }] })).toEqual([rule]);
    });

    it('finds a completed order that its buyer was never shown', () => {
      const buyers = [{ end: 'vanished' as const, tickets: [], orders: [] }];
      expect(rulesBroken({ buyers })).toEqual(['every completed order was shown complete to its buyer']);
    });

    it('finds a buyer who was shown another price', () => {
      const orders = [{ orderId: 'order-1', state: 'COMPLETED', totalMinor: 1_900, currency: 'EUR' }];
      expect(rulesBroken({ buyers: [{ orders }] })).toEqual(['the price a buyer was shown is the price of the order']);
    });
  });
});

describe('the estimates of a run', () => {
  const waited = (admittedAtMs: number | null, ...estimates: BuyerRecord['estimates']) => ({
    ...buyer(1),
    admittedAtMs,
    estimates,
  });

  it('are judged by how long those who were admitted really waited', () => {
    const buyers = [
      waited(11_000, { atMs: 1_000, fromMs: 8_000, toMs: 12_000 }, { atMs: 6_000, fromMs: 8_000, toMs: 12_000 }),
      // Admitted a second later, and never: nothing to be judged by.
      waited(2_000, { atMs: 1_000, fromMs: 8_000, toMs: 12_000 }),
      waited(null, { atMs: 1_000, fromMs: 8_000, toMs: null }),
    ];
    expect(judgeEstimates(buyers)).toEqual({ told: 2, inRange: 0.5, medianError: 1, p90Error: 1 });
  });
});

describe('the best minute of a run', () => {
  it('is the one in which most orders were paid, and has the claims that were answered in it, of all processes', () => {
    const holds = [
      { atMs: 29_999, ms: 900 },
      { atMs: 30_000, ms: 10 },
    ];
    const results = [
      { completedAtMs: [1_000, 89_999, 30_000, 89_999], holds },
      // A minute after the first of the best one: in it no more.
      { completedAtMs: [30_000, 90_000], holds: [{ atMs: 89_999, ms: 20 }] },
    ];
    expect(findBestMinute(results)).toEqual({ paid: 4, holds: 2, holdP99Ms: 20 });
    expect(findBestMinute([])).toEqual({ paid: 0, holds: 0, holdP99Ms: 0 });
  });
});
