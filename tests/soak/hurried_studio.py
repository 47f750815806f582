"""A worker with a stub band, in a hurry: `python hurried_studio.py SECONDS`."""

import os
import sys

from stub_studio import stub_service

from model.errors import NeedsOperator
from soak.pace import hurry_services

if __name__ == "__main__":
    hurry_services()
    try:
        stub_service(os.environ["REDIS_URL"], os.environ["LNH_STORE"], float(sys.argv[1])).run()
    except NeedsOperator as error:
        sys.exit(f"lnh: {error}")
