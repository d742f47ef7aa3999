--[[
Admits those whose turn it is: token bucket and cap by Redis time, while something can be sold. Any number of workers may call it at any
moment. It also ends what is over: admissions by time, absences by absenceMs.
KEYS  1 meta
ARGV  1 generation  2 admissions at most  3 work bound  4 processLeaseMs  5 holds collected at most  6 tombstoneMs
Result  OK, now, admitted, waiting, phase | WRONG_EPOCH
]]
--@include event
--@include seats
--@include line
local batch, bound, leaseMs = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local line = redis.call('HMGET', key('line'), 'rateMilli', 'burst', 'cap', 'tokens', 'tokensAt', 'admissionTtlMs', 'absenceMs')
local force = false

expireDue(tonumber(ARGV[5]), tonumber(ARGV[6]))
publishSeats()

for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key('admitted'), '-inf', int(now), 'LIMIT', 0, bound)) do
  endPlace(entry, readPlace(entry), 'X')
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key('awayUntil'), '-inf', int(now), 'LIMIT', 0, bound)) do
  endPlace(entry, readPlace(entry), 'E')
end

-- Sold out is final stock only: seats that are held, issuing or returning may still come back.
local stock = redis.call('HMGET', key('counts'), '*:.', '*:h', '*:i', '*:r')
local free = tonumber(stock[1] or 0)
local mayReturn = tonumber(stock[2] or 0) + tonumber(stock[3] or 0) + tonumber(stock[4] or 0)
local wanted = phase
if phase == 'OPEN' and free + mayReturn == 0 then wanted = 'SOLD_OUT' end
if phase == 'SOLD_OUT' and free + mayReturn > 0 then wanted = 'OPEN' end
if wanted ~= phase then
  phase = wanted
  redis.call('HSET', KEYS[1], 'phase', phase)
  force = true
end

local admitted = 0
if phase == 'OPEN' and free > 0 then
  local rateMilli, burst = tonumber(line[1]), tonumber(line[2])
  -- Tokens are counted in thousandths of a thousandth, so that slow rates do not lose their fractions.
  local tokens = math.min(burst * 1000000, tonumber(line[4]) + (now - tonumber(line[5])) * rateMilli)
  local active = redis.call('ZCARD', key('admitted'))
  local room = math.min(batch, math.floor(tokens / 1000000), tonumber(line[3]) - active)
  local work = 0
  while admitted < room and work < bound do
    local next = redis.call('ZRANGE', key('present'), 0, 0, 'WITHSCORES')
    local entry, number = next[1], next[2]
    if not entry then break end
    work = work + 1
    if isAttached(entry, leaseMs) then
      redis.call('ZREM', key('present'), entry)
      audit('admit', entry, number)
      redis.call('ZADD', key('admitted'), int(now + tonumber(line[6])), entry)
      writePlace(entry, readPlace(entry), 'A')
      markGone(tonumber(number))
      admitted = admitted + 1
    else
      goAway(entry, number, tonumber(line[7]))
    end
  end
  redis.call('HSET', key('line'), 'tokens', int(tokens - admitted * 1000000), 'tokensAt', int(now))
end
publishLine(force)
return { 'OK', int(now), int(admitted), int(redis.call('ZCARD', key('present')) + redis.call('ZCARD', key('away'))), phase }
