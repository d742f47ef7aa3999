-- What is counted of a person, and what a hold means for their admission.

-- Seats of a person, held and bought (p); live holds (|holds); seats held and not bought (|held) with the sum of the instants since when
-- (|since), from which follow the seat-milliseconds they have been held by now; how long an admission lasts at least (|until).
-- Answers |until as it was, 0 for none.
local function countHold(person, seats, since, sign)
  local own, holds, held, sinceSum = person, person .. '|holds', person .. '|held', person .. '|since'
  local p = redis.call('HMGET', key('people'), own, holds, held, sinceSum, person .. '|until')
  redis.call('HSET', key('people'), own, int(tonumber(p[1] or 0) + sign * seats), holds, int(tonumber(p[2] or 0) + sign),
    held, int(tonumber(p[3] or 0) + sign * seats), sinceSum, int(tonumber(p[4] or 0) + sign * seats * since))
  if p[5] and tonumber(p[2] or 0) + sign <= 0 then redis.call('HDEL', key('people'), person .. '|until') end
  return tonumber(p[5] or 0)
end

-- The entry of a person whose admission lasts, or nil.
local function admittedEntry(person)
  local entry = redis.call('HGET', key('persons'), person)
  local endsAt = entry and redis.call('ZSCORE', key('admitted'), entry)
  return endsAt and clock < tonumber(endsAt) and entry or nil
end

-- An admission does not end while a hold lives: neither the one there is (`entry`), nor one that comes (|until, as it was before).
local function keepAdmitted(person, entry, endsAt, before)
  if entry then redis.call('ZADD', key('admitted'), 'XX', 'GT', int(endsAt), entry) end
  if endsAt > before then
    redis.call('HSET', key('people'), person .. '|until', int(endsAt))
  end
end

local refillPerMs = tonumber(opened[13]) / 1000000

-- Of a person: seat-milliseconds held without buying, which are forgiven at a steady pace; those of the present holds; seats in all.
local function spentBy(person)
  local p = redis.call('HMGET', key('people'), person .. '|spent', person .. '|spentAt', person .. '|held', person .. '|since', person)
  local spent = math.max(0, tonumber(p[1] or 0) - (clock - tonumber(p[2] or clock)) * refillPerMs)
  return spent, tonumber(p[3] or 0) * clock - tonumber(p[4] or 0), tonumber(p[5] or 0)
end
