"""`lnh play` with a stub band: `python stub_play.py POST OUT SECONDS`."""

import os
import sys
from pathlib import Path

from bot.play import play
from bot.settings import Settings

STUB = Path(__file__).with_name("stub_studio.py")

if __name__ == "__main__":
    environment = dict(os.environ)
    post, out, seconds = sys.argv[1:]
    work = [sys.executable, str(STUB), seconds]
    played = play(post, Path(out), sys.stdout, Settings.from_environment(environment), environment, work=work)
    sys.stdout.write(f"{played.state}\n")
