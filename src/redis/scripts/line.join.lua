--[[
Gives a person one place. Joining again finds the place again; after a final state it gives a new one at the end. Like a poll it counts as
presence for a while.
KEYS  1 meta
ARGV  1 generation  2 person  3 entry id to use for a new place  4 presence of the call in ms  5 entries at most  6 processLeaseMs
Result  OK, now, entry, number, person, state, since, admission ends at or '', phase, line version | QUEUE_FULL | SALE_CLOSED | WRONG_EPOCH
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
    return describePlace(entry, place)
  end
end
publishLine(false)
if phase == 'CLOSED' then return { 'SALE_CLOSED', int(now) } end
local waiting = redis.call('ZCARD', key('present')) + redis.call('ZCARD', key('away')) + redis.call('ZCARD', key('lobby'))
-- Whoever the draw has numbered stays in its frozen list until all are.
if phase == 'DRAWING' then waiting = waiting - tonumber(redis.call('HGET', key('line'), 'drawn')) end
if waiting >= tonumber(ARGV[5]) then return { 'QUEUE_FULL', int(now) } end
if entry then redis.call('HDEL', key('places'), entry) end
entry = ARGV[3]
place = { number = 0, person = person, state = 'W', since = int(now) }
if phase == 'LOBBY' then
  redis.call('ZADD', key('lobby'), redis.call('HINCRBY', key('line'), 'lobbySerial', 1), entry)
else
  place.number = redis.call('HINCRBY', key('line'), 'next', 1)
  redis.call('ZADD', key('present'), place.number, entry)
end
redis.call('HSET', key('persons'), person, entry)
redis.call('HSET', key('attached'), entry, '@' .. int(now + presenceMs))
redis.call('HSET', key('places'), entry, int(place.number) .. '|' .. person .. '|W|' .. int(now))
audit('join', entry, int(place.number))
return describePlace(entry, place)
