-- One request against all windows of one caller, on the clock of this server: all or nothing.
--
-- KEYS  general, generation and minute log; by how much their instants are ahead of the clock
-- ARGV  limits of minute, hour, day, generation-hour, generation-day (-1: none); 1 for a generation request;
--       1 for the platform face; 1 to look without counting
--
-- A log is a list of instants in milliseconds, the newest first. Answers: 0 when admitted, else the number of the window
-- that stays full longest; the clock; the newest instant before this; then rest and reset of each window, -1 for none.

local MINUTE, HOUR, DAY, KEPT = 60000, 3600000, 86400000, 131072
local windows = {
  { log = KEYS[3], length = MINUTE, concerns = ARGV[7] == '1' },
  { log = KEYS[1], length = HOUR, concerns = true },
  { log = KEYS[1], length = DAY, concerns = true },
  { log = KEYS[2], length = HOUR, concerns = ARGV[6] == '1' },
  { log = KEYS[2], length = DAY, concerns = ARGV[6] == '1' },
}
local is_look = ARGV[8] == '1'

local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ahead = tonumber(redis.call('GET', KEYS[4]) or '0')
local newest = tonumber(redis.call('LINDEX', KEYS[1], 0) or '0')
-- A clock that went back: no time has passed, until it goes on from there.
if newest > clock + ahead then ahead = newest - clock end
local now = clock + ahead

-- How many instants of a log lie after the horizon: the first that does not, by halving.
local function used(log, horizon)
  local low, high = 0, redis.call('LLEN', log)
  if high == 0 or tonumber(redis.call('LINDEX', log, -1)) > horizon then return high end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', log, middle)) > horizon then low = middle + 1 else high = middle end
  end
  return low
end

local refused, latest = 0, -1
for number, window in ipairs(windows) do
  local limit = tonumber(ARGV[number])
  if limit >= 0 then
    local count = used(window.log, now - window.length)
    local deciding = math.min(count, limit)
    window.limit = limit
    window.rest = math.max(0, limit - count)
    if deciding > 0 then
      window.reset = tonumber(redis.call('LINDEX', window.log, deciding - 1)) + window.length
    elseif limit == 0 then
      window.reset = now + window.length
    else
      window.reset = now
    end
    if window.concerns and window.rest == 0 and window.reset > latest then
      refused, latest = number, window.reset
    end
  end
end

-- Counts in one log, and lets go of two that are past, so that no request pays for a whole day.
local function push(log, length, most)
  for _ = 1, 2 do
    local oldest = redis.call('LINDEX', log, -1)
    if not oldest or tonumber(oldest) > now - length then break end
    redis.call('RPOP', log)
  end
  redis.call('LPUSH', log, string.format('%.0f', now))
  if redis.call('LLEN', log) > most then redis.call('LTRIM', log, 0, most - 1) end
  redis.call('PEXPIRE', log, length)
end

if refused == 0 and not is_look then
  local general = math.max(tonumber(ARGV[2]), tonumber(ARGV[3]))
  -- Without a limit by hour and day the newest alone is needed, for the clock.
  push(KEYS[1], DAY, general < 0 and 1 or math.max(general, KEPT))
  if ARGV[6] == '1' then push(KEYS[2], DAY, math.max(tonumber(ARGV[4]), tonumber(ARGV[5]), KEPT)) end
  if ARGV[7] == '1' then push(KEYS[3], MINUTE, math.max(tonumber(ARGV[1]), KEPT)) end
  if ahead ~= 0 then redis.call('SET', KEYS[4], string.format('%.0f', ahead), 'PX', DAY) end
  for _, window in ipairs(windows) do
    if window.limit and window.concerns then
      if window.rest == window.limit then window.reset = now + window.length end
      window.rest = window.rest - 1
    end
  end
end

local answer = { refused, clock, newest }
for _, window in ipairs(windows) do
  table.insert(answer, window.limit and window.rest or -1)
  table.insert(answer, window.limit and window.reset - ahead or -1)
end
return answer
