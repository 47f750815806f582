"""Where and when something was measured."""

import os
import platform
import re
from datetime import date
from pathlib import Path

VECTORS = {"amx_tile": "AMX", "avx512_vnni": "AVX-512 VNNI", "avx512f": "AVX-512", "avx2": "AVX2"}  # the best first


def machine() -> str:
    """Date, processor and its vector instructions, cores, load of the last minute, Python."""
    about = dict(re.findall(r"(.+?)\s*: (.*)", Path("/proc/cpuinfo").read_text()))
    flags = about.get("flags", "").split()
    vectors = next((name for flag, name in VECTORS.items() if flag in flags), "no AVX2")
    return (
        f"{date.today()}, {about.get('model name', platform.machine())} with {vectors}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} at the end; Python {platform.python_version()}"
    )
