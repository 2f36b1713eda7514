"""The collector: makes metrics from nginx's log lines and from its `stub_status`.

Only nginx knows its own refusals, the links that it serves from its cache, the bytes on the wire,
and how long clients wait. nginx writes one line for each request (`conf.d/logging.conf`) and
buffers the lines for a second. A thread of the mule reads the lines, so requests are not slower.
"""
