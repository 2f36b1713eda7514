"""The collector: makes metrics of what nginx writes about requests, and of its `stub_status`.

nginx sees what no application sees: refusals of its own, links from its cache, bytes on the wire,
the time that clients had to wait. It writes a line about each request (`conf.d/logging.conf`),
gathered for a second; a thread of the mule reads these lines, and requests pay nothing for it.
"""
