--[[
The line at one version, for a process that begins to mirror it.
KEYS  1 meta
ARGV  1 generation
Result  OK, now, version, phase, gone bitmap | WRONG_EPOCH
]]
--@include event
return { 'OK', int(now), redis.call('HGET', key('line'), 'version'), phase, redis.call('GET', key('gone')) or '' }
