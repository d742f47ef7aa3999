import { Ctx, Field, ObjectType, Query, Resolver, registerEnumType } from 'type-graphql';
import type { Context } from './context.js';

const PartState = { UP: 'UP', DOWN: 'DOWN' } as const;
type PartState = keyof typeof PartState;
registerEnumType(PartState, { name: 'PartState', description: 'Whether a part answers.' });

@ObjectType({ description: 'Whether the platform and the parts it needs answer.' })
class SystemStatus {
  @Field(() => PartState)
  database!: PartState;

  @Field(() => PartState)
  redis!: PartState;

  @Field(() => Date)
  now!: Date;
}

const stateOf = (answer: Promise<unknown>): Promise<PartState> =>
  answer.then(
    () => 'UP',
    () => 'DOWN',
  );

@Resolver()
export class SystemResolver {
  @Query(() => SystemStatus, { description: 'Whether the platform can serve you now.' })
  async systemStatus(@Ctx() { services }: Context): Promise<SystemStatus> {
    const { platform } = services;
    const [database, redis] = await Promise.all([
      stateOf(platform.database.query('SELECT 1')),
      stateOf(platform.redis.ping()),
    ]);
    return { database, redis, now: new Date(platform.clock.nowMs()) };
  }
}
