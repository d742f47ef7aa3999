--[[
The ledger takes a sale back: SOLD to RETURNING. From here on the seats are no longer sold and not yet free; only the order's own next
step leaves it. Told by the seats themselves, because the hold of a sale is forgotten after a day.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 orderId  4 person  5 seat indexes  6 `category:minor units` joined by commas  7 price list
Result  OK, now | NOT_SOLD, now | WRONG_EPOCH
]]
--@include event
--@include seats
local seats, toMove = numbers(ARGV[5]), {}
for _, index in ipairs(seats) do
  local letter = redis.call('GETRANGE', key('status'), index, index)
  if redis.call('HGET', key('seats'), index) ~= ARGV[2] or (letter ~= 's' and letter ~= 'r') then return { 'NOT_SOLD', int(now) } end
  if letter == 's' then toMove[#toMove + 1] = index end
end
if #toMove == 0 then return { 'OK', int(now) } end
moveSeats(toMove, 's', 'r')
for category, minor in string.gmatch(ARGV[6], '(%d+):(%d+)') do redis.call('HINCRBY', key('counts'), category .. ':revenue', '-' .. minor) end
local holdKey = key('hold:' .. ARGV[2])
redis.call('HSET', holdKey, 'owner', ARGV[4], 'generation', generation, 'state', 'RETURNING', 'orderId', ARGV[3], 'seats', ARGV[5], 'prices', ARGV[7],
  'freeAt', int(now))
redis.call('HSETNX', holdKey, 'digest', '')
redis.call('HSETNX', holdKey, 'fence', '0')
redis.call('HSETNX', holdKey, 'createdAt', int(now))
redis.call('PERSIST', holdKey)
publishSeats()
return { 'OK', int(now) }
