--[[
An order that ends without tickets gives its seats back, exactly once: only a hold that is still this order's, in CHECKOUT or ISSUING.
KEYS  1 meta
ARGV  1 generation  2 holdId  3 orderId  4 tombstoneMs
Result  OK, now | NOTHING, now | WRONG_EPOCH
]]
--@include event
--@include seats
local hold = redis.call('HMGET', key('hold:' .. ARGV[2]), 'generation', 'state', 'orderId', 'owner', 'seats')
if hold[1] ~= generation or hold[3] ~= ARGV[3] or (hold[2] ~= 'CHECKOUT' and hold[2] ~= 'ISSUING') then return { 'NOTHING', int(now) } end
endHold(ARGV[2], 'RELEASED', hold[2] == 'ISSUING' and 'i' or 'h', hold[4], numbers(hold[5]), tonumber(ARGV[4]))
publishSeats()
return { 'OK', int(now) }
