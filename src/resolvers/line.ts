import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
  Subscription,
} from 'type-graphql';
import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import type { PlacePush } from '../pubsub/line.js';
import { linePhases, type PlaceState, type StoredPlace } from '../redis/line.js';
import type { PublishedEvent } from '../services/event-catalogue.js';
import { entryGlobalId, type PlaceView } from '../services/line.js';
import { asViewer, type Context, clientError, payload, requireViewer } from './context.js';
import { commonErrors, errorUnion } from './errors.js';

const QueuePhase = Object.fromEntries(linePhases.map((phase) => [phase, phase])) as Record<
  (typeof linePhases)[number],
  string
>;
registerEnumType(QueuePhase, {
  name: 'QueuePhase',
  description:
    'LOBBY: before the sale. DRAWING: the lobby is being put in order. OPEN: admitting. SOLD_OUT: nothing is left. CLOSED: over.',
});

const stateNames = {
  W: 'WAITING',
  A: 'ADMITTED',
  L: 'LEFT',
  X: 'EXPIRED',
  E: 'EXPIRED',
  C: 'COMPLETED',
} as const satisfies Record<PlaceState, string>;
type EntryState = (typeof stateNames)[PlaceState];
const QueueEntryState = Object.fromEntries(Object.values(stateNames).map((state) => [state, state])) as Record<
  EntryState,
  string
>;
registerEnumType(QueueEntryState, {
  name: 'QueueEntryState',
  description:
    'LEFT, EXPIRED (away too long, or the admission ran out) and COMPLETED (bought) are final: join again for a new place.',
});

@ObjectType({ description: 'Your turn: hold seats and check out before it expires. A live hold keeps it alive.' })
class Admission {
  @Field(() => String, {
    description: 'Signed by the platform: proof of your turn if the platform ever has to rebuild the line.',
  })
  token!: string;

  @Field(() => Date)
  expiresAt!: Date;
}

@ObjectType({ description: 'A place in line.' })
class QueueEntry {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  eventId!: string;

  @Field(() => QueuePhase)
  phase!: string;

  @Field(() => QueueEntryState)
  state!: EntryState;

  @Field(() => Int, { nullable: true, description: 'Your number; null in the lobby. It never changes.' })
  number!: number | null;

  @Field(() => Int, { nullable: true, description: '1 is next. Never rises. Null unless you wait with a number.' })
  position!: number | null;

  @Field(() => Int, { nullable: true })
  peopleAhead!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The next message is due within this time. Silence for 5 s more means: reconnect.',
  })
  nextPushInMs!: number | null;

  @Field(() => Date)
  now!: Date;

  stored!: StoredPlace;
  event!: PublishedEvent;
}

@InputType()
class JoinQueueInput {
  @Field(() => ID)
  eventId!: string;
}

@InputType()
class LeaveQueueInput {
  @Field(() => ID)
  entryId!: string;
}

const JoinQueueError = errorUnion('JoinQueueError', [...commonErrors, 'REBUILDING', 'QUEUE_FULL', 'SALE_CLOSED']);
const LeaveQueueError = errorUnion('LeaveQueueError', [...commonErrors, 'REBUILDING']);

@ObjectType()
class JoinQueuePayload {
  @Field(() => QueueEntry, { nullable: true })
  entry!: QueueEntry | null;

  @Field(() => [JoinQueueError])
  errors!: object[];
}

@ObjectType()
class LeaveQueuePayload {
  @Field(() => QueueEntry, { nullable: true })
  entry!: QueueEntry | null;

  @Field(() => [LeaveQueueError])
  errors!: object[];
}

function describeEntry(view: PlaceView): QueueEntry {
  const { event, stored, peopleAhead } = view;
  return {
    id: entryGlobalId(event.ref.eventId, stored.entryId),
    eventId: event.ref.eventId,
    phase: view.phase,
    state: stateNames[stored.state],
    number: stored.number === 0 ? null : stored.number,
    position: peopleAhead === null ? null : peopleAhead + 1,
    peopleAhead,
    nextPushInMs: view.nextPushInMs,
    now: new Date(stored.nowMs),
    stored,
    event,
  };
}

const describeResult = (result: PlaceView | Refusal) => (isRefusal(result) ? result : describeEntry(result));

@Resolver(() => QueueEntry)
export class LineResolver {
  @Query(() => QueueEntry, {
    nullable: true,
    description: 'Your place, for clients that poll; each poll also says that you are still there.',
  })
  async queueEntry(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<QueueEntry | null> {
    const view = await context.services.line.read(requireViewer(context), id);
    if (isRefusal(view)) throw clientError(view);
    return view && describeEntry(view);
  }

  @Mutation(() => JoinQueuePayload, { description: 'One place a person and event: joining again finds it again.' })
  async joinQueue(
    @Arg('input', () => JoinQueueInput) { eventId }: JoinQueueInput,
    @Ctx() context: Context,
  ): Promise<JoinQueuePayload> {
    return payload(
      'entry',
      describeResult(await asViewer(context, (viewer) => context.services.line.join(viewer, eventId))),
    );
  }

  @Mutation(() => LeaveQueuePayload, { description: 'Gives the place, or the admission, up for good.' })
  async leaveQueue(
    @Arg('input', () => LeaveQueueInput) { entryId }: LeaveQueueInput,
    @Ctx() context: Context,
  ): Promise<LeaveQueuePayload> {
    return payload(
      'entry',
      describeResult(await asViewer(context, (viewer) => context.services.line.leave(viewer, entryId))),
    );
  }

  @FieldResolver(() => String, { description: 'Your place, signed: keep it.' })
  place(@Root() { stored, event }: QueueEntry, @Ctx() { services }: Context): Promise<string> {
    const { entryId, person: personId, number, sinceMs } = stored;
    return services.tokens.place({ entryId, personId, number, sinceMs, ...event.ref });
  }

  @FieldResolver(() => Admission, { nullable: true, description: 'When ADMITTED.' })
  async admission(@Root() { stored, event }: QueueEntry, @Ctx() { services }: Context): Promise<Admission | null> {
    if (stored.state !== 'A' || stored.admissionEndsAtMs === null) return null;
    const { entryId, person: personId, number, admissionEndsAtMs: endsAtMs } = stored;
    return {
      token: await services.tokens.admission({ entryId, personId, number, endsAtMs, ...event.ref }),
      expiresAt: new Date(endsAtMs),
    };
  }

  @Subscription(() => QueueEntry, {
    description:
      'Your place: at once, then whenever it moves, at the latest after nextPushInMs; it ends with a final state.',
    subscribe: async ({ args, context }) => {
      const viewer = requireViewer(context as Context);
      const watched = await (context as Context).services.line.watch(viewer, (args as { entryId: string }).entryId);
      if (watched === null) throw clientError(refuse('NOT_FOUND', { path: ['entryId'] }));
      if (isRefusal(watched)) throw clientError(watched);
      return watched;
    },
  })
  async queuePositionChanged(
    @Root() push: PlacePush<StoredPlace>,
    @Arg('entryId', () => ID) entryId: string,
    @Ctx() { services }: Context,
  ): Promise<QueueEntry> {
    const event = await services.catalogue.published(entryId.slice(0, 36));
    const { stored, phase, peopleAhead, nextPushInMs } = push;
    return {
      ...describeEntry({ event: event!, stored, phase: phase as PlaceView['phase'], peopleAhead, nextPushInMs }),
      now: new Date(services.platform.clock.nowMs()),
    };
  }
}
