--[[
Extends a hold by its owner, never beyond the bound set when it was made. A key that has extended it before
answers the present state and extends no more.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 person  4 fence  5 extensionMs  6 digest of (key, input)
Result  OK, now, fields | NO_HOLD | NOT_YOURS | STALE_FENCE | EXPIRED | WRONG_STATE, state | LIMIT, extensionsEndAt | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
local hold, refusal = ownHold(ARGV[2], ARGV[3], ARGV[4])
if refusal then return refusal end
if hold.state == 'EXPIRED' then return { 'EXPIRED', int(now) } end
if hold.state ~= 'HELD' then return { 'WRONG_STATE', int(now), hold.state } end
local holdKey = key('hold:' .. ARGV[2])
local more = redis.call('HMGET', holdKey, 'extensionsEndAt', 'extensions')
local extensions = more[2] or ''
if string.find(extensions, ARGV[6], 1, true) then return describeHold(ARGV[2]) end
local target = math.min(clock + tonumber(ARGV[5]), tonumber(more[1]))
if target <= hold.freeAt then
  if hold.freeAt >= tonumber(more[1]) then return { 'LIMIT', int(now), int(tonumber(more[1]) + now - clock) } end
  target = hold.freeAt
end
-- Only the newest digests are kept: a retry that is older than so many later extensions is a new one.
extensions = string.sub(extensions .. ',' .. ARGV[6], -512)
redis.call('HSET', holdKey, 'expiresAt', int(target), 'freeAt', int(target), 'extensions', extensions)
redis.call('ZADD', key('deadlines'), int(target), ARGV[2])
keepAdmitted(ARGV[3], admittedEntry(ARGV[3]), target, tonumber(redis.call('HGET', key('people'), ARGV[3] .. '|until') or 0))
publishHold(ARGV[2])
return describeHold(ARGV[2])
