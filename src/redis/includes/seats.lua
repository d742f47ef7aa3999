-- Changes of seats. A script moves seats with `moveSeat` and ends with `publishSeats`, which gives all of them one version
-- and tells the watchers. A seat in ISSUING shows as `h` in the status string and is counted as `i`.
local changed, changedLetters, countChanges = {}, {}, {}

local function numbers(text)
  local list = {}
  for part in string.gmatch(text, '[^,]+') do list[#list + 1] = tonumber(part) end
  return list
end

local function categoryOf(index)
  return string.byte(redis.call('GETRANGE', key('categories'), index, index)) - 33
end

local function addCount(field, by) countChanges[field] = (countChanges[field] or 0) + by end

local function moveSeat(index, from, to)
  local category = categoryOf(index)
  addCount(category .. ':' .. from, -1)
  addCount(category .. ':' .. to, 1)
  addCount('*:' .. from, -1)
  addCount('*:' .. to, 1)
  -- From held to issuing the letter stays, but whoever follows the hold listens to its seats.
  local letter = to == 'i' and 'h' or to
  redis.call('SETRANGE', key('status'), index, letter)
  if not changedLetters[index] then changed[#changed + 1] = index end
  changedLetters[index] = letter
end

-- Writes the counts and, when a visible state or a count changed, one new version with its delta.
local function publishSeats()
  local counted = false
  for field, by in pairs(countChanges) do
    if by ~= 0 then
      redis.call('HINCRBY', key('counts'), field, by)
      counted = true
    end
  end
  if #changed == 0 and not counted then return end
  redis.call('HSET', KEYS[1], 'version', int(version + 1))
  local letters = {}
  for i, index in ipairs(changed) do letters[i] = changedLetters[index] end
  redis.call('PUBLISH', key('seat-changes'), '{"g":' .. generation .. ',"v":' .. int(version + 1) .. ',"f":' .. int(version)
    .. ',"l":' .. layoutVersion .. ',"i":"' .. table.concat(changed, ',') .. '","s":"' .. table.concat(letters) .. '"}')
  version = version + 1
end

-- No seat moves, but whoever watches this hold is told that it did.
local function publishHold(id)
  redis.call('PUBLISH', key('seat-changes'), '{"g":' .. generation .. ',"v":' .. int(version) .. ',"f":' .. int(version)
    .. ',"l":' .. layoutVersion .. ',"i":"","s":"","h":"' .. id .. '"}')
end

-- Gives back all seats of a hold and leaves its hash as a tombstone in `state`.
local function endHold(id, state, from, person, list, tombstoneMs)
  for _, index in ipairs(list) do
    moveSeat(index, from, '.')
    redis.call('HDEL', key('seats'), index)
  end
  redis.call('HSET', key('hold:' .. id), 'state', state, 'endedAt', int(now))
  redis.call('PEXPIRE', key('hold:' .. id), tombstoneMs)
  redis.call('ZREM', key('deadlines'), id)
  redis.call('HINCRBY', key('people'), person, -#list)
  redis.call('HINCRBY', key('people'), person .. ':holds', -1)
end

-- Ends a hold whose time has come, whether or not any loop runs. Answers false if its time has not come.
local function expireHold(id, tombstoneMs)
  local hold = redis.call('HMGET', key('hold:' .. id), 'state', 'freeAt', 'owner', 'seats')
  if (hold[1] ~= 'HELD' and hold[1] ~= 'CHECKOUT') or now < tonumber(hold[2]) then return false end
  endHold(id, 'EXPIRED', 'h', hold[3], numbers(hold[4]), tombstoneMs)
  return true
end

-- Ends up to `bound` holds that are due; answers how many were: fewer than `bound` means that nothing expired is left.
local function expireDue(bound, tombstoneMs)
  local due = redis.call('ZRANGEBYSCORE', key('deadlines'), '-inf', int(now), 'LIMIT', 0, bound)
  for _, id in ipairs(due) do
    -- What cannot be ended must not be met again, or whoever collects until nothing is left would never be done.
    if not expireHold(id, tombstoneMs) then redis.call('ZREM', key('deadlines'), id) end
  end
  return #due
end

-- All fields of a hold as they are written down; whoever decodes them judges its deadline by the `now` beside them.
local function describeHold(id)
  local hold = redis.call('HGETALL', key('hold:' .. id))
  if #hold == 0 then return { 'NO_HOLD', int(now) } end
  return { 'OK', int(now), unpack(hold) }
end

-- Judges an action of `person` on a hold. Answers the hold's fields and nil, or nil and the refusal. A hold past its deadline is
-- EXPIRED, whether or not anybody has written that down yet.
local function ownHold(id, person, fence)
  local hold = redis.call('HMGET', key('hold:' .. id), 'owner', 'generation', 'fence', 'state', 'freeAt', 'seats', 'orderId')
  if not hold[1] then return nil, { 'NO_HOLD', int(now) } end
  if hold[1] ~= person then return nil, { 'NOT_YOURS', int(now) } end
  if hold[2] ~= generation then return nil, { 'HOLD_LOST', int(now) } end
  if hold[3] ~= fence then return nil, { 'STALE_FENCE', int(now) } end
  local state, freeAt = hold[4], tonumber(hold[5])
  if (state == 'HELD' or state == 'CHECKOUT') and now >= freeAt then state = 'EXPIRED' end
  return { state = state, freeAt = freeAt, seats = hold[6], orderId = hold[7] }, nil
end
