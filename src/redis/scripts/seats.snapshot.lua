--[[
The moving state of a hall at one version.
KEYS  1 meta
ARGV  1 epoch
Result  OK, now, version, layoutVersion, status, channels or '' (no seat is reserved) | WRONG_EPOCH
]]
--@include event
local isReserved = redis.call('HGET', KEYS[1], 'hasChannels') == '1'
return { 'OK', int(now), int(version), layoutVersion, redis.call('GET', key('status')), isReserved and redis.call('GET', key('channels')) or '' }
