import { Arg, Ctx, Field, ID, InputType, Mutation, ObjectType, Query, Resolver, registerEnumType } from 'type-graphql';
import { invalidInput, isRefusal } from '../domain/errors.js';
import { limits } from '../limits.js';
import type { Session } from '../services/accounts.js';
import type { Viewer as ViewerValue } from '../services/platform.js';
import { type Context, payload } from './context.js';
import { errorUnion } from './errors.js';

const ViewerRole = { GUEST: 'GUEST', ORGANIZER: 'ORGANIZER', ADMIN: 'ADMIN' } as const;
registerEnumType(ViewerRole, {
  name: 'ViewerRole',
  description: 'GUEST: a buyer. ORGANIZER, ADMIN: somebody with an account.',
});

@ObjectType({ description: 'Whoever the token speaks for.' })
export class Viewer {
  @Field(() => ID, { description: 'The person: one place in a line and one set of limits per event.' })
  personId!: string;

  @Field(() => ViewerRole)
  role!: ViewerValue['role'];

  @Field(() => Date, { description: 'When the token ends.' })
  expiresAt!: Date;
}

@InputType()
class StartGuestSessionInput {
  @Field(() => String, { nullable: true, description: 'Free text for your own logs; it is not stored.' })
  clientName?: string;
}

@InputType()
class SignInInput {
  @Field(() => String)
  email!: string;

  @Field(() => String)
  password!: string;
}

@ObjectType('Session', {
  description:
    'A signed token: `Authorization: Bearer …` over HTTP, `{ "token": … }` in connection_init over WebSocket.',
})
class SessionType {
  @Field(() => String)
  token!: string;

  @Field(() => Date)
  expiresAt!: Date;

  @Field(() => ID)
  personId!: string;
}

const StartGuestSessionError = errorUnion('StartGuestSessionError', ['INVALID_INPUT', 'OVERLOADED']);
const SignInError = errorUnion('SignInError', ['INVALID_INPUT', 'UNAUTHENTICATED', 'OVERLOADED']);

@ObjectType()
class StartGuestSessionPayload {
  @Field(() => SessionType, { nullable: true })
  session!: SessionType | null;

  @Field(() => [StartGuestSessionError])
  errors!: object[];
}

@ObjectType()
class SignInPayload {
  @Field(() => SessionType, { nullable: true })
  session!: SessionType | null;

  @Field(() => [SignInError])
  errors!: object[];
}

const describeSession = ({ token, expiresAtMs, personId }: Session): SessionType => ({
  token,
  expiresAt: new Date(expiresAtMs),
  personId,
});

@Resolver()
export class AccountsResolver {
  @Query(() => Viewer, { nullable: true, description: 'Who the token speaks for; null without a valid token.' })
  viewer(@Ctx() { viewer }: Context): Viewer | null {
    return viewer && { personId: viewer.personId, role: viewer.role, expiresAt: new Date(viewer.expiresAtMs) };
  }

  @Mutation(() => StartGuestSessionPayload, {
    description: 'A new person without an account. Keep the token: it is the place in line, the holds and the orders.',
  })
  async startGuestSession(
    @Arg('input', () => StartGuestSessionInput, { defaultValue: {} }) _input: StartGuestSessionInput,
    @Ctx() { services }: Context,
  ): Promise<StartGuestSessionPayload> {
    return payload('session', describeSession(await services.accounts.startGuestSession()));
  }

  @Mutation(() => SignInPayload, { description: 'Signs an organizer or administrator in.' })
  async signIn(
    @Arg('input', () => SignInInput) input: SignInInput,
    @Ctx() { services }: Context,
  ): Promise<SignInPayload> {
    if (input.email.length > limits.nameLength) return payload('session', invalidInput('input.email', 'Is too long.'));
    if (input.password.length > limits.passwordLength)
      return payload('session', invalidInput('input.password', 'Is too long.'));
    const session = await services.accounts.signIn(input.email, input.password);
    return payload('session', isRefusal(session) ? session : describeSession(session));
  }
}
