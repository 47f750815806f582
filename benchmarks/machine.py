"""Where and when something was measured."""

import os
import platform
import re
from datetime import date
from pathlib import Path


def machine() -> str:
    """Date, processor, cores, load of the last minute, Python."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return (
        f"{date.today()}, {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} at the end; Python {platform.python_version()}"
    )
