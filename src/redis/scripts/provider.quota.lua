--[[
One token bucket for all processes that call the payment provider: a rate for the account and one for each endpoint. The account's bucket keeps
an order of precedence: each kind of call leaves a part of it alone for those before it. So who waits for a call waits because less is there
than whoever comes after it may take, and loses none to them.
KEYS  1 quota hash
ARGV  1 endpoint  2 calls a second for the account (0: no bound)  3 calls a second for an endpoint (0: no bound)
      4 precedence of the call, 0 first  5 the last precedence
Result  milliseconds to wait before asking again; 0: go
]]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
-- Thousandths of a call; a bucket holds a fifth of a second, so that a burst stays below the provider's own bucket.
local function level(name, rate, full)
  local bucket = redis.call('HMGET', KEYS[1], name .. ':level', name .. ':at')
  return math.min(full, tonumber(bucket[1] or full) + math.max(0, now - tonumber(bucket[2] or now)) * rate)
end
local accountRate, endpointRate = tonumber(ARGV[2]), tonumber(ARGV[3])
local accountFull = math.max(2000, accountRate * 200)
local kept = math.floor((accountFull - 1000) * tonumber(ARGV[4]) / tonumber(ARGV[5]))
local buckets = {
  { name = 'account', rate = accountRate, full = accountFull, needs = 1000 + kept },
  { name = ARGV[1], rate = endpointRate, full = math.max(1000, endpointRate * 200), needs = 1000 },
}
local wait = 0
for _, bucket in ipairs(buckets) do
  wait = math.max(wait, tonumber(redis.call('HGET', KEYS[1], bucket.name .. ':held') or 0) - now)
  if bucket.rate > 0 then
    bucket.level = level(bucket.name, bucket.rate, bucket.full)
    if bucket.level < bucket.needs then wait = math.max(wait, math.ceil((bucket.needs - bucket.level) / bucket.rate)) end
  end
end
if wait > 0 then return wait end
for _, bucket in ipairs(buckets) do
  if bucket.level then
    redis.call('HSET', KEYS[1], bucket.name .. ':level', string.format('%.0f', bucket.level - 1000), bucket.name .. ':at', string.format('%.0f', now))
  end
end
redis.call('PEXPIRE', KEYS[1], 120000)
return 0
