--[[
One token bucket for all processes that call the payment provider: a second's worth of calls for the account and for each endpoint.
KEYS  1 quota hash
ARGV  1 endpoint  2 calls a second for the account (0: no bound)  3 calls a second for an endpoint (0: no bound)
Result  milliseconds to wait before asking again; 0: go
]]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function level(name, rate)
  local bucket = redis.call('HMGET', KEYS[1], name .. ':level', name .. ':at')
  -- Thousandths of a call; a bucket holds at most a fifth of a second, so that a burst stays below the provider's own bucket.
  local full = math.max(1000, rate * 200)
  return math.min(full, tonumber(bucket[1] or full) + math.max(0, now - tonumber(bucket[2] or now)) * rate)
end
local wait = 0
local buckets = { { 'account', tonumber(ARGV[2]) }, { ARGV[1], tonumber(ARGV[3]) } }
for _, bucket in ipairs(buckets) do
  if bucket[2] > 0 then
    bucket[3] = level(bucket[1], bucket[2])
    if bucket[3] < 1000 then wait = math.max(wait, math.ceil((1000 - bucket[3]) / bucket[2])) end
  end
end
if wait > 0 then return wait end
for _, bucket in ipairs(buckets) do
  if bucket[3] then
    redis.call('HSET', KEYS[1], bucket[1] .. ':level', string.format('%.0f', bucket[3] - 1000), bucket[1] .. ':at', string.format('%.0f', now))
  end
end
redis.call('PEXPIRE', KEYS[1], 60000)
return 0
