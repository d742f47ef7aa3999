--[[
The presence of everybody one process serves, and its own beat: ids seen since the last call, ids lost since then. Somebody lost here
who is served by another process by now stays present; another process that also serves somebody lost here hears of it.
KEYS  1 meta
ARGV  1 epoch  2 process id  3 absenceMs  4 processLeaseMs  5 how many were seen, then the ids seen, then the ids lost
Result  OK, now | WRONG_EPOCH
]]
--@include event
--@include line
redis.call('ZADD', key('processes'), int(now), ARGV[2])
redis.call('ZREMRANGEBYSCORE', key('processes'), '-inf', int(now - 100 * tonumber(ARGV[4])))
local seen = tonumber(ARGV[5])
for i = 6, 5 + seen do
  local place = readPlace(ARGV[i])
  if place then settlePlace(ARGV[i], place) end
  if place and place.state == 'W' then comeBack(ARGV[i], place, ARGV[2]) end
end
for i = 6 + seen, #ARGV do
  if redis.call('HGET', key('attached'), ARGV[i]) == ARGV[2] then
    redis.call('HDEL', key('attached'), ARGV[i])
    local number = redis.call('ZSCORE', key('present'), ARGV[i])
    if number then goAway(ARGV[i], number, tonumber(ARGV[3])) end
  end
end
publishLine(false)
return { 'OK', int(now) }
