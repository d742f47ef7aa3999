--[[
The payment is authorised: CHECKOUT to ISSUING if the hold is still this order's, or the same seats again if they are free, whatever
channel they are of. ISSUING has no expiry; only this order's own next step leaves it.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 orderId  4 person  5 seat indexes  6 price list  7 tombstoneMs  8 free letters
Result  OK, now, fence | GONE, now | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
--@include claim
local holdKey = key('hold:' .. ARGV[2])
local hold = readHold(ARGV[2])
local seats = numbers(ARGV[5])
if hold.orderId == ARGV[3] then
  if hold.state == 'ISSUING' or hold.state == 'SOLD' then return { 'OK', int(now), hold.fence } end
  if hold.state == 'CHECKOUT' then
    moveSeats(seats, 'h', 'i')
    redis.call('HSET', holdKey, 'state', 'ISSUING')
    redis.call('PERSIST', holdKey)
    redis.call('ZREM', key('payments'), ARGV[2])
    publishSeats()
    return { 'OK', int(now), hold.fence }
  end
end
-- An order that has given its seats back does not get them again, however late this step of it comes.
if hold.orderId == ARGV[3] and redis.call('HGET', holdKey, 'over') then return { 'GONE', int(now) } end
local taken, dead = judgeSeats(seats, ARGV[8])
if #taken > 0 then return { 'GONE', int(now) } end
takeSeats(seats, ARGV[2], dead, 'i', tonumber(ARGV[7]))
redis.call('HSET', holdKey, 'owner', ARGV[4], 'generation', generation, 'fence', int(version + 1), 'state', 'ISSUING', 'orderId', ARGV[3],
  'seats', ARGV[5], 'prices', ARGV[6], 'createdAt', int(now), 'heldAt', int(clock), 'freeAt', int(now))
-- Without a digest the input is unknown, but the key is used all the same.
redis.call('HSETNX', holdKey, 'digest', '')
redis.call('PERSIST', holdKey)
countHold(ARGV[4], #seats, clock, 1)
local entry = redis.call('HGET', key('persons'), ARGV[4])
if entry then redis.call('SREM', key('shopping'), entry) end
publishSeats()
return { 'OK', int(now), int(version) }
