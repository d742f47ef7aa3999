--[[
More numbers have been written down in the ledger as given, and may be given from here on.
KEYS  1 meta
ARGV  1 epoch  2 the last of them
Result  OK, now | WRONG_EPOCH
]]
--@include event
if tonumber(redis.call('HGET', key('line'), 'numbersTo')) < tonumber(ARGV[2]) then redis.call('HSET', key('line'), 'numbersTo', ARGV[2]) end
return { 'OK', int(now) }
