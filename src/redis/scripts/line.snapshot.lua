--[[
The line at one version, for a process that begins to mirror it.
KEYS  1 meta
ARGV  1 generation
Result  OK, now, version, phase, last number given, gone bitmap | WRONG_EPOCH
]]
--@include event
local line = redis.call('HMGET', key('line'), 'version', 'next')
return { 'OK', int(now), line[1], phase, line[2], redis.call('GET', key('gone')) or '' }
