-- Holds that are there: read, judged and ended.
-- Free seats belong to no hold.
local function vacate(list, from)
  moveSeats(list, from, '.')
  redis.call('HDEL', key('seats'), unpack(list))
end

-- Whoever is admitted and holds nothing looks for seats.
local function noteShopping(person)
  if tonumber(redis.call('HGET', key('people'), person .. '|holds') or 0) > 0 then return end
  local entry = redis.call('HGET', key('persons'), person)
  if entry and redis.call('ZSCORE', key('admitted'), entry) then redis.call('SADD', key('shopping'), entry) end
end

-- Gives back all seats of a hold and leaves its hash as a tombstone in `state`. `until` is when it ended by the clock of the sale.
local function endHold(id, hold, state, from, untilClock, tombstoneMs)
  local list = numbers(hold.seats)
  vacate(list, from)
  redis.call('HSET', key('hold:' .. id), 'state', state, 'endedAt', int(now))
  redis.call('PEXPIRE', key('hold:' .. id), tombstoneMs)
  redis.call('ZREM', key('deadlines'), id)
  redis.call('ZREM', key('payments'), id)
  countHold(hold.owner, #list, tonumber(hold.heldAt), -1)
  local spent = spentBy(hold.owner)
  redis.call('HSET', key('people'), hold.owner .. '|spent', int(math.floor(spent + #list * math.max(0, untilClock - tonumber(hold.heldAt)) + 0.5)),
    hold.owner .. '|spentAt', int(clock))
  noteShopping(hold.owner)
end

local function readHold(id)
  local f = redis.call('HMGET', key('hold:' .. id), 'owner', 'fence', 'state', 'freeAt', 'seats', 'orderId', 'heldAt')
  return { owner = f[1], fence = f[2], state = f[3], freeAt = tonumber(f[4] or 0), seats = f[5], orderId = f[6], heldAt = f[7] }
end

-- A hold ends by the clock of the sale, a checkout by the event's time.
local function isDue(hold)
  return hold.state == 'HELD' and clock >= hold.freeAt or hold.state == 'CHECKOUT' and now >= hold.freeAt
end

-- Ends a hold whose time has come, whether or not any loop runs. Answers false if its time has not come.
local function expireHold(id, tombstoneMs)
  local hold = readHold(id)
  if not isDue(hold) then return false end
  endHold(id, hold, 'EXPIRED', 'h', hold.state == 'HELD' and hold.freeAt or clock, tombstoneMs)
  return true
end

-- All fields of a hold as they are written down, and how far the clock of the sale is behind the event's time.
local function describeHold(id)
  local hold = redis.call('HGETALL', key('hold:' .. id))
  if #hold == 0 then return { 'NO_HOLD', int(now) } end
  return { 'OK', int(now), 'shift', int(now - clock), unpack(hold) }
end

-- Judges an action of `person` on a hold. Answers the hold and nil, or nil and the refusal. A hold past its deadline is EXPIRED, whether
-- or not anybody has written that down yet.
local function ownHold(id, person, fence)
  local hold = readHold(id)
  if not hold.owner then return nil, { 'NO_HOLD', int(now) } end
  if hold.owner ~= person then return nil, { 'NOT_YOURS', int(now) } end
  if hold.fence ~= fence then return nil, { 'STALE_FENCE', int(now) } end
  if isDue(hold) then hold.state = 'EXPIRED' end
  return hold, nil
end

-- No seat moves, but whoever watches this hold is told that it did.
local function publishHold(id)
  redis.call('PUBLISH', shared .. 'seat-changes', '{"g":' .. generation .. ',"v":' .. int(version) .. ',"f":' .. int(version)
    .. ',"l":' .. layoutVersion .. ',"i":"","s":"","h":"' .. id .. '"}')
end
