--[[
The payment is authorised: CHECKOUT to ISSUING if the hold is still this order's, or the same seats again if they are free.
ISSUING has no expiry; only this order's own next step leaves it.
KEYS  1 meta
ARGV  1 generation  2 holdId  3 orderId  4 person  5 seat indexes  6 price list  7 tombstoneMs
Result  OK, now, fence | GONE, now | WRONG_EPOCH
]]
--@include event
--@include seats
--@include claim
local holdKey = key('hold:' .. ARGV[2])
local hold = redis.call('HMGET', holdKey, 'generation', 'state', 'orderId', 'fence')
local seats = numbers(ARGV[5])
if hold[1] == generation and hold[3] == ARGV[3] then
  if hold[2] == 'ISSUING' or hold[2] == 'SOLD' then return { 'OK', int(now), hold[4] } end
  if hold[2] == 'CHECKOUT' then
    for _, index in ipairs(seats) do moveSeat(index, 'h', 'i') end
    redis.call('HSET', holdKey, 'state', 'ISSUING')
    redis.call('PERSIST', holdKey)
    redis.call('ZREM', key('deadlines'), ARGV[2])
    publishSeats()
    return { 'OK', int(now), hold[4] }
  end
end
local taken, dead = judgeSeats(seats)
if #taken > 0 then return { 'GONE', int(now) } end
takeSeats(seats, ARGV[2], dead, 'i', tonumber(ARGV[7]))
redis.call('HSET', holdKey, 'owner', ARGV[4], 'generation', generation, 'fence', int(version + 1), 'state', 'ISSUING', 'orderId', ARGV[3],
  'seats', ARGV[5], 'prices', ARGV[6], 'createdAt', int(now), 'freeAt', int(now))
-- Without a digest the input is unknown, but the key is used all the same.
redis.call('HSETNX', holdKey, 'digest', '')
redis.call('PERSIST', holdKey)
redis.call('HINCRBY', key('people'), ARGV[4], #seats)
redis.call('HINCRBY', key('people'), ARGV[4] .. ':holds', 1)
publishSeats()
return { 'OK', int(now), int(version) }
