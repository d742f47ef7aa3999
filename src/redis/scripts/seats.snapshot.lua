--[[
The moving state of a hall at one version.
KEYS  1 meta
ARGV  1 generation
Result  OK, now, version, layoutVersion, status | WRONG_EPOCH
]]
--@include event
return { 'OK', int(now), int(version), layoutVersion, redis.call('GET', key('status')) }
