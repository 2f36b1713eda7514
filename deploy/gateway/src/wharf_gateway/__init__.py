"""The gateway: renders nginx's configuration, and is the first process of its container.

The native runner imports the modules that render, and stays in memory as long as Wharf runs. So
those modules import few other modules, and large modules such as `ssl` only where they need them.
"""
