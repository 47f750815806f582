"""`lnh bot` on networks in folders, the first called mastodon, the second x: `python stub_bot.py NETWORK [NETWORK]`."""

import os
import sys
import time
from pathlib import Path

from fake_network import FakeNetwork

import worker.queue
from bot import gates
from bot.ledger import Ledger
from bot.service import Bot
from bot.settings import Settings
from model.errors import NeedsOperator
from worker.connection import connect
from worker.queue import Queues
from worker.store import Store


class GuardedNetwork(FakeNetwork):
    """Refuses our token at a method for as long as there is a file METHOD-refused."""

    def _fall_into_trouble(self, method: str) -> None:
        if (self.folder / f"{method}-refused").exists():
            raise NeedsOperator(f"{self.name}: the token is refused; make a new one")
        super()._fall_into_trouble(method)


if __name__ == "__main__":
    gates.RETRY_SECONDS = 1.0
    worker.queue.BACK_OFF_SECONDS = (0, 1)
    settings = Settings.from_environment(os.environ)
    networks = [
        GuardedNetwork(Path(folder), upload_seconds=0.3, name=name)
        for name, folder in zip(("mastodon", "x"), sys.argv[1:], strict=False)
    ]
    for network in networks:
        if (network.folder / "upload-hangs").exists():
            network.upload = lambda *_: time.sleep(3600)
    queues = Queues(connect(settings.studio.redis_url))
    try:
        Bot(networks, Ledger(settings.ledger), queues, Store(settings.studio.store_url), settings).run()
    except NeedsOperator as error:
        sys.exit(f"lnh: {error}")
