-- wrk script: GET of files of many tenants in turn, or PUT of new files beside them. Set by
-- http_layer.py in the environment; prints one line of JSON at the end.

local method = os.getenv("SCALE_METHOD")
local run = os.getenv("SCALE_RUN")
local targets, prepared = {}, {}
local body
local number = 0

function init()
  if method == "PUT" then
    local file = assert(io.open(os.getenv("SCALE_BODY"), "rb"))
    body = file:read("*a")
    file:close()
  end
  for line in io.lines(os.getenv("SCALE_TARGETS")) do
    local target, token = line:match("^(%S+)\t(%S+)$")
    local headers = { Authorization = "Bearer " .. token }
    targets[#targets + 1] = { target, headers }
    prepared[#prepared + 1] = wrk.format("GET", target, headers)
  end
end

function request()
  number = number + 1
  local at = number % #targets + 1
  if method == "GET" then
    return prepared[at]
  end
  return wrk.format("PUT", targets[at][1] .. "~" .. run .. number, targets[at][2], body)
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d}',
    summary.requests, summary.duration,
    e.status, e.connect + e.read + e.write + e.timeout))
end
