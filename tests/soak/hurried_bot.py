"""The real `lnh bot`, in a hurry, on an X of ours, whose URL is the argument."""

import faulthandler
import signal
import sys
import time

from bot import __main__ as lnh
from bot import commands, gates, listener, service  # noqa: F401 - imported before it is born
from bot.platforms import base, mastodon, mastodon_client, x, x_client
from soak.pace import PACE, hurry_services

TIMEOUT_SECONDS = 2.0  # is not shortened as much: the machine may be busy
POLL_SECONDS = 0.3
SETTLED_SECONDS = 4.0


class Soon(base.TryLater):
    """What comes back sixty times sooner."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(seconds * PACE, reason)


def hurry_networks(x_url: str) -> None:
    mastodon.TryLater = mastodon_client.TryLater = x.TryLater = x_client.TryLater = Soon
    mastodon_client.REQUEST_TIMEOUT_S, x_client.TIMEOUTS_S = TIMEOUT_SECONDS, (TIMEOUT_SECONDS, TIMEOUT_SECONDS)
    mastodon.STREAM_SILENCE_S, listener.STREAM_AGAIN_SECONDS = 5.0, (PACE, 900 * PACE)
    listener.LONG_STREAM_SECONDS, gates.RETRY_SECONDS = 60 * PACE, 120 * PACE
    mastodon.SETTLED_SECONDS = x.SETTLED_SECONDS = SETTLED_SECONDS
    x.CLOCKS_DIFFER_SECONDS *= PACE
    mastodon.MastodonPlatform.poll_seconds = x.XPlatform.poll_seconds = POLL_SECONDS
    mastodon.connect = lambda url, token: mastodon.MastodonPlatform(url, token, sleep=sleep)
    x.connect = lambda *keys: x.XPlatform(x_client.XClient(*keys, base_url=x_url), sleep=sleep)


def sleep(seconds: float) -> None:
    time.sleep(seconds * PACE)


def main() -> None:
    faulthandler.register(signal.SIGUSR1)  # says in the log where each thread stands
    hurry_services()
    hurry_networks(sys.argv[1])
    sys.argv = ["lnh", "bot"]
    lnh.main()
