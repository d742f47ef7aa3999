--[[
The payment provider has said that it is too much: nobody calls for a while, at one endpoint or at all. A longer while that was asked for before
stays.
KEYS  1 quota hash
ARGV  1 endpoint, or account  2 milliseconds (0: only look)
Result  milliseconds for which nobody may call there
]]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function held(name) return tonumber(redis.call('HGET', KEYS[1], name .. ':held') or 0) end
local untilMs = now + tonumber(ARGV[2])
if tonumber(ARGV[2]) > 0 and untilMs > held(ARGV[1]) then
  redis.call('HSET', KEYS[1], ARGV[1] .. ':held', string.format('%.0f', untilMs))
  redis.call('PEXPIRE', KEYS[1], 120000)
end
return math.max(0, held('account') - now, held(ARGV[1]) - now)
