"""What ffmpeg's own meters say about a finished file."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any


def probe(path: Path) -> dict[str, Any]:
    """Streams, format and tags of a file, by ffprobe."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def meter(path: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP of the first sound in a file."""
    filters = ["-map", "0:a:0", "-af", "ebur128=peak=true", "-f", "null", "-"]
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-i", path, *filters]
    report = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stderr
    summary = report[report.rindex("Summary:") :]
    loudness, peak = (re.search(pattern, summary) for pattern in (r"I:\s+(\S+) LUFS", r"Peak:\s+(\S+) dBFS"))
    assert loudness
    assert peak
    return float(loudness[1]), float(peak[1])
