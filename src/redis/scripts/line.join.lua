--[[
Gives a person one place. Joining again finds the place again; after a final state it gives a new one at the end. Like a poll it counts as
presence for a while.
KEYS  1 meta
ARGV  1 epoch  2 person  3 entry id to use for a new place  4 presence of the call in ms  5 entries at most  6 processLeaseMs
Result  OK, now, entry, number, person, state, since, admission ends at or '', phase, line version, shift of the clock | QUEUE_FULL | SALE_CLOSED |
        NUMBERS (call again after line.numbers) | WRONG_EPOCH
]]
--@include event
--@include line
local person, presenceMs = ARGV[2], tonumber(ARGV[4])
local entry = redis.call('HGET', key('persons'), person)
local place = entry and readPlace(entry)
if place then
  settlePlace(entry, place)
  if place.state == 'W' or place.state == 'A' then
    countPoll(entry, place, presenceMs, tonumber(ARGV[6]))
    publishLine(false)
    return describePlace(entry, place)
  end
end
publishLine(false)
if phase == 'CLOSED' then return { 'SALE_CLOSED', int(now) } end
if waitingCount() >= tonumber(ARGV[5]) then return { 'QUEUE_FULL', int(now) } end
-- Where Redis was lost between opening and draw, those of the lobby are awaited; whoever comes new is behind them.
local intoLobby = phase == 'LOBBY' and redis.call('HGET', key('line'), 'behind') ~= '1'
local number = intoLobby and 0 or nextNumber()
if not number then return { 'NUMBERS', int(now) } end
if entry then redis.call('HDEL', key('places'), entry) end
entry = ARGV[3]
place = { number = number, person = person, state = 'W', since = int(now) }
if intoLobby then
  redis.call('ZADD', key('lobby'), redis.call('HINCRBY', key('line'), 'lobbySerial', 1), entry)
else
  redis.call('ZADD', key('present'), number, entry)
end
redis.call('HSET', key('persons'), person, entry)
redis.call('HSET', key('attached'), entry, '@' .. int(clock + presenceMs))
redis.call('HSET', key('places'), entry, int(number) .. '|' .. person .. '|W|' .. int(now))
audit('join', entry, int(number))
return describePlace(entry, place)
