-- Opens the event: KEYS[1] is its meta hash, ARGV[1] the epoch the caller believes in, generation and server. Redis time judges, and it
-- never runs backwards for an event. The other keys lie below KEYS[1] and its generation; they share its hash tag.
local opened = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'lastNow', 'version', 'phase', 'opensAt', 'layoutVersion', 'pausedAt',
  'pausedMs', 'pauseMaxMs', 'recoverUntil', 'waitingRoom', 'hoardRefillMicro', 'reserved')
if opened[1] ~= ARGV[1] then return { 'WRONG_EPOCH' } end
local generation, phase, layoutVersion, waitingRoom, reserved = opened[2], opened[5], opened[7], opened[12], opened[14] or ''
local version = tonumber(opened[4])
local shared = string.sub(KEYS[1], 1, -5)
local base = shared .. generation .. ':'
local function key(name) return base .. name end
-- Whole numbers only: Lua writes large ones with an exponent.
local function int(n) return string.format('%d', n) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lastNow = tonumber(opened[3])
if now > lastNow then redis.call('HSET', KEYS[1], 'lastNow', int(now)) else now = lastNow end

-- The clock of the sale stands still while it is paused, within a bound. Holds, admissions and absences end by it; payments end by `now`.
local pausedAt = tonumber(opened[8] or '')
local clock = now - tonumber(opened[9]) - (pausedAt and math.min(now - pausedAt, tonumber(opened[10])) or 0)
local recovering = now < tonumber(opened[11])

local function shownPhase() return pausedAt and phase ~= 'CLOSED' and 'PAUSED' or phase end

-- Whether numbers of before Redis was lost are still to come back or to be drawn: nobody can say yet how many are ahead.
local function isUncounted()
  return recovering or (phase == 'LOBBY' or phase == 'DRAWING') and redis.call('HGET', key('line'), 'behind') == '1'
end

-- Gives a change of the line its version and tells the watchers. `drawn`: all places have got their numbers.
local function tellLine(gone, moved, drawn)
  local lineVersion = redis.call('HINCRBY', key('line'), 'version', 1)
  redis.call('PUBLISH', shared .. 'line-changes', '{"g":' .. generation .. ',"v":' .. lineVersion .. ',"p":"' .. shownPhase() .. '","t":"'
    .. (redis.call('HGET', key('line'), 'pace') or '') .. '","r":' .. (isUncounted() and 1 or 0) .. ',"d":' .. (drawn and 1 or 0) .. ',"n":['
    .. table.concat(gone, ',') .. '],"e":[' .. table.concat(moved, ',') .. ']}')
end

-- The phase latches by Redis time: whoever comes first after the opening turns it, and LOBBY never comes back.
if phase == 'LOBBY' and now >= tonumber(opened[6]) and not pausedAt and not recovering then
  local lobbySize = redis.call('ZCARD', key('lobby'))
  phase = lobbySize > 0 and 'DRAWING' or 'OPEN'
  redis.call('HSET', KEYS[1], 'phase', phase)
  redis.call('HSET', key('line'), 'lobbySize', lobbySize, 'drawn', 0)
  if tonumber(redis.call('HGET', key('line'), 'next')) < lobbySize then redis.call('HSET', key('line'), 'next', lobbySize) end
  tellLine({}, {})
end
