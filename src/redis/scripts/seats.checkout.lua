--[[
HELD to CHECKOUT. Until the order is confirmed as committed, the seats are free again from now + orphanMs. The purchase
itself checks the admission: a hold alone does not buy.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 person  4 fence  5 orderId  6 checkoutTtlMs  7 orphanMs  8 checkoutSlotMs
      9 the price list agreed on, or ''
Result  OK, now, fields | CODE, price list of the hold (it was made with a code: call again with what it is to cost) | NO_HOLD | NOT_YOURS | STALE_FENCE | EXPIRED | WRONG_STATE, state | NOT_ADMITTED | SALE_CLOSED | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
local hold, refusal = ownHold(ARGV[2], ARGV[3], ARGV[4])
if refusal then return refusal end
if hold.state == 'EXPIRED' then return { 'EXPIRED', int(now) } end
if hold.orderId == ARGV[5] and hold.state ~= 'RELEASED' then return describeHold(ARGV[2]) end
if hold.state ~= 'HELD' then return { 'WRONG_STATE', int(now), hold.state } end
if phase == 'CLOSED' then return { 'SALE_CLOSED', int(now) } end
local entry = admittedEntry(ARGV[3])
if waitingRoom ~= 'NEVER' and not entry then return { 'NOT_ADMITTED', int(now) } end
-- What was agreed on with the hold is what it costs. Before a code is redeemed, a use of it is counted in the ledger.
local agreed = ARGV[9] or ''
if agreed == '' then
  local prices = redis.call('HGET', key('hold:' .. ARGV[2]), 'prices')
  if prices and string.find(prices, '|code:', 1, true) then return { 'CODE', int(now), prices } end
else
  redis.call('HSET', key('hold:' .. ARGV[2]), 'prices', agreed)
end
local freeAt = now + tonumber(ARGV[7])
redis.call('HSET', key('hold:' .. ARGV[2]), 'state', 'CHECKOUT', 'orderId', ARGV[5], 'payBy', int(now + tonumber(ARGV[6])), 'freeAt', int(freeAt))
redis.call('ZREM', key('deadlines'), ARGV[2])
redis.call('ZADD', key('payments'), int(freeAt), ARGV[2])
if entry then
  if redis.call('SREM', key('undecided'), entry) == 1 then
    redis.call('HINCRBY', key('line'), 'decided', 1)
    redis.call('HINCRBY', key('line'), 'checkouts', 1)
  end
  -- A checkout keeps its slot for a bounded time only, so that slow payers cannot stop the line; another live hold may keep it longer.
  local slotEnds = int(clock + tonumber(ARGV[8]))
  if tonumber(redis.call('HGET', key('people'), ARGV[3] .. '|holds')) > 1 then
    redis.call('ZADD', key('admitted'), 'XX', 'GT', slotEnds, entry)
  else
    redis.call('ZADD', key('admitted'), 'XX', slotEnds, entry)
  end
end
publishHold(ARGV[2])
return describeHold(ARGV[2])
