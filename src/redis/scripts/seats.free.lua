--[[
An order that ends without tickets gives its seats back, exactly once: only a hold that is still this order's, in CHECKOUT, ISSUING or
RETURNING.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 orderId  4 tombstoneMs
Result  OK, now | NOTHING, now | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
local id = ARGV[2]
local hold = readHold(id)
if hold.orderId ~= ARGV[3] then return { 'NOTHING', int(now) } end
-- Whatever state it is in, the order has given it up: no late step of that order takes it again.
redis.call('HSET', key('hold:' .. id), 'over', 1)
if hold.state == 'CHECKOUT' or hold.state == 'ISSUING' then
  endHold(id, hold, 'RELEASED', hold.state == 'ISSUING' and 'i' or 'h', clock, tonumber(ARGV[4]))
elseif hold.state == 'RETURNING' then
  local seats = numbers(hold.seats)
  vacate(seats, 'r')
  redis.call('HSET', key('hold:' .. id), 'state', 'RETURNED', 'endedAt', int(now))
  redis.call('PEXPIRE', key('hold:' .. id), ARGV[4])
  redis.call('HINCRBY', key('people'), hold.owner, -#seats)
else
  return { 'NOTHING', int(now) }
end
publishSeats()
return { 'OK', int(now) }
