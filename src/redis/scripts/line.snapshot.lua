--[[
The line at one version, for a process that begins to mirror it.
KEYS  1 meta
ARGV  1 epoch
Result  OK, now, version, phase, pace, uncounted: 1 | 0, gone bitmap | WRONG_EPOCH
]]
--@include event
local line = redis.call('HMGET', key('line'), 'version', 'pace')
return { 'OK', int(now), line[1], shownPhase(), line[2] or '', isUncounted() and 1 or 0, redis.call('GET', key('gone')) or '' }
