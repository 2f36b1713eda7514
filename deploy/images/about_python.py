"""Print a description of the Python that runs this script, in JSON.

The description contains the variables of a condition in a lock file (PEP 508, environment markers).
The Python of an image or of another root runs this script, and wheels.py reads the description.
"""

import json
import os
import platform
import sys

print(
    json.dumps(
        {
            "implementation_name": sys.implementation.name,
            "implementation_version": platform.python_version(),
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": platform.python_version(),
            "python_version": f"{sys.version_info[0]}.{sys.version_info[1]}",
            "sys_platform": sys.platform,
        }
    )
)
