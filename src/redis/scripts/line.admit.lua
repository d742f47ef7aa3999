--[[
Admits those whose turn it is: token bucket and cap by the clock of the sale, while something can be sold, and no more of those who look
for seats than there are seats for them. Any number of workers may call it at any moment. It also ends what is over: holds and checkouts,
admissions by time, absences by absenceMs, channels whose seats become everybody's.
KEYS  1 meta
ARGV  1 epoch  2 admissions at most  3 work bound  4 processLeaseMs  5 holds collected at most  6 tombstoneMs
      7 what the payment provider can serve, in thousandths of a checkout a second (0: no bound; below: nobody is let in)
      8 people looking for each free seat
Result  OK, now, admitted, waiting, phase | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include claim
--@include line
--@include admission
local batch, bound, leaseMs = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local force = false

if expireDue(tonumber(ARGV[5]), tonumber(ARGV[6])) < tonumber(ARGV[5]) then
  publishSeats()
  releaseDue(tonumber(ARGV[5]))
end
publishSeats()

for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key('admitted'), '-inf', int(clock), 'LIMIT', 0, bound)) do
  endPlace(entry, readPlace(entry), 'X')
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key('awayUntil'), '-inf', int(clock), 'LIMIT', 0, bound)) do
  endPlace(entry, readPlace(entry), 'E')
end

-- Sold out is final stock only: seats that are held, issuing or returning may still come to everybody. Those of a channel are not
-- everybody's before their time; then the sale opens again.
local left = 0
for letter in string.gmatch('.hir', '.') do left = left + tonumber(redis.call('HGET', key('counts'), '@.:' .. letter) or 0) end
local wanted = phase
if phase == 'OPEN' and left == 0 then wanted = 'SOLD_OUT' end
if phase == 'SOLD_OUT' and left > 0 then wanted = 'OPEN' end
if wanted ~= phase then
  phase = wanted
  redis.call('HSET', KEYS[1], 'phase', phase)
  force = true
end
if not recovering and redis.call('HGET', key('line'), 'recovering') == '1' then
  redis.call('HSET', key('line'), 'recovering', 0)
  force = true
end

if redis.call('HGET', key('line'), 'providerMilli') ~= ARGV[7] then redis.call('HSET', key('line'), 'providerMilli', ARGV[7]) end
local line = readAdmission()
if tonumber(line.decided) > 2000 then
  redis.call('HSET', key('line'), 'decided', int(math.floor(tonumber(line.decided) / 2)), 'checkouts',
    int(math.floor(tonumber(line.checkouts) / 2)))
end

local admitted = 0
local free = tonumber(redis.call('HGET', key('counts'), '@.:.') or 0)
if phase == 'OPEN' and free > 0 and not pausedAt and not recovering then
  local room = math.min(batch, math.floor(line.tokens / 1000000), line.cap - redis.call('ZCARD', key('admitted')),
    free * tonumber(ARGV[8]) - redis.call('SCARD', key('shopping')))
  local work = 0
  while admitted < room and work < bound do
    local next = redis.call('ZRANGE', key('present'), 0, 0, 'WITHSCORES')
    local entry, number = next[1], next[2]
    if not entry then break end
    work = work + 1
    if isAttached(entry, leaseMs) then
      redis.call('ZREM', key('present'), entry)
      admitPlace(entry, readPlace(entry), clock + line.admissionTtlMs, 'admit')
      admitted = admitted + 1
    else
      goAway(entry, number, line.absenceMs)
    end
  end
  spendTokens(line, admitted)
end

-- The pace of the line, measured once a second: admissions by the thousandth a second over a short and a long while, and how many of a
-- million of those who wait leave in a second.
local waiting = waitingCount()
local p = redis.call('HMGET', key('line'), 'paceAt', 'paceAdmits', 'paceLeft', 'pace', 'paceWaiting', 'admitCount', 'leftCount')
local elapsed = now - tonumber(p[1])
if elapsed >= 1000 then
  local admits, lefts = tonumber(p[6]), tonumber(p[7])
  local short, long, leave = string.match(p[4], '^(%d+),(%d+),(%d+)$')
  -- Where nobody waits, or nobody may come in, nothing is learnt.
  if short and tonumber(p[5]) > 0 and waiting > 0 and phase == 'OPEN' and not pausedAt and not recovering then
    local function blend(old, new, ms) return tonumber(old) + (1 - math.exp(-elapsed / ms)) * (new - tonumber(old)) end
    local measured = (admits - tonumber(p[2])) * 1000000 / elapsed
    short, long = blend(short, measured, 10000), blend(long, measured, 60000)
    leave = blend(leave, (lefts - tonumber(p[3])) * 1000000000 / elapsed / waiting, 30000)
  elseif waiting == 0 or not short then
    short, long, leave = line.rateMilli, line.rateMilli, 0
  end
  local function rounded(n) return int(math.floor(n + 0.5)) end
  local pace = rounded(short) .. ',' .. rounded(long) .. ',' .. rounded(leave)
  if pace ~= p[4] then force = true end
  redis.call('HSET', key('line'), 'paceAt', int(now), 'paceAdmits', admits, 'paceLeft', lefts, 'paceWaiting', waiting, 'pace', pace)
end
publishLine(force)
return { 'OK', int(now), int(admitted), int(waiting), shownPhase() }
