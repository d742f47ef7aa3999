-- Changes of the line. A script that moves places ends with `publishLine`, which gives the change one version. Every admission,
-- ending and change of presence is also appended to the audit stream with a serial without gaps.
local goneNumbers, movedEntries, auditFacts = {}, {}, nil

local function audit(kind, entry, number)
  auditFacts = auditFacts or redis.call('HMGET', key('line'), 'auditEntries', 'cap')
  local serial = redis.call('HINCRBY', key('line'), 'serial', 1)
  redis.call('XADD', key('audit'), 'MAXLEN', '~', auditFacts[1], '*', 'serial', serial,
    'at', int(now), 'kind', kind, 'entry', entry, 'number', number, 'active', redis.call('ZCARD', key('admitted')),
    'cap', auditFacts[2])
end

-- number, person, state (W waiting, A admitted, L left, X admission over, E absent for good, C completed), since
local function readPlace(entry)
  local place = redis.call('HGET', key('places'), entry)
  if not place then return nil end
  local number, person, state, since = string.match(place, '^(%d+)|(.-)|(%a)|(%d+)$')
  return { number = tonumber(number), person = person, state = state, since = since }
end

local function writePlace(entry, place, state)
  place.state, place.since = state, int(now)
  redis.call('HSET', key('places'), entry, int(place.number) .. '|' .. place.person .. '|' .. state .. '|' .. place.since)
  movedEntries[#movedEntries + 1] = '"' .. entry .. '"'
end

local function markGone(number)
  if number > 0 and redis.call('SETBIT', key('gone'), int(number), 1) == 0 then
    goneNumbers[#goneNumbers + 1] = int(number)
  end
end

local function waitingCount()
  local lobby = redis.call('ZCARD', key('lobby'))
  -- Whoever the draw has numbered stays in its frozen list until all are, or for good where the sale is closed before.
  if lobby > 0 and phase ~= 'LOBBY' then lobby = lobby - tonumber(redis.call('HGET', key('line'), 'drawn')) end
  return redis.call('ZCARD', key('present')) + redis.call('ZCARD', key('away')) + lobby
end

-- Ends a place for good: from the line or from among the admitted.
local function endPlace(entry, place, state)
  -- The list of a draw is frozen once it has begun.
  if phase == 'LOBBY' then redis.call('ZREM', key('lobby'), entry) end
  if place.state == 'W' then
    redis.call('ZREM', key('present'), entry)
    redis.call('ZREM', key('away'), entry)
    redis.call('ZREM', key('awayUntil'), entry)
    redis.call('HINCRBY', key('line'), 'leftCount', 1)
  else
    redis.call('ZREM', key('admitted'), entry)
    redis.call('SREM', key('shopping'), entry)
    if redis.call('SREM', key('undecided'), entry) == 1 then redis.call('HINCRBY', key('line'), 'decided', 1) end
  end
  redis.call('HDEL', key('attached'), entry)
  writePlace(entry, place, state)
  markGone(place.number)
  audit(state, entry, int(place.number))
end

-- The clock of the sale alone judges: an absence or an admission whose time is over has ended, whether or not a worker has come by.
local function settlePlace(entry, place)
  local waiting = place.state == 'W'
  if not waiting and place.state ~= 'A' then return end
  local endsAt = redis.call('ZSCORE', key(waiting and 'awayUntil' or 'admitted'), entry)
  if endsAt and clock >= tonumber(endsAt) then endPlace(entry, place, waiting and 'E' or 'X') end
end

local function isAttached(entry, leaseMs)
  local where = redis.call('HGET', key('attached'), entry)
  if not where then return false end
  if string.sub(where, 1, 1) == '@' then return tonumber(string.sub(where, 2)) > clock end
  local beat = redis.call('ZSCORE', key('processes'), where)
  return beat and now - tonumber(beat) <= leaseMs
end

local function goAway(entry, number, absenceMs)
  redis.call('ZREM', key('present'), entry)
  redis.call('ZADD', key('away'), number, entry)
  redis.call('ZADD', key('awayUntil'), int(clock + absenceMs), entry)
  audit('away', entry, number)
  -- A process that serves this person after all, on another device or after a stall, hears of it and reports them present.
  movedEntries[#movedEntries + 1] = '"' .. entry .. '"'
end

-- `where` is a process id, or `@ms` until which the presence of somebody who polls counts.
local function comeBack(entry, place, where)
  redis.call('HSET', key('attached'), entry, where)
  if place.state == 'W' and redis.call('ZREM', key('away'), entry) == 1 then
    redis.call('ZREM', key('awayUntil'), entry)
    redis.call('ZADD', key('present'), int(place.number), entry)
    audit('present', entry, int(place.number))
  end
end

-- A poll counts as presence for `ms`; a living process that serves the person's stream knows better.
local function countPoll(entry, place, ms, leaseMs)
  local where = redis.call('HGET', key('attached'), entry)
  if where and string.sub(where, 1, 1) ~= '@' and isAttached(entry, leaseMs) then return end
  comeBack(entry, place, '@' .. int(clock + ms))
end

-- The next number, or nil: more have to be written down in the ledger first, so that none is given twice after Redis was lost.
local function nextNumber()
  local line = redis.call('HMGET', key('line'), 'next', 'numbersTo')
  if tonumber(line[1]) >= tonumber(line[2]) then return nil end
  return redis.call('HINCRBY', key('line'), 'next', 1)
end

local function publishLine(force, drawn)
  if #goneNumbers == 0 and #movedEntries == 0 and not force then return end
  tellLine(goneNumbers, movedEntries, drawn)
end

local function describePlace(entry, place)
  local endsAt = redis.call('ZSCORE', key('admitted'), entry)
  return { 'OK', int(now), entry, int(place.number), place.person, place.state, place.since,
    endsAt and int(tonumber(endsAt) + now - clock) or '', shownPhase(), redis.call('HGET', key('line'), 'version'), int(now - clock) }
end
