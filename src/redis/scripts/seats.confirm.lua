--[[
The order of a CHECKOUT hold is in the ledger: its seats stay until payBy and the grace after it.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 orderId  4 payBy ms  5 freeAt ms
Result  OK, now | LOST, now (the seats are no longer this order's) | WRONG_EPOCH
]]
--@include event
local hold = redis.call('HMGET', key('hold:' .. ARGV[2]), 'state', 'orderId')
if hold[2] ~= ARGV[3] then return { 'LOST', int(now) } end
if hold[1] == 'CHECKOUT' then
  redis.call('HSET', key('hold:' .. ARGV[2]), 'payBy', ARGV[4], 'freeAt', ARGV[5])
  redis.call('ZADD', key('payments'), ARGV[5], ARGV[2])
  return { 'OK', int(now) }
end
if hold[1] == 'ISSUING' or hold[1] == 'SOLD' then return { 'OK', int(now) } end
return { 'LOST', int(now) }
