import { Arg, Ctx, Field, ID, InputType, Mutation, ObjectType, Query, Resolver, registerEnumType } from 'type-graphql';
import { invalidInput, isRefusal, type Refusal } from '../domain/errors.js';
import { Identity } from '../entities/events.js';
import { limits } from '../limits.js';
import type { EmailCode, Session } from '../services/accounts.js';
import type { Viewer as ViewerValue } from '../services/platform.js';
import { asViewer, type Context, payload } from './context.js';
import { errorUnion } from './errors.js';

const ViewerRole = { GUEST: 'GUEST', ORGANIZER: 'ORGANIZER', ADMIN: 'ADMIN' } as const;
registerEnumType(ViewerRole, {
  name: 'ViewerRole',
  description: 'GUEST: a buyer, with or without an account. ORGANIZER, ADMIN: somebody who steers events.',
});

@ObjectType({ description: 'Whoever the token speaks for.' })
export class Viewer {
  @Field(() => ID, { description: 'The person: one place in a line and one set of limits per event.' })
  personId!: string;

  @Field(() => ViewerRole)
  role!: ViewerValue['role'];

  @Field(() => Identity, { description: 'What vouches for the person.' })
  identity!: Identity;

  @Field(() => Date, { description: 'When the token ends.' })
  expiresAt!: Date;
}

@ObjectType({ description: 'A code is on its way by mail.' })
class EmailCodeRequest {
  @Field(() => String, { description: 'The address as it is kept.' })
  email!: string;

  @Field(() => Date)
  expiresAt!: Date;
}

@InputType()
class RequestEmailCodeInput {
  @Field(() => String)
  email!: string;
}

@InputType()
class ConfirmEmailInput {
  @Field(() => String)
  email!: string;

  @Field(() => String, { description: 'As it came by mail.' })
  code!: string;
}

@InputType()
class SignUpInput extends ConfirmEmailInput {
  @Field(() => String)
  password!: string;
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

@InputType()
class EndSessionInput {
  @Field(() => Boolean, {
    defaultValue: false,
    description: 'On every device: all sessions of yours that were opened before now.',
  })
  everywhere!: boolean;
}

@ObjectType('Session', {
  description:
    'A signed token: `Authorization: Bearer …` over HTTP, `{ "token": … }` in connection_init over WebSocket.',
})
export class SessionType {
  @Field(() => String)
  token!: string;

  @Field(() => Date)
  expiresAt!: Date;

  @Field(() => ID)
  personId!: string;
}

const StartGuestSessionError = errorUnion('StartGuestSessionError', ['INVALID_INPUT', 'OVERLOADED']);
const SignInError = errorUnion('SignInError', ['INVALID_INPUT', 'UNAUTHENTICATED', 'OVERLOADED']);

const RequestEmailCodeError = errorUnion('RequestEmailCodeError', ['INVALID_INPUT', 'OVERLOADED', 'MAIL_UNAVAILABLE']);
const ConfirmEmailError = errorUnion('ConfirmEmailError', ['INVALID_INPUT', 'OVERLOADED']);
const EndSessionError = errorUnion('EndSessionError', ['UNAUTHENTICATED']);
const SignUpError = errorUnion('SignUpError', ['INVALID_INPUT', 'OVERLOADED', 'FORBIDDEN']);

@ObjectType()
class RequestEmailCodePayload {
  @Field(() => EmailCodeRequest, { nullable: true })
  request!: EmailCodeRequest | null;

  @Field(() => [RequestEmailCodeError])
  errors!: object[];
}

@ObjectType()
class ConfirmEmailPayload {
  @Field(() => SessionType, { nullable: true })
  session!: SessionType | null;

  @Field(() => [ConfirmEmailError])
  errors!: object[];
}

@ObjectType()
class SignUpPayload {
  @Field(() => SessionType, { nullable: true })
  session!: SessionType | null;

  @Field(() => [SignUpError])
  errors!: object[];
}

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

@ObjectType()
class EndSessionPayload {
  @Field(() => ID, { nullable: true, description: 'Whose session has ended.' })
  personId!: string | null;

  @Field(() => [EndSessionError])
  errors!: object[];
}

export const describeSession = ({ token, expiresAtMs, personId }: Session): SessionType => ({
  token,
  expiresAt: new Date(expiresAtMs),
  personId,
});

@Resolver()
export class AccountsResolver {
  @Query(() => Viewer, { nullable: true, description: 'Who the token speaks for; null without a valid token.' })
  viewer(@Ctx() { viewer }: Context): Viewer | null {
    if (viewer === null) return null;
    const { personId, role, identity, expiresAtMs } = viewer;
    return { personId, role, identity, expiresAt: new Date(expiresAtMs) };
  }

  @Mutation(() => StartGuestSessionPayload, {
    description: 'A new person without an account. Keep the token: it is the place in line, the holds and the orders.',
  })
  startGuestSession(
    @Arg('input', () => StartGuestSessionInput, { defaultValue: {} }) _input: StartGuestSessionInput,
    @Ctx() { services }: Context,
  ): StartGuestSessionPayload {
    return payload('session', describeSession(services.accounts.startGuestSession()));
  }

  @Mutation(() => SignInPayload, { description: 'Signs somebody with an account in.' })
  async signIn(
    @Arg('input', () => SignInInput) input: SignInInput,
    @Ctx() { services }: Context,
  ): Promise<SignInPayload> {
    const wrong = checkLengths(input);
    if (wrong !== null) return payload('session', wrong);
    const session = await services.accounts.signIn(input.email, input.password);
    return payload('session', isRefusal(session) ? session : describeSession(session));
  }

  @Mutation(() => EndSessionPayload, {
    description:
      'Signs out: the token is refused from now on, and its sockets are closed. A guest without a recovery code does not come back.',
  })
  async endSession(
    @Arg('input', () => EndSessionInput, { defaultValue: {} }) input: EndSessionInput,
    @Ctx() context: Context,
  ): Promise<EndSessionPayload> {
    const ended = await asViewer(context, async (viewer) => {
      await context.services.accounts.endSession(viewer, input);
      return viewer.personId;
    });
    return payload('personId', ended) as EndSessionPayload;
  }

  @Mutation(() => RequestEmailCodePayload, {
    description: 'Sends a code to an address, for confirmEmail or signUp. It says nothing about who is known by it.',
  })
  async requestEmailCode(
    @Arg('input', () => RequestEmailCodeInput) input: RequestEmailCodeInput,
    @Ctx() { services }: Context,
  ): Promise<RequestEmailCodePayload> {
    const describe = ({ email, expiresAtMs }: EmailCode) => ({ email, expiresAt: new Date(expiresAtMs) });
    const request = checkLengths(input) ?? (await services.accounts.requestEmailCode(input.email));
    return payload('request', isRefusal(request) ? request : describe(request));
  }

  @Mutation(() => ConfirmEmailPayload, {
    description: 'A session of the person who can read an address: the same person on every device.',
  })
  async confirmEmail(
    @Arg('input', () => ConfirmEmailInput) input: ConfirmEmailInput,
    @Ctx() { services }: Context,
  ): Promise<ConfirmEmailPayload> {
    const session = checkLengths(input) ?? (await services.accounts.confirmEmail(input.email, input.code));
    return payload('session', isRefusal(session) ? session : describeSession(session));
  }

  @Mutation(() => SignUpPayload, {
    description: "A buyer's account for a proved address. With an account there already, it gets the new password.",
  })
  async signUp(
    @Arg('input', () => SignUpInput) input: SignUpInput,
    @Ctx() { services }: Context,
  ): Promise<SignUpPayload> {
    const { email, code, password } = input;
    const session = checkLengths(input) ?? (await services.accounts.signUp(email, code, password));
    return payload('session', isRefusal(session) ? session : describeSession(session));
  }
}

function checkLengths(input: {
  readonly email: string;
  readonly password?: string;
  readonly code?: string;
}): Refusal<'INVALID_INPUT'> | null {
  const { email, password = '', code = '' } = input;
  if (email.length > limits.nameLength) return invalidInput('input.email', 'Is too long.');
  if (password.length > limits.passwordLength) return invalidInput('input.password', 'Is too long.');
  return code.length > limits.nameLength ? invalidInput('input.code', 'Is too long.') : null;
}
