import type { DataSource } from 'typeorm';
import { Order, OrderLine, Ticket } from '../entities/orders.js';
import { limits } from '../limits.js';
import { Batcher } from './batcher.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import type { Platform } from './platform.js';

/** An order with all its parts, as its owner sees it. */
export interface OrderView {
  readonly order: Order;
  readonly event: PublishedEvent;
  readonly lines: readonly OrderLine[];
  readonly tickets: readonly Ticket[];
}

type OrderRow = Order & {
  readonly lines: readonly OrderLine[];
  readonly tickets: readonly (Omit<Ticket, 'issuedAt'> & { readonly issuedAt: string })[];
};

/** An order with its parts in one statement: a buyer reads the own one several times a minute. */
function readingSql(database: DataSource): string {
  const columnsOf = (entity: typeof Order | typeof OrderLine | typeof Ticket) => database.getMetadata(entity).columns;
  const partsOf = (entity: typeof OrderLine | typeof Ticket) => {
    const pairs = columnsOf(entity).map(({ propertyName, databaseName }) => `'${propertyName}', p.${databaseName}`);
    const { tableName } = database.getMetadata(entity);
    return `COALESCE((SELECT json_agg(json_build_object(${pairs.join(', ')}) ORDER BY p.seat_index) FROM ${tableName} p WHERE p.order_id = o.id), '[]')`;
  };
  const columns = columnsOf(Order).map(({ propertyName, databaseName }) => `o.${databaseName} AS "${propertyName}"`);
  return `SELECT ${columns.join(', ')}, ${partsOf(OrderLine)} AS lines, ${partsOf(Ticket)} AS tickets FROM orders o`;
}

/** Orders as the ledger has them. Whoever asks while others are being read is read together with whoever asks then. */
export class OrderReading {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #sql: string;
  readonly #reader: Batcher<string, ReadonlyMap<string, OrderView>>;

  constructor(platform: Platform, events: EventCatalogue) {
    this.#platform = platform;
    this.#events = events;
    this.#sql = readingSql(platform.database);
    this.#reader = new Batcher(limits.stepBatch, async (ids): Promise<ReadonlyMap<string, OrderView>> => {
      const views = await this.readMany(ids);
      return new Map(views.map((view) => [view.order.id, view]));
    });
  }

  async find(id: string): Promise<OrderView | null> {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return null;
    return (await this.#reader.submit(id)).get(id) ?? null;
  }

  async load(id: string): Promise<OrderView> {
    const view = await this.find(id);
    if (view === null) throw new Error(`order ${id} is gone from the ledger`);
    return view;
  }

  /** Those there are, in any order. */
  readMany(ids: readonly string[]): Promise<OrderView[]> {
    return this.#read('WHERE o.id = ANY($1)', [ids]);
  }

  /** The newest orders of a person, bounded. */
  ofPerson(personId: string): Promise<OrderView[]> {
    return this.#read('WHERE o.person_id = $1 ORDER BY o.created_at DESC LIMIT $2', [personId, limits.pageItems]);
  }

  async #read(where: string, parameters: readonly unknown[]): Promise<OrderView[]> {
    const rows: OrderRow[] = await this.#platform.database.query(`${this.#sql} ${where}`, [...parameters]);
    const views = rows.map(async ({ lines, tickets, ...order }): Promise<OrderView | null> => {
      const event = await this.#events.published(order.eventId);
      const issued = tickets.map((ticket) => ({ ...ticket, issuedAt: new Date(ticket.issuedAt) }));
      return event && { order, event, lines, tickets: issued };
    });
    return (await Promise.all(views)).filter((view) => view !== null);
  }
}
