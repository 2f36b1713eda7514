-- wrk script: small requests over kept-alive connections, either GET of one path or PUT of one body
-- under a new key each time. Set by small.py in the environment; prints one line of JSON at the end.

local method = os.getenv("BENCH_METHOD")
local path = os.getenv("BENCH_PATH")
local headers = {}
local token = os.getenv("BENCH_TOKEN")
if token and token ~= "" then
  headers["Authorization"] = "Bearer " .. token
end

local body, prepared
local number = 0

function init()
  if method == "GET" then
    prepared = wrk.format("GET", path, headers)
    return
  end
  local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
  body = file:read("*a")
  file:close()
  headers["Content-Type"] = "image/jpeg"
end

function request()
  if prepared then
    return prepared
  end
  number = number + 1
  return wrk.format("PUT", path .. number .. ".jpg", headers, body)
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
