"""A worker with a stub band, in a hurry; the argument says how many seconds a song takes."""

import os
import sys

from stub_studio import stub_service

from model.errors import NeedsOperator
from soak.pace import hurry_services


def main() -> None:
    hurry_services()
    try:
        stub_service(os.environ["REDIS_URL"], os.environ["LNH_STORE"], float(sys.argv[1])).run()
    except NeedsOperator as error:
        sys.exit(f"lnh: {error}")
