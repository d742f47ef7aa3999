-- Opens the event: KEYS[1] is its meta hash, ARGV[1] the generation the caller believes in. Redis time judges, and it never
-- runs backwards for an event. Other keys of the event are derived from KEYS[1]; they share its hash tag.
local base = string.sub(KEYS[1], 1, -5)
local function key(name) return base .. name end
local function int(n) return string.format('%.0f', n) end

local opened = redis.call('HMGET', KEYS[1], 'generation', 'lastNow', 'version', 'phase', 'opensAt', 'layoutVersion')
if opened[1] ~= ARGV[1] then return { 'WRONG_EPOCH' } end
local generation = opened[1]
local version = tonumber(opened[3])
local phase = opened[4]
local layoutVersion = opened[6]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lastNow = tonumber(opened[2])
if now > lastNow then redis.call('HSET', KEYS[1], 'lastNow', int(now)) else now = lastNow end

-- The phase latches by Redis time: whoever comes first after the opening turns it, and LOBBY never comes back.
if phase == 'LOBBY' and now >= tonumber(opened[5]) then
  local lobbySize = redis.call('ZCARD', key('lobby'))
  phase = lobbySize > 0 and 'DRAWING' or 'OPEN'
  redis.call('HSET', KEYS[1], 'phase', phase)
  redis.call('HSET', key('line'), 'lobbySize', lobbySize, 'next', lobbySize, 'drawn', 0)
  local lineVersion = redis.call('HINCRBY', key('line'), 'version', 1)
  redis.call('PUBLISH', key('line-changes'), '{"g":' .. generation .. ',"v":' .. lineVersion .. ',"p":"' .. phase .. '"}')
end
