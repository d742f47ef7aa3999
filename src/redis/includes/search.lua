-- Inside `searchFurther`: what is left to do when no block was found, or other places are asked for.
-- Keeps a block out of what is searched next, without taking it.
local function promise(run, letter, seats)
  local from = seats[1] - run.start
  run.text = string.sub(run.text, 1, from) .. string.rep('h', #seats) .. string.sub(run.text, from + #seats + 1)
  local code = fitCode(run.text, letter)
  for _, list in ipairs({ { fitsKey(letter, run.category), run.at }, { fitsKey(letter, run.category, run.section), run.atSection } }) do
    local text = fitsOf[list[1]]
    if text then fitsOf[list[1]] = string.sub(text, 1, list[2]) .. code .. string.sub(text, list[2] + 2) end
  end
end

-- The longest block there is, up to 22.
local function longestBlock()
  local most = 0
  for letter in string.gmatch(letters, '.') do
    local text = fits(letter, category, section)
    local longest = 22
    while longest > most and not string.find(text, string.char(35 + 2 * longest), 1, true)
      and not string.find(text, string.char(36 + 2 * longest), 1, true) do longest = longest - 1 end
    most = longest
  end
  return most
end

local function splitBlock()
  local seats, most = {}, longestBlock()
  local size = math.min(quantity - 1, most)
  while #seats < quantity and size > 0 do
    size = math.min(size, quantity - #seats)
    local block, run, letter = findBlock(letters, category, section, size, most)
    if block then
      promise(run, letter, block)
      for _, seat in ipairs(block) do seats[#seats + 1] = seat end
    else
      size = size - 1
    end
  end
  fitsOf, runsAt = {}, {}
  return #seats == quantity and seats or nil
end

-- What is offered where no block is left: pairs of a kind and seats joined by commas.
local function splitOffers()
  local offers = {}
  local function offer(kind, seats)
    if not seats then return false end
    offers[#offers + 1] = kind
    offers[#offers + 1] = table.concat(seats, ',')
    return true
  end
  offer('SPLIT', splitBlock())
  if section then offer('OTHER_SECTION', (findBlock(letters, category, nil, quantity))) end
  local offered, looked, away = 0, 0, 1
  while offered < 2 and looked < 10 and away < categoryCount do
    for _, other in ipairs({ category + away, category - away }) do
      if offered < 2 and looked < 10 and other >= 0 and other < categoryCount then
        looked = looked + 1
        if offer('OTHER_CATEGORY', (findBlock(letters, other, nil, quantity))) then offered = offered + 1 end
      end
    end
    away = away + 1
  end
  return offers
end

local function standingAreas(inSection)
  local areas = redis.call('GET', key('standing:' .. category .. (inSection and ':' .. inSection or '')))
  return areas and cjson.decode(areas) or {}
end

local function freeStanding()
  local areas, free = standingAreas(nil), 0
  for i = 1, #areas, 2 do
    local _, here = string.gsub(redis.call('GETRANGE', key('status'), areas[i], areas[i] + areas[i + 1] - 1), '[' .. letters .. ']', '')
    free = free + here
  end
  return free
end

-- Free seats of the category, in these letters; in a section those of the first 20 runs that have any.
local function freePlaces()
  local free = 0
  if not section then
    for letter in string.gmatch(letters, '.') do
      local field = category .. ':' .. letter
      free = free + tonumber(redis.call('HGET', key('counts'), field) or 0) + (countChanges[field] or 0)
    end
    return free - freeStanding()
  end
  local at = 0
  for _ = 1, 20 do
    local following
    for letter in string.gmatch(letters, '.') do
      local found = string.find(fits(letter, category, section), '[^#]', at + 1)
      if found and (not following or found < following) then following = found end
    end
    if not following then break end
    at = following
    local _, here = string.gsub(runAt(category, section, at).text, '[' .. letters .. ']', '')
    free = free + here
  end
  return free
end

-- Neighbouring places of which exactly `accessible` are wheelchair places of the category: the first in the best stretch that has them.
local function findAccessible()
  local stretches = redis.call('GET', key('accessible:' .. category)) or ''
  local open = '[' .. letters .. ']'
  for at = 1, #stretches, 12 do
    local start, length, places, placeCount, ofSection = struct.unpack('>I3I2I3I2I2', stretches, at)
    if (not section or ofSection == section) and placeCount >= accessible and length >= quantity then
      local text = redis.call('GETRANGE', key('status'), start, start + length - 1)
      local from = places - start
      if string.find(string.sub(text, from + 1, from + placeCount), open) then
        for first = 0, length - quantity do
          local covered = math.min(first + quantity, from + placeCount) - math.max(first, from)
          if covered == accessible and not string.find(string.sub(text, first + 1, first + quantity), '[^' .. letters .. ']') then
            local seats = {}
            for i = 1, quantity do seats[i] = start + first + i - 1 end
            return seats
          end
        end
      end
    end
  end
end

-- The first free standing places of a category.
local function findStanding()
  local areas, seats = standingAreas(section), {}
  for letter in string.gmatch(letters, '.') do
    for i = 1, #areas, 2 do
      local text = redis.call('GETRANGE', key('status'), areas[i], areas[i] + areas[i + 1] - 1)
      local at = string.find(text, letter, 1, true)
      while at and #seats < quantity do
        seats[#seats + 1] = areas[i] + at - 1
        at = string.find(text, letter, at + 1, true)
      end
      if #seats == quantity then return seats end
    end
  end
  return #seats == quantity and seats or nil, #seats
end

local function search()
  local seats, free
  if kind == 'accessible' then seats = findAccessible()
  elseif kind == 'standing' then seats, free = findStanding() end
  if seats then return seats end
  if not free then free = freePlaces() end
  if free == 0 then return nil, { 'SOLD_OUT', int(now) } end
  return nil, { 'NO_BLOCK', int(now), int(free), unpack(kind == 'best' and splitOffers() or {}) }
end
