-- Changes of seats. A script moves seats with `moveSeats` and ends with `publishSeats`, which gives all of them one version and tells the
-- watchers. A free seat carries the letter of its channel: '.' everybody's, 'A' wheelchair places and companions', 'B' to 'Z' the
-- organizer's, 'x' nobody's. A seat in ISSUING shows as `h` in the status string and is counted as `i`.
local changed, changedLetters, countChanges, touchedRuns, castOff = {}, {}, {}, {}, {}

local function numbers(text)
  local list = {}
  for part in string.gmatch(text, '[^,]+') do list[#list + 1] = tonumber(part) end
  return list
end

local function addCount(field, by) countChanges[field] = (countChanges[field] or 0) + by end

local function countMove(scope, from, to)
  addCount(scope .. from, -1)
  addCount(scope .. to, 1)
end

local function channelOf(index) return redis.call('GETRANGE', key('channels'), index, index) end

local function noteLetter(index, letter)
  if not changedLetters[index] then changed[#changed + 1] = index end
  changedLetters[index] = letter
end

local function touchRuns(first, last)
  local runs = redis.call('GETRANGE', key('runOf'), first * 3, last * 3 + 2)
  for at = 1, #runs, 3 do
    local run = string.sub(runs, at, at + 2)
    if run ~= '\255\255\255' then touchedRuns[run] = true end
  end
end

-- The seats from the first to the last index of a list that follow one another.
local function moveNeighbours(first, last, from, to)
  local categories = redis.call('GETRANGE', key('categories'), first, last)
  local channels = redis.call('GETRANGE', key('channels'), first, last)
  if from == '.' or to == '.' then touchRuns(first, last) end
  local letters = {}
  for at = 1, last - first + 1 do
    local channel = string.sub(channels, at, at)
    local before, after = from == '.' and channel or from, to == '.' and channel or to
    countMove(string.byte(categories, at) - 33 .. ':', before, after)
    countMove('*:', before, after)
    countMove('@' .. channel .. ':', before, after)
    -- From held to issuing the letter stays, but whoever follows the hold listens to its seats.
    letters[at] = after == 'i' and 'h' or after
    noteLetter(first + at - 1, letters[at])
  end
  redis.call('SETRANGE', key('status'), first, table.concat(letters))
end

-- `from` and `to` are letters as they are counted; '.' stands for free, whatever the channel of a seat.
local function moveSeats(list, from, to)
  local first = 1
  for at = 1, #list do
    if list[at + 1] ~= list[at] + 1 then
      moveNeighbours(list[first], list[at], from, to)
      first = at + 1
    end
  end
end

-- Free seats belong to no hold.
local function vacate(list, from)
  moveSeats(list, from, '.')
  redis.call('HDEL', key('seats'), unpack(list))
end

-- The seat moves to another channel, in whatever state it is.
local function recastSeat(index, to)
  local from = channelOf(index)
  if from == to then return end
  redis.call('SETRANGE', key('channels'), index, to)
  local letter = redis.call('GETRANGE', key('status'), index, index)
  castOff[from] = true
  touchRuns(index, index)
  if letter == from then
    local category = string.byte(redis.call('GETRANGE', key('categories'), index, index)) - 33
    countMove(category .. ':', from, to)
    countMove('*:', from, to)
    addCount('@' .. from .. ':' .. from, -1)
    addCount('@' .. to .. ':' .. to, 1)
    redis.call('SETRANGE', key('status'), index, to)
    return noteLetter(index, to)
  end
  local counted = letter
  if letter == 'h' and redis.call('HGET', key('hold:' .. redis.call('HGET', key('seats'), index)), 'state') == 'ISSUING' then counted = 'i' end
  addCount('@' .. from .. ':' .. counted, -1)
  addCount('@' .. to .. ':' .. counted, 1)
  noteLetter(index, letter)
end

-- The record of a run: first seat, seats, category, places of it in the lists of the category and of the section, section, focus.
local function readRun(run)
  local start, length, category, at, section, atSection, focus = struct.unpack('>I3I2BI3I2I3I2', redis.call('GETRANGE', key('runs'), run * 16, run * 16 + 15))
  return { start = start, length = length, category = category, at = at, section = section, atSection = atSection, focus = focus }
end

-- One character for the longest block of a letter, up to 22, and whether another one is shorter by one: see fitCode in domain/best-available.ts.
local function fitCode(text, letter)
  local longest, lengths = 0, {}
  for block in string.gmatch(text, (letter == '.' and '%.' or letter) .. '+') do
    local length = #block
    lengths[length] = true
    if length > longest then longest = length end
  end
  return string.char(35 + 2 * math.min(longest, 22) + (longest > 1 and lengths[longest - 1] and 1 or 0))
end

local function fitsKey(letter, category, section)
  return key('fits:' .. letter .. ':' .. category .. (section and ':' .. section or ''))
end

local function refitRun(run, letter, text)
  local code = fitCode(text, letter)
  redis.call('SETRANGE', fitsKey(letter, run.category), run.at, code)
  redis.call('SETRANGE', fitsKey(letter, run.category, run.section), run.atSection, code)
end

-- Brings the tables of best-available up to date with the runs in which a seat became free or taken.
local function refit()
  for packed in pairs(touchedRuns) do
    local run = readRun(struct.unpack('>I3', packed))
    local text = redis.call('GETRANGE', key('status'), run.start, run.start + run.length - 1)
    refitRun(run, '.', text)
    if reserved ~= '' then
      local channels = redis.call('GETRANGE', key('channels'), run.start, run.start + run.length - 1)
      for letter in string.gmatch(reserved, '.') do
        if castOff[letter] or string.find(channels, letter, 1, true) then refitRun(run, letter, text) end
      end
    end
  end
  touchedRuns, castOff = {}, {}
end

-- Writes the tables and counts and, when a visible state or a count changed, one new version with its delta. `recast`: the seats have
-- moved to this channel. `holdId`: whose watchers are to look again although its own seats may not be among those that moved.
local function publishSeats(recast, holdId)
  refit()
  local fields = {}
  for field, by in pairs(countChanges) do if by ~= 0 then fields[#fields + 1] = field end end
  if #changed == 0 and #fields == 0 then return end
  if #fields > 0 then
    local counts, values = redis.call('HMGET', key('counts'), unpack(fields)), {}
    for i, field in ipairs(fields) do values[2 * i - 1], values[2 * i] = field, int(tonumber(counts[i] or 0) + countChanges[field]) end
    redis.call('HSET', key('counts'), unpack(values))
  end
  countChanges = {}
  redis.call('HSET', KEYS[1], 'version', int(version + 1))
  local letters = {}
  for i, index in ipairs(changed) do letters[i] = changedLetters[index] end
  redis.call('PUBLISH', shared .. 'seat-changes', '{"g":' .. generation .. ',"v":' .. int(version + 1) .. ',"f":' .. int(version)
    .. ',"l":' .. layoutVersion .. ',"i":"' .. table.concat(changed, ',') .. '","s":"' .. table.concat(letters) .. '"'
    .. (recast and ',"c":"' .. recast .. '"' or '') .. (holdId and ',"h":"' .. holdId .. '"' or '') .. '}')
  version = version + 1
  changed, changedLetters = {}, {}
end

-- No seat moves, but whoever watches this hold is told that it did.
local function publishHold(id)
  redis.call('PUBLISH', shared .. 'seat-changes', '{"g":' .. generation .. ',"v":' .. int(version) .. ',"f":' .. int(version)
    .. ',"l":' .. layoutVersion .. ',"i":"","s":"","h":"' .. id .. '"}')
end

-- Seats of a person, held and bought (p); live holds (|holds); seats held and not bought (|held) with the sum of the instants since when
-- (|since), from which follow the seat-milliseconds they have been held by now; how long an admission lasts at least (|until).
local function countHold(person, seats, since, sign)
  local own, holds, held, sinceSum = person, person .. '|holds', person .. '|held', person .. '|since'
  local p = redis.call('HMGET', key('people'), own, holds, held, sinceSum)
  redis.call('HSET', key('people'), own, int(tonumber(p[1] or 0) + sign * seats), holds, int(tonumber(p[2] or 0) + sign),
    held, int(tonumber(p[3] or 0) + sign * seats), sinceSum, int(tonumber(p[4] or 0) + sign * seats * since))
  if tonumber(p[2] or 0) + sign <= 0 then redis.call('HDEL', key('people'), person .. '|until') end
end

-- The entry of a person whose admission lasts, or nil.
local function admittedEntry(person)
  local entry = redis.call('HGET', key('persons'), person)
  local endsAt = entry and redis.call('ZSCORE', key('admitted'), entry)
  return endsAt and clock < tonumber(endsAt) and entry or nil
end

-- Whoever is admitted and holds nothing looks for seats.
local function noteShopping(person)
  if tonumber(redis.call('HGET', key('people'), person .. '|holds') or 0) > 0 then return end
  local entry = redis.call('HGET', key('persons'), person)
  if entry and redis.call('ZSCORE', key('admitted'), entry) then redis.call('SADD', key('shopping'), entry) end
end

-- An admission does not end while a hold lives: neither the one there is (`entry`), nor one that comes (|until).
local function keepAdmitted(person, entry, endsAt)
  if entry then redis.call('ZADD', key('admitted'), 'XX', 'GT', int(endsAt), entry) end
  if endsAt > tonumber(redis.call('HGET', key('people'), person .. '|until') or 0) then
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
  redis.call('HSET', key('people'), hold.owner .. '|spent', int(spent + #list * math.max(0, untilClock - tonumber(hold.heldAt))),
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

local function expireFrom(queue, instant, bound, tombstoneMs)
  local due = redis.call('ZRANGEBYSCORE', key(queue), '-inf', int(instant), 'LIMIT', 0, bound)
  for _, id in ipairs(due) do
    -- What cannot be ended must not be met again, or whoever collects until nothing is left would never be done.
    if not expireHold(id, tombstoneMs) then redis.call('ZREM', key(queue), id) end
  end
  return #due
end

-- Ends up to `bound` holds that are due; answers how many were: fewer than `bound` means that nothing expired is left.
local function expireDue(bound, tombstoneMs)
  local ended = expireFrom('deadlines', clock, bound, tombstoneMs)
  if ended < bound then ended = ended + expireFrom('payments', now, bound - ended, tombstoneMs) end
  return ended
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
