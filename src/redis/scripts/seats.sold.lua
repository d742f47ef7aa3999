--[[
The tickets are in the ledger: ISSUING to SOLD. Counts revenue, ends the admission of a buyer without other holds.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 orderId  4 person  5 `category:minor units` joined by commas  6 tombstoneMs  7 minutes kept
Result  OK, now | NOT_ISSUING, now | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
--@include line
local holdKey = key('hold:' .. ARGV[2])
local hold = readHold(ARGV[2])
if hold.orderId ~= ARGV[3] then return { 'NOT_ISSUING', int(now) } end
if hold.state == 'SOLD' then return { 'OK', int(now) } end
if hold.state ~= 'ISSUING' then return { 'NOT_ISSUING', int(now) } end
local seats, person = numbers(hold.seats), ARGV[4]
moveSeats(seats, 'i', 's')
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
-- Bought seats still count for the person, and whoever buys is forgiven what was held before.
countHold(person, #seats, tonumber(hold.heldAt), -1)
redis.call('HINCRBY', key('people'), person, #seats)
redis.call('HDEL', key('people'), person .. '|spent', person .. '|spentAt')
publishSeats()
if tonumber(redis.call('HGET', key('people'), person .. '|holds')) <= 0 then
  local entry = redis.call('HGET', key('persons'), person)
  local place = entry and readPlace(entry)
  if place and place.state == 'A' then
    endPlace(entry, place, 'C')
    publishLine(false)
  end
end
return { 'OK', int(now) }
