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
import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { limits } from '../limits.js';
import type { PlacePush } from '../pubsub/line.js';
import type { EventRef } from '../redis/keys.js';
import { linePhases, type PlaceState, type StoredPlace } from '../redis/line.js';
import { entryGlobalId, type PlaceView } from '../services/line.js';
import type { Viewer } from '../services/platform.js';
import { describeSession, SessionType } from './accounts.js';
import { asViewer, type Context, clientError, payload, requireViewer } from './context.js';
import { commonErrors, errorUnion } from './errors.js';

export const QueuePhase = Object.fromEntries(linePhases.map((phase) => [phase, phase])) as Record<
  (typeof linePhases)[number],
  string
>;
registerEnumType(QueuePhase, {
  name: 'QueuePhase',
  description:
    'LOBBY: before the sale. DRAWING: the lobby is being put in order. OPEN: admitting. PAUSED: everything waits and keeps its place. SOLD_OUT: nothing is left, as yet. CLOSED: over.',
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

@ObjectType('WaitEstimate', { description: 'How long it will probably take, from the pace measured.' })
class WaitEstimateType {
  @Field(() => Int, { description: 'Hardly sooner.' })
  fromMs!: number;

  @Field(() => Int, { nullable: true, description: 'Hardly later; null: nobody can say.' })
  toMs!: number | null;
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

  @Field(() => Int, {
    nullable: true,
    description:
      '1 is next. Never rises. Null unless you wait with a number, and while nobody can say how many are ahead.',
  })
  position!: number | null;

  @Field(() => Int, { nullable: true })
  peopleAhead!: number | null;

  @Field(() => WaitEstimateType, {
    nullable: true,
    description: 'Null unless you wait with a number while people are being admitted.',
  })
  estimatedWait!: WaitEstimateType | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The next message is due within this time. Silence for 5 s more means: reconnect.',
  })
  nextPushInMs!: number | null;

  @Field(() => Date)
  now!: Date;

  stored!: StoredPlace;
  ref!: EventRef;
}

@InputType()
class JoinQueueInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Your `place` of before: brings it back if the platform has lost the line.',
  })
  place?: string | null;

  @Field(() => String, { nullable: true, description: 'Your `admission.token` of before, likewise.' })
  admission?: string | null;
}

@InputType()
class CreateRecoveryCodeInput {
  @Field(() => ID)
  entryId!: string;
}

@InputType()
class RecoverPlaceInput {
  @Field(() => String, { description: 'In any case, with or without dashes.' })
  code!: string;
}

@ObjectType({ description: 'A session of the person a recovery code stands for.' })
class PlaceRecovery {
  @Field(() => SessionType)
  session!: SessionType;

  @Field(() => ID, { description: 'Join its queue with this session: the place is found again.' })
  eventId!: string;
}

@ObjectType({
  description: 'Everything needed to recompute a draw. docs/verify-the-draw.md says how.',
})
class Draw {
  @Field(() => ID)
  eventId!: string;

  @Field(() => String, { description: 'SHA-256 of the seed, from publication on.' })
  seedHash!: string;

  @Field(() => String, {
    nullable: true,
    description:
      "SHA-256 of the lobby's list, sorted and joined by newlines; from the opening on, before the seed is used.",
  })
  listHash!: string | null;

  @Field(() => Int, { nullable: true, description: 'Places in the list.' })
  entryCount!: number | null;

  @Field(() => String, { nullable: true, description: 'Shown once the list can no longer change.' })
  seed!: string | null;
}

@InputType()
class LeaveQueueInput {
  @Field(() => ID)
  entryId!: string;
}

const JoinQueueError = errorUnion('JoinQueueError', [
  ...commonErrors,
  'IDENTITY_REQUIRED',
  'REBUILDING',
  'QUEUE_FULL',
  'SALE_CLOSED',
]);
const CreateRecoveryCodeError = errorUnion('CreateRecoveryCodeError', [...commonErrors, 'REBUILDING']);
const RecoverPlaceError = errorUnion('RecoverPlaceError', ['INVALID_INPUT', 'NOT_FOUND']);
const LeaveQueueError = errorUnion('LeaveQueueError', [...commonErrors, 'REBUILDING']);

@ObjectType()
class JoinQueuePayload {
  @Field(() => QueueEntry, { nullable: true })
  entry!: QueueEntry | null;

  @Field(() => [JoinQueueError])
  errors!: object[];
}

@ObjectType()
class CreateRecoveryCodePayload {
  @Field(() => String, { nullable: true, description: 'To be typed on another device. Whoever knows it is you.' })
  code!: string | null;

  @Field(() => [CreateRecoveryCodeError])
  errors!: object[];
}

@ObjectType()
class RecoverPlacePayload {
  @Field(() => PlaceRecovery, { nullable: true })
  recovery!: PlaceRecovery | null;

  @Field(() => [RecoverPlaceError])
  errors!: object[];
}

@ObjectType()
class LeaveQueuePayload {
  @Field(() => QueueEntry, { nullable: true })
  entry!: QueueEntry | null;

  @Field(() => [LeaveQueueError])
  errors!: object[];
}

function describeEntry(view: Omit<PlacePush<StoredPlace>, 'generation'>, ref: EventRef, nowMs: number): QueueEntry {
  const { stored, peopleAhead } = view;
  return {
    id: entryGlobalId(ref.eventId, stored.entryId),
    eventId: ref.eventId,
    phase: view.phase,
    state: stateNames[stored.state],
    number: stored.number === 0 ? null : stored.number,
    position: peopleAhead === null ? null : peopleAhead + 1,
    peopleAhead,
    estimatedWait: view.estimate,
    nextPushInMs: view.nextPushInMs,
    now: new Date(nowMs),
    stored,
    ref,
  };
}

const describePlace = (view: PlaceView) => describeEntry(view, view.event.ref, view.stored.nowMs);
const describeResult = (result: PlaceView | Refusal) => (isRefusal(result) ? result : describePlace(result));

@Resolver(() => QueueEntry)
export class LineResolver {
  @Query(() => QueueEntry, {
    nullable: true,
    description: 'Your place, for clients that poll; each poll also says that you are still there.',
  })
  async queueEntry(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<QueueEntry | null> {
    const view = await context.services.line.read(requireViewer(context), id);
    if (isRefusal(view)) throw clientError(view);
    return view && describePlace(view);
  }

  @Mutation(() => JoinQueuePayload, { description: 'One place a person and event: joining again finds it again.' })
  async joinQueue(
    @Arg('input', () => JoinQueueInput) input: JoinQueueInput,
    @Ctx() context: Context,
  ): Promise<JoinQueuePayload> {
    const { eventId, place = null, admission = null } = input;
    const shown = { place, admission };
    return payload(
      'entry',
      describeResult(await asViewer(context, (viewer) => context.services.line.join(viewer, eventId, shown))),
    );
  }

  @Mutation(() => CreateRecoveryCodePayload, {
    description:
      'A code with which somebody without an account finds the own place on another device. Always the same one.',
  })
  async createRecoveryCode(
    @Arg('input', () => CreateRecoveryCodeInput) { entryId }: CreateRecoveryCodeInput,
    @Ctx() context: Context,
  ): Promise<CreateRecoveryCodePayload> {
    const create = (viewer: Viewer) => context.services.recovery.createCode(viewer, entryId);
    return payload('code', await asViewer(context, create)) as CreateRecoveryCodePayload;
  }

  @Mutation(() => RecoverPlacePayload, {
    description: 'On another device: the session whose place the code stands for.',
  })
  async recoverPlace(
    @Arg('input', () => RecoverPlaceInput) { code }: RecoverPlaceInput,
    @Ctx() { services }: Context,
  ): Promise<RecoverPlacePayload> {
    if (code.length > limits.nameLength) return payload('recovery', invalidInput('input.code', 'Is too long.'));
    const found = await services.recovery.recover(code);
    return payload(
      'recovery',
      isRefusal(found) ? found : { session: describeSession(found.session), eventId: found.eventId },
    );
  }

  @Query(() => Draw, { nullable: true, description: 'The draw of an event; null for an unknown event.' })
  draw(@Arg('eventId', () => ID) eventId: string, @Ctx() { services }: Context): Promise<Draw | null> {
    return services.draws.read(eventId);
  }

  @Query(() => [ID], {
    description: 'A part of the list of a draw, sorted: ids of places without their event, at most 5,000 at a time.',
  })
  async drawEntries(
    @Arg('eventId', () => ID) eventId: string,
    @Arg('offset', () => Int, { defaultValue: 0 }) offset: number,
    @Arg('count', () => Int, { defaultValue: 5_000 }) count: number,
    @Ctx() { services }: Context,
  ): Promise<string[]> {
    const entries = await services.draws.entries(eventId, offset, count);
    if (isRefusal(entries)) throw clientError(entries);
    return entries;
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
  place(@Root() { stored, ref }: QueueEntry, @Ctx() { services }: Context): string {
    const { entryId, person: personId, number, sinceMs } = stored;
    return services.tokens.place({ entryId, personId, number, sinceMs, ...ref });
  }

  @FieldResolver(() => Admission, { nullable: true, description: 'When ADMITTED.' })
  admission(@Root() { stored, ref }: QueueEntry, @Ctx() { services }: Context): Admission | null {
    if (stored.state !== 'A' || stored.admissionEndsAtMs === null) return null;
    const { entryId, person: personId, number, sinceMs, shiftMs, admissionEndsAtMs: expiresAtMs } = stored;
    const endsAtMs = expiresAtMs - shiftMs;
    return {
      token: services.tokens.admission({
        entryId,
        personId,
        number,
        sinceMs,
        endsAtMs,
        expiresAtMs,
        ...ref,
      }),
      expiresAt: new Date(expiresAtMs),
    };
  }

  @Subscription(() => QueueEntry, {
    description:
      'Your place: at once, again as soon as its state or the phase of the sale changes, and otherwise within nextPushInMs; it ends with a final state.',
    subscribe: async ({ args, context }) => {
      const viewer = requireViewer(context as Context);
      const watched = await (context as Context).services.line.watch(viewer, (args as { entryId: string }).entryId);
      if (watched === null) throw clientError(refuse('NOT_FOUND', { path: ['entryId'] }));
      if (isRefusal(watched)) throw clientError(watched);
      return watched;
    },
  })
  queuePositionChanged(
    @Root() push: PlacePush<StoredPlace>,
    @Arg('entryId', () => ID) entryId: string,
    @Ctx() { services }: Context,
  ): QueueEntry {
    const ref = { eventId: entryId.slice(0, 36), generation: push.generation };
    return describeEntry(push, ref, services.platform.clock.nowMs());
  }
}
