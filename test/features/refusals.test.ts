import { startTestApp, type TestApp } from '../support/app.js';
import { createHall, holdSeats, plainPlan } from '../support/events.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test('No numbered seat may have the name of a standing place', async () => {
  const plan = JSON.stringify(plainPlan()).replace('"1-2"', '"standing:20"');
  const { venue, errors } = await app.organizer.mutate('importVenue', { plan }, 'venue { id }');
  expect(venue).toBeNull();
  expect(errors).toMatchObject([{ code: 'VENUE_PLAN_INVALID' }]);
});

test('Names of halls in scripts that need joiners are taken as they are', async () => {
  const plan = JSON.stringify({ ...plainPlan(), name: 'کتاب\u200cخانه' });
  const { venue } = await app.organizer.mutate('importVenue', { plan }, 'venue { name }');
  expect(venue).toEqual({ name: 'کتاب\u200cخانه' });
});

test('Whoever asks for standing places in a seated category, or for seats in a standing one, is told which field is wrong', async () => {
  const { eventId, categoryId } = await createHall(app.organizer, { standing: 5 });
  const buyer = await app.guest();
  const standing = await holdSeats(buyer, eventId, { standing: { categoryId: categoryId('Stalls'), quantity: 1 } });
  expect(standing.errors).toMatchObject([
    { code: 'INVALID_INPUT', path: ['input', 'seats', 'standing', 'categoryId'] },
  ]);
  const best = await holdSeats(buyer, eventId, { bestAvailable: { categoryId: categoryId('Standing'), quantity: 1 } });
  expect(best.errors).toMatchObject([
    { code: 'INVALID_INPUT', path: ['input', 'seats', 'bestAvailable', 'categoryId'] },
  ]);
});

test('A subscription over HTTP is told where streams run', async () => {
  const { errors } = await app.anonymous.send('subscription { seatMapChanged(eventId: "x") { __typename } }');
  expect(errors).toMatchObject([{ extensions: { code: 'BAD_REQUEST' } }]);
});
