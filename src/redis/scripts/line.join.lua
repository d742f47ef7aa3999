--[[
Gives a person one place. Joining again finds the place again; after a final state it gives a new one at the end.
KEYS  1 meta
ARGV  1 generation  2 person  3 entry id to use for a new place  4 where: process id, or a poll's presence in ms written as `@ms`  5 entries at most
Result  OK, now, entry, number, person, state, since, admission ends at or '', phase | QUEUE_FULL | SALE_CLOSED | WRONG_EPOCH
]]
--@include event
--@include line
local person, where = ARGV[2], ARGV[4]
if string.sub(where, 1, 1) == '@' then where = '@' .. int(now + tonumber(string.sub(where, 2))) end
local entry = redis.call('HGET', key('persons'), person)
if entry then
  local place = readPlace(entry)
  if place and (place.state == 'W' or place.state == 'A') then
    if not isAttached(entry, math.huge) then comeBack(entry, place, where) end
    publishLine(false)
    return describePlace(entry, place)
  end
end
if phase == 'CLOSED' then return { 'SALE_CLOSED', int(now) } end
local waiting = redis.call('ZCARD', key('present')) + redis.call('ZCARD', key('away')) + redis.call('ZCARD', key('lobby'))
if waiting >= tonumber(ARGV[5]) then return { 'QUEUE_FULL', int(now) } end
if entry then redis.call('HDEL', key('places'), entry) end
entry = ARGV[3]
local place = { number = 0, person = person, state = 'W', since = int(now) }
if phase == 'LOBBY' then
  redis.call('ZADD', key('lobby'), redis.call('HINCRBY', key('line'), 'lobbySerial', 1), entry)
else
  place.number = redis.call('HINCRBY', key('line'), 'next', 1)
  redis.call('ZADD', key('present'), place.number, entry)
end
redis.call('HSET', key('persons'), person, entry)
redis.call('HSET', key('attached'), entry, where)
redis.call('HSET', key('places'), entry, place.number .. '|' .. person .. '|W|' .. int(now))
audit('join', entry, place.number)
return describePlace(entry, place)
