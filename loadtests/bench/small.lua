-- wrk script: small requests over kept-alive connections, either GET of one path or uploads of one
-- body under a new name each time, which stands in the path or in the body. Set by small.py in the
-- environment; prints one line of JSON at the end.

local method = os.getenv("BENCH_METHOD")
local path = os.getenv("BENCH_PATH")
local headers = {}
for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]*)") do
  headers[name] = value
end
local named = os.getenv("BENCH_NAMED")

local before, after, prepared
local number = 0

local function read(path)
  if path == "" then
    return ""
  end
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

function init()
  if method == "GET" then
    prepared = wrk.format("GET", path, headers)
    return
  end
  before, after = read(os.getenv("BENCH_BODY")), read(os.getenv("BENCH_BODY_AFTER"))
end

function request()
  if prepared then
    return prepared
  end
  number = number + 1
  if named == "body" then
    return wrk.format(method, path, headers, before .. number .. ".jpg" .. after)
  elseif named == "path" then
    return wrk.format(method, path .. number .. ".jpg", headers, before)
  end
  return wrk.format(method, path, headers, before)
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
