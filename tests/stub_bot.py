"""`lnh bot` on a network in a folder: `python stub_bot.py NETWORK`."""

import os
import sys
from pathlib import Path

from fake_network import FakeNetwork

import worker.queue
from bot.ledger import Ledger
from bot.service import Bot
from bot.settings import Settings
from model.errors import NeedsOperator
from worker.queue import Queues, connect
from worker.store import Store

if __name__ == "__main__":
    worker.queue.BACK_OFF_SECONDS = (0, 1)
    settings = Settings.from_environment(os.environ)
    network = FakeNetwork(Path(sys.argv[1]), upload_seconds=0.3)
    if (Path(sys.argv[1]) / "token-refused").exists():
        network.troubles["pages"] = [NeedsOperator("mastodon: the token is refused; make a new one")]
    queues = Queues(connect(settings.studio.redis_url))
    try:
        Bot([network], Ledger(settings.ledger), queues, Store(settings.studio.store_url), settings).run()
    except NeedsOperator as error:
        sys.exit(f"lnh: {error}")
