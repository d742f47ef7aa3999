-- Changes of seats. A script moves seats with `moveSeats` and ends with `publishSeats`, which gives all of them one version and tells the
-- watchers. A free seat carries the letter of its channel: '.' everybody's, 'A' wheelchair places and companions', 'B' to 'Z' the
-- organizer's, 'x' nobody's. A seat in ISSUING shows as `h` in the status string and is counted as `i`.
local changed, changedLetters, countChanges, touchedRuns, castOff = {}, {}, {}, {}, {}

local function numbers(text)
  local list = {}
  for part in string.gmatch(text, '[^,]+') do list[#list + 1] = tonumber(part) end
  return list
end

local function addCount(field, by) countChanges[field] = (countChanges[field] or 0) + by end

local function countMove(scope, from, to)
  addCount(scope .. from, -1)
  addCount(scope .. to, 1)
end

local function noteLetter(index, letter)
  if not changedLetters[index] then changed[#changed + 1] = index end
  changedLetters[index] = letter
end

local function touchRuns(first, last)
  local runs = redis.call('GETRANGE', key('runOf'), first * 3, last * 3 + 2)
  for at = 1, #runs, 3 do
    local run = string.sub(runs, at, at + 2)
    if run ~= '\255\255\255' then touchedRuns[run] = true end
  end
end

-- The seats from the first to the last index of a list that follow one another.
local function moveNeighbours(first, last, from, to)
  local categories = redis.call('GETRANGE', key('categories'), first, last)
  local channels = redis.call('GETRANGE', key('channels'), first, last)
  if from == '.' or to == '.' then touchRuns(first, last) end
  local letters = {}
  for at = 1, last - first + 1 do
    local channel = string.sub(channels, at, at)
    local before, after = from == '.' and channel or from, to == '.' and channel or to
    countMove(string.byte(categories, at) - 33 .. ':', before, after)
    countMove('*:', before, after)
    countMove('@' .. channel .. ':', before, after)
    -- From held to issuing the letter stays, but whoever follows the hold listens to its seats.
    letters[at] = after == 'i' and 'h' or after
    noteLetter(first + at - 1, letters[at])
  end
  redis.call('SETRANGE', key('status'), first, table.concat(letters))
end

-- `from` and `to` are letters as they are counted; '.' stands for free, whatever the channel of a seat.
local function moveSeats(list, from, to)
  local first = 1
  for at = 1, #list do
    if list[at + 1] ~= list[at] + 1 then
      moveNeighbours(list[first], list[at], from, to)
      first = at + 1
    end
  end
end

-- The record of a run: first seat, seats, category, places of it in the lists of the category and of the section, section, focus.
local function readRun(run)
  local start, length, category, at, section, atSection, focus = struct.unpack('>I3I2BI3I2I3I2', redis.call('GETRANGE', key('runs'), run * 16, run * 16 + 15))
  return { start = start, length = length, category = category, at = at, section = section, atSection = atSection, focus = focus }
end

-- One character for the longest block of a letter, up to 22, and whether another one is shorter by one: see fitCode in domain/best-available.ts.
local function fitCode(text, letter)
  local longest, lengths = 0, {}
  for block in string.gmatch(text, (letter == '.' and '%.' or letter) .. '+') do
    local length = #block
    lengths[length] = true
    if length > longest then longest = length end
  end
  return string.char(35 + 2 * math.min(longest, 22) + (longest > 1 and lengths[longest - 1] and 1 or 0))
end

local function fitsKey(letter, category, section)
  return key('fits:' .. letter .. ':' .. category .. (section and ':' .. section or ''))
end

local function refitRun(run, letter, text)
  local code = fitCode(text, letter)
  redis.call('SETRANGE', fitsKey(letter, run.category), run.at, code)
  redis.call('SETRANGE', fitsKey(letter, run.category, run.section), run.atSection, code)
end

-- Brings the tables of best-available up to date with the runs in which a seat became free or taken.
local function refit()
  for packed in pairs(touchedRuns) do
    local run = readRun(struct.unpack('>I3', packed))
    local text = redis.call('GETRANGE', key('status'), run.start, run.start + run.length - 1)
    refitRun(run, '.', text)
    if reserved ~= '' then
      local channels = redis.call('GETRANGE', key('channels'), run.start, run.start + run.length - 1)
      for letter in string.gmatch(reserved, '.') do
        if castOff[letter] or string.find(channels, letter, 1, true) then refitRun(run, letter, text) end
      end
    end
  end
  touchedRuns, castOff = {}, {}
end

-- Writes the tables and counts and, when a visible state or a count changed, one new version with its delta. `recast`: the seats have
-- moved to this channel. `holdId`: whose watchers are to look again although its own seats may not be among those that moved.
local function publishSeats(recast, holdId)
  refit()
  local fields = {}
  for field, by in pairs(countChanges) do if by ~= 0 then fields[#fields + 1] = field end end
  if #changed == 0 and #fields == 0 then return end
  if #fields > 0 then
    local counts, values = redis.call('HMGET', key('counts'), unpack(fields)), {}
    for i, field in ipairs(fields) do values[2 * i - 1], values[2 * i] = field, int(tonumber(counts[i] or 0) + countChanges[field]) end
    redis.call('HSET', key('counts'), unpack(values))
  end
  countChanges = {}
  redis.call('HSET', KEYS[1], 'version', int(version + 1))
  local letters = {}
  for i, index in ipairs(changed) do letters[i] = changedLetters[index] end
  redis.call('PUBLISH', shared .. 'seat-changes', '{"g":' .. generation .. ',"v":' .. int(version + 1) .. ',"f":' .. int(version)
    .. ',"l":' .. layoutVersion .. ',"i":"' .. table.concat(changed, ',') .. '","s":"' .. table.concat(letters) .. '"'
    .. (recast and ',"c":"' .. recast .. '"' or '') .. (holdId and ',"h":"' .. holdId .. '"' or '') .. '}')
  version = version + 1
  changed, changedLetters = {}, {}
end
