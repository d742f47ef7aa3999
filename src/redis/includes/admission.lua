-- Who may come in: a token bucket by the clock of the sale, under the organizer's rate and what the payment provider can serve.

-- How many of those who decide go to checkout: 1 until enough have decided.
local function checkoutShare(line)
  return (tonumber(line.checkouts) + 20) / (tonumber(line.decided) + 20)
end

local function readAdmission()
  local f = redis.call('HMGET', key('line'), 'rateMilli', 'burst', 'cap', 'tokens', 'tokensAt', 'admissionTtlMs', 'absenceMs', 'providerMilli',
    'checkouts', 'decided')
  local line = { burst = tonumber(f[2]), cap = tonumber(f[3]), admissionTtlMs = tonumber(f[6]), absenceMs = tonumber(f[7]), checkouts = f[9],
    decided = f[10] }
  line.rateMilli = tonumber(f[1])
  if tonumber(f[8]) > 0 then
    line.rateMilli = math.min(line.rateMilli, math.floor(tonumber(f[8]) / checkoutShare(line)))
    -- Those who come in at once come to the provider at once: of its rate, too, no more than a second is saved up.
    line.burst = math.min(line.burst, math.max(1, math.ceil(line.rateMilli / 1000)))
  end
  -- Tokens are counted in thousandths of a thousandth, so that slow rates do not lose their fractions.
  line.tokens = math.min(line.burst * 1000000, tonumber(f[4]) + (clock - tonumber(f[5])) * line.rateMilli)
  -- Nobody could pay now: nobody is let in, and nothing is saved up meanwhile.
  if tonumber(f[8]) < 0 then line.rateMilli, line.tokens = 0, math.min(0, line.tokens) end
  return line
end

local function spendTokens(line, count)
  redis.call('HSET', key('line'), 'tokens', int(line.tokens - count * 1000000), 'tokensAt', int(clock))
end

-- `kind`: admit from the head of the line, walk from outside it, back after Redis was lost.
local function admitPlace(entry, place, endsAt, kind)
  audit(kind, entry, int(place.number))
  endsAt = math.max(endsAt, tonumber(redis.call('HGET', key('people'), place.person .. '|until') or 0))
  redis.call('ZADD', key('admitted'), int(endsAt), entry)
  if tonumber(redis.call('HGET', key('people'), place.person .. '|holds') or 0) <= 0 then redis.call('SADD', key('shopping'), entry) end
  redis.call('SADD', key('undecided'), entry)
  writePlace(entry, place, 'A')
  markGone(place.number)
  redis.call('HINCRBY', key('line'), 'admitCount', 1)
end
