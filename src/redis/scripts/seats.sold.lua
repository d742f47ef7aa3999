--[[
The tickets are in the ledger: ISSUING to SOLD. Counts revenue, ends the admission of a buyer without other holds.
KEYS  1 meta
ARGV  1 generation  2 holdId  3 orderId  4 person  5 `category:minor units` joined by commas  6 tombstoneMs  7 minutes kept
Result  OK, now | NOT_ISSUING, now | WRONG_EPOCH
]]
--@include event
--@include seats
--@include line
local holdKey = key('hold:' .. ARGV[2])
local hold = redis.call('HMGET', holdKey, 'generation', 'state', 'orderId', 'seats')
if hold[1] ~= generation or hold[3] ~= ARGV[3] then return { 'NOT_ISSUING', int(now) } end
if hold[2] == 'SOLD' then return { 'OK', int(now) } end
if hold[2] ~= 'ISSUING' then return { 'NOT_ISSUING', int(now) } end
local seats = numbers(hold[4])
for _, index in ipairs(seats) do moveSeat(index, 'i', 's') end
redis.call('HSET', holdKey, 'state', 'SOLD', 'endedAt', int(now))
redis.call('PEXPIRE', holdKey, ARGV[6])
local revenue = 0
for category, minor in string.gmatch(ARGV[5], '(%d+):(%d+)') do
  redis.call('HINCRBY', key('counts'), category .. ':revenue', minor)
  revenue = revenue + tonumber(minor)
end
local minute = math.floor(now / 60000)
redis.call('HINCRBY', key('minutes'), int(minute) .. ':sold', #seats)
redis.call('HINCRBY', key('minutes'), int(minute) .. ':revenue', int(revenue))
if redis.call('HLEN', key('minutes')) > 4 * tonumber(ARGV[7]) then
  for _, field in ipairs(redis.call('HKEYS', key('minutes'))) do
    if tonumber(string.match(field, '^%d+')) <= minute - tonumber(ARGV[7]) then redis.call('HDEL', key('minutes'), field) end
  end
end
publishSeats()
if redis.call('HINCRBY', key('people'), ARGV[4] .. ':holds', -1) <= 0 then
  local entry = redis.call('HGET', key('persons'), ARGV[4])
  local place = entry and readPlace(entry)
  if place and place.state == 'A' then
    endPlace(entry, place, 'C')
    publishLine(false)
  end
end
return { 'OK', int(now) }
