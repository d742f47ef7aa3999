--[[
The ledger takes seats of a sale back: SOLD to RETURNING, under a hold of their own. From here on they are no longer sold and not yet free; only
the order's own next step leaves it. Told by the seats themselves, because the hold of a sale is forgotten after a day.
KEYS  1 meta
ARGV  1 epoch  2 holdId of the sale  3 orderId  4 person  5 seat indexes  6 `category:minor units` joined by commas  7 price list
      8 holdId under which they go back
Result  OK, now | NOT_SOLD, now | WRONG_EPOCH
]]
--@include event
--@include seats
local seats, toMove, back = numbers(ARGV[5]), {}, ARGV[8]
for _, index in ipairs(seats) do
  local letter = redis.call('GETRANGE', key('status'), index, index)
  local holder = redis.call('HGET', key('seats'), index)
  if (holder ~= ARGV[2] and holder ~= back) or (letter ~= 's' and letter ~= 'r') then return { 'NOT_SOLD', int(now) } end
  if letter == 's' then toMove[#toMove + 1] = index end
end
if #toMove == 0 then return { 'OK', int(now) } end
moveSeats(toMove, 's', 'r')
if back ~= ARGV[2] then
  local going, kept = {}, {}
  for _, index in ipairs(seats) do
    going[index] = true
    redis.call('HSET', key('seats'), index, back)
  end
  local sale = key('hold:' .. ARGV[2])
  for _, index in ipairs(numbers(redis.call('HGET', sale, 'seats') or '')) do if not going[index] then kept[#kept + 1] = int(index) end end
  if redis.call('EXISTS', sale) == 1 then
    redis.call('HSET', sale, 'seats', table.concat(kept, ','))
    if #kept == 0 then redis.call('HSET', sale, 'state', 'RETURNED', 'over', 1) end
  end
end
for category, minor in string.gmatch(ARGV[6], '(%d+):(%d+)') do redis.call('HINCRBY', key('counts'), category .. ':revenue', '-' .. minor) end
local holdKey = key('hold:' .. back)
redis.call('HSET', holdKey, 'owner', ARGV[4], 'generation', generation, 'state', 'RETURNING', 'orderId', ARGV[3], 'seats', ARGV[5], 'prices', ARGV[7],
  'freeAt', int(now))
redis.call('HSETNX', holdKey, 'digest', '')
redis.call('HSETNX', holdKey, 'fence', '0')
redis.call('HSETNX', holdKey, 'createdAt', int(now))
redis.call('PERSIST', holdKey)
publishSeats()
return { 'OK', int(now) }
