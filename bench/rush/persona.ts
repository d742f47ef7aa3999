import { type Random, randomFor } from './random.js';
import type { Persona } from './records.js';

const cards = {
  plain: 'pm_card_visa',
  declined: 'pm_card_chargeDeclined',
  authenticate: 'pm_card_authenticationRequired',
  slow: 'pm_slow',
};

/**
 * The mix of a rush: four of five pay, one in ten walks away, one in twenty is declined and pays with another card, one
 * in twenty calls it off. One in a hundred needs a wheelchair place. One in twenty loses the socket and comes back; one in twenty sends everything twice.
 */
export function drawPersona(random: Random): Persona {
  const wished = random.pick([1, 2, 2, 2, 3, 4]);
  const common = random.pick([
    'seats',
    'seats',
    'seats',
    'seats',
    'seats',
    'best',
    'best',
    'best',
    'standing',
    'standing',
  ] as const);
  const taste = random.hits(0.01) ? 'wheelchair' : common;
  // Nobody who needs a wheelchair place comes alone.
  const quantity = taste === 'wheelchair' ? Math.max(2, wished) : wished;
  const fate = random.next();
  const outcome = fate < 0.8 ? 'pay' : fate < 0.85 ? 'decline' : fate < 0.9 ? 'cancel' : drawAbandonment(random);
  const purse = random.next();
  const card =
    outcome === 'decline'
      ? cards.declined
      : purse < 0.03
        ? cards.authenticate
        : purse < 0.05
          ? cards.slow
          : cards.plain;
  const socket = random.next();
  return {
    quantity,
    taste,
    outcome,
    card,
    drops: socket < 0.03 ? 'waiting' : socket < 0.05 ? 'checkout' : 'never',
    repeats: random.hits(0.05),
    patienceMs: random.between(10_000, 30_000),
  };
}

function drawAbandonment(random: Random): Persona['outcome'] {
  return random.pick(['release', 'release', 'vanish-holding', 'vanish-paying'] as const);
}

export const secondCard = cards.plain;

/** The moment a buyer arrives, ms after the start; more of them early, as in life. */
export function arrivalMs(seed: number, buyer: number, rampMs: number): number {
  const random = randomFor(seed, buyer * 2 + 1);
  return Math.floor(rampMs * random.next() ** 1.5);
}
