import type { Redis } from 'ioredis';
import { sharedKeys } from '../../src/redis/keys.js';
import { eventId } from './event.js';
import type { Stage } from './stage.js';

/**
 * Holds what Redis says of the seats against itself, at one instant: letters, who has which seat, the holds, the counts by category and
 * channel, and what people have. Answers nothing while the event is frozen, or the first difference.
 */
const script = `
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation or not redis.call('HGET', KEYS[1], 'epoch') then return '' end
local base = string.sub(KEYS[1], 1, -5) .. generation .. ':'
local status, channels = redis.call('GET', base .. 'status'), redis.call('GET', base .. 'channels')
local categories = redis.call('GET', base .. 'categories')
local letterOf = { HELD = 'h', CHECKOUT = 'h', ISSUING = 'i', SOLD = 's', RETURNING = 'r' }
local tally, people, has, counted = {}, {}, {}, {}
local function add(map, field, by) map[field] = (map[field] or 0) + by end

for _, name in ipairs(redis.call('KEYS', string.gsub(base, '[%[%]%*%?]', '\\\\%0') .. 'hold:*')) do
  local f = redis.call('HMGET', name, 'state', 'seats', 'owner', 'heldAt')
  local letter, id = letterOf[f[1]], string.sub(name, #base + 6)
  if letter then
    for index in string.gmatch(f[2], '%d+') do
      if has[index] then return 'seat ' .. index .. ' is of two holds, ' .. has[index].state .. ' and ' .. f[1] end
      has[index] = { id = id, letter = letter, state = f[1] }
      add(people, f[3], 1)
      if letter == 'h' or letter == 'i' then
        add(people, f[3] .. '|held', 1)
        add(people, f[3] .. '|since', tonumber(f[4]))
      end
    end
    if letter == 'h' or letter == 'i' then add(people, f[3] .. '|holds', 1) end
  end
end

for at = 1, #status do
  local index, letter = tostring(at - 1), string.sub(status, at, at)
  local holder, hold = redis.call('HGET', base .. 'seats', index), has[index]
  local meant = hold and hold.letter or '.'
  if letter ~= (meant == 'i' and 'h' or meant) then
    return 'seat ' .. index .. ' shows ' .. letter .. ' but its hold is ' .. (hold and hold.state or 'nobody')
  end
  if (holder or nil) ~= (hold and hold.id or nil) then return 'seat ' .. index .. ' is not of the hold that has it' end
  local category, channel = string.byte(categories, at) - 33, string.sub(channels, at, at)
  for _, scope in ipairs({ category .. ':', '*:', '@' .. channel .. ':' }) do add(tally, scope .. meant, 1) end
end

local counts = redis.call('HGETALL', base .. 'counts')
for at = 1, #counts, 2 do
  local field, count = counts[at], tonumber(counts[at + 1])
  if not string.find(field, 'revenue') then
    if count ~= (tally[field] or 0) then return 'the count ' .. field .. ' is ' .. count .. ', the seats are ' .. (tally[field] or 0) end
    tally[field] = nil
  end
end
for field, count in pairs(tally) do return 'the count ' .. field .. ' is missing, the seats are ' .. count end

local stored = redis.call('HGETALL', base .. 'people')
for at = 1, #stored, 2 do
  local field, number = stored[at], tonumber(stored[at + 1])
  if string.find(field, '|until') then
    local holder = string.match(field, '^(.*)|')
    if not people[holder .. '|holds'] then return field .. ' is kept of somebody who holds nothing' end
  elseif not string.find(field, '|spent') then
    if number ~= (people[field] or 0) then return 'of ' .. field .. ' is counted ' .. number .. ', the holds say ' .. (people[field] or 0) end
    counted[field] = true
  end
end
for field, number in pairs(people) do if number ~= 0 and not counted[field] then return 'of ' .. field .. ' nothing is counted, the holds say ' .. number end end
return ''`;

type Booked = Redis & { checkSeatBooks?(meta: string): Promise<string> };

/** The first difference, or nothing. */
export const checkSeatBooks = ({ redis }: Stage): Promise<string | null> => seatBooksOf(redis, eventId);

/** The same of any event. */
export async function seatBooksOf(redis: Redis, eventId: string): Promise<string | null> {
  const booked = redis as Booked;
  if (booked.checkSeatBooks === undefined) booked.defineCommand('checkSeatBooks', { numberOfKeys: 1, lua: script });
  const answer = await booked.checkSeatBooks!(sharedKeys(eventId).meta);
  return answer === '' ? null : answer;
}
