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
  Resolver,
  Root,
  registerEnumType,
  Subscription,
} from 'type-graphql';
import { refuse } from '../domain/errors.js';
import { Event } from '../entities/events.js';
import type { CancellationView } from '../services/cancellations.js';
import type { Viewer } from '../services/platform.js';
import { maySteer } from '../services/sales.js';
import { asViewer, type Context, clientError, payload, requireViewer } from './context.js';
import { commonErrors, errorUnion } from './errors.js';

const CancellationState = { RUNNING: 'RUNNING', STOPPED: 'STOPPED', DONE: 'DONE' } as const;
registerEnumType(CancellationState, {
  name: 'CancellationState',
  description:
    'RUNNING: orders are being paid back. STOPPED: no further one is begun; cancelEvent goes on. DONE: nothing is left to do but what the provider has under way.',
});

@ObjectType({
  description: 'How far the paying back of an event that does not take place has come. Every order counts once.',
})
class EventCancellation {
  @Field(() => ID)
  eventId!: string;

  @Field(() => CancellationState)
  state!: CancellationView['state'];

  @Field(() => Int, { description: 'Orders that have been paid back.' })
  refunded!: number;

  @Field(() => Int, { description: 'Orders whose money is on its way.' })
  refunding!: number;

  @Field(() => Int, { description: 'Orders that have not been begun.' })
  waiting!: number;

  @Field(() => Int, { description: 'Orders whose refund came back: see `retryRefund`.' })
  failed!: number;

  @Field(() => Date)
  startedAt!: Date;

  @Field(() => Date, { nullable: true })
  endedAt!: Date | null;
}

@InputType()
class CancelEventInput {
  @Field(() => ID)
  eventId!: string;
}

@InputType()
class StopCancellationInput extends CancelEventInput {}

@InputType()
class UpdateReturnsInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => Date, { nullable: true, description: 'Until when; none: not any more.' })
  until?: Date | null;

  @Field(() => Boolean, { defaultValue: true, description: 'Whether fees stay paid.' })
  keepFees!: boolean;
}

const CancelEventError = errorUnion('CancelEventError', commonErrors);
const StopCancellationError = errorUnion('StopCancellationError', commonErrors);
const UpdateReturnsError = errorUnion('UpdateReturnsError', commonErrors);

@ObjectType()
class CancelEventPayload {
  @Field(() => EventCancellation, { nullable: true })
  cancellation!: EventCancellation | null;

  @Field(() => [CancelEventError])
  errors!: object[];
}

@ObjectType()
class StopCancellationPayload {
  @Field(() => EventCancellation, { nullable: true })
  cancellation!: EventCancellation | null;

  @Field(() => [StopCancellationError])
  errors!: object[];
}

@ObjectType()
class UpdateReturnsPayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [UpdateReturnsError])
  errors!: object[];
}

/** What becomes of an event's money when it does not take place, or when buyers change their minds. */
@Resolver(() => Event)
export class CancellationsResolver {
  @FieldResolver(() => EventCancellation, {
    nullable: true,
    description: 'Of an event that does not take place, for its organizer: how far the paying back has come.',
  })
  cancellation(@Root() event: Event, @Ctx() { services, viewer }: Context): Promise<CancellationView | null> {
    return maySteer(viewer, event) ? services.cancellations.read(event.id) : Promise.resolve(null);
  }

  @Mutation(() => CancelEventPayload, {
    description:
      'The event does not take place: its sale ends for good and every order is paid back, in the background. Said again it changes nothing, or goes on where it was stopped.',
  })
  async cancelEvent(
    @Arg('input', () => CancelEventInput) { eventId }: CancelEventInput,
    @Ctx() context: Context,
  ): Promise<CancelEventPayload> {
    const act = (viewer: Viewer) => context.services.cancellations.start(viewer, eventId);
    return payload('cancellation', await asViewer(context, act));
  }

  @Mutation(() => StopCancellationPayload, {
    description: 'Begins no further refund of a canceled event; what is on its way goes on.',
  })
  async stopCancellation(
    @Arg('input', () => StopCancellationInput) { eventId }: StopCancellationInput,
    @Ctx() context: Context,
  ): Promise<StopCancellationPayload> {
    const act = (viewer: Viewer) => context.services.cancellations.halt(viewer, eventId);
    return payload('cancellation', await asViewer(context, act));
  }

  @Mutation(() => UpdateReturnsPayload, {
    description: 'Lets buyers give tickets back by themselves, until an instant, or no longer.',
  })
  async updateReturns(
    @Arg('input', () => UpdateReturnsInput) { eventId, until = null, keepFees }: UpdateReturnsInput,
    @Ctx() context: Context,
  ): Promise<UpdateReturnsPayload> {
    const act = (viewer: Viewer) => context.services.events.updateReturns(viewer, { eventId, until, keepFees });
    return payload('event', await asViewer(context, act));
  }

  @Subscription(() => EventCancellation, {
    description:
      'For the organizer of a canceled event: how far it has come, then every change, until nothing is left to do.',
    subscribe: async ({ args, context }) => {
      const { services } = context as Context;
      const { eventId } = args as { eventId: string };
      const viewer = requireViewer(context as Context);
      const event = await services.events.own(viewer, eventId);
      const present = 'refused' in event ? null : await services.cancellations.read(eventId);
      if ('refused' in event) throw clientError({ ...event, path: ['eventId'] });
      if (present === null) throw clientError(refuse('NOT_FOUND', { path: ['eventId'] }));
      return services.cancellations.watch(present);
    },
  })
  cancellationChanged(@Root() view: CancellationView, @Arg('eventId', () => ID) _eventId: string): EventCancellation {
    return view;
  }
}
