"""The port behind which every network stands."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Event
from typing import Protocol

from bot.counters import NETWORK_ERRORS
from bot.mention import Mention
from model.errors import NeedsOperator

FORBIDDEN_AGAIN_SECONDS = 900.0  # until what we were not let do is tried again
OUT_OF_SHAPE = (KeyError, IndexError, TypeError, ValueError, AttributeError)  # what reading a malformed answer ends in


class TryLater(Exception):
    """Time will mend it: a rate limit, a server in trouble, a time-out."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(f"{reason}; trying again in {seconds:.0f} s")
        self.seconds, self.reason = seconds, reason


class Closed(NeedsOperator):
    """One network refuses our token or our account; the others may go on."""

    def __init__(self, platform: str, reason: str) -> None:
        super().__init__(reason)
        self.platform = platform


class Gone(Exception):
    """The post to answer, or its author, is no longer there for us: deleted, blocked, restricted. Give up quietly."""


class Forbidden(Gone):
    """The network lets us do other things, but not this: an author lets nobody answer, a firewall dislikes a word."""


class Rejected(Exception):
    """The network will never take this media or this text; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some mentions, oldest first, and the bookmark that stands behind them."""

    mentions: tuple[Mention, ...]
    bookmark: str  # opaque; keep it once the mentions are committed


class Platform(Protocol):
    """What the band needs of a network.

    Every method may raise TryLater; NeedsOperator when the network refuses our token or our account. Other errors
    are named.
    """

    name: str
    media_type: str  # of the file that `upload` wants, as in worker.track: MP3 or MP4
    poll_seconds: float  # between two readings of `pages`
    home: str  # name of the server that knows our posts by their ids; "" where there is one alone
    says_line: bool  # whether a post may be answered with a word about a long line before it is answered

    def newest_bookmark(self) -> str:
        """Bookmark behind everything that is there now, for the first start."""
        ...

    def may_write(self) -> bool:
        """Whether we are known to be let write; False where only an answer will show.

        Raises:
            NeedsOperator: We are not.
        """
        ...

    def unheard(self) -> str:
        """Whose calls the settings of our account keep from us; "" where nobody's are known to be.

        Raises:
            NeedsOperator: What is asked in private is kept from us.
        """
        ...

    def pages(self, bookmark: str) -> Iterator[Page]:
        """Every mention after the bookmark, oldest first, page by page."""
        ...

    def stream(self, tell: Callable[[Mention], None], stop: Event) -> None:
        """Tell of mentions as they are made, some of them or all, whether or not `pages` gives them, too.

        Returns at once where there is no such thing; else when told to stop, which it may notice late.

        Raises:
            TryLater: The connection broke, or there is none to be had.
        """
        ...

    def still_there(self, mention: Mention) -> bool:
        """Whether the post can still be answered."""
        ...

    def count(self, text: str) -> int:
        """Length of a reply as the network counts it."""
        ...

    @property
    def max_length(self) -> int:
        """Longest reply that the network takes, in units of `count`."""
        ...

    def upload(self, media: Path, cover: Path, alt_text: str) -> str:
        """Put a track's file on the network and wait until it can be posted.

        Returns:
            Its media id.

        Raises:
            Rejected: The network does not take this file.
        """
        ...

    def reply(self, mention: Mention, text: str, media_id: str | None) -> str:
        """Answer a post with `@author text`, never wider than it; at most once for a mention's key.

        Looks for an answer of ours first where the network does not promise to drop a second one. A word about the
        line does not count; it is only said where the platform `says_line`.

        Returns:
            Id of our post.

        Raises:
            Gone: There is nobody to answer.
            Rejected: The network does not take this text.
        """
        ...

    def delete(self, reply_id: str) -> None:
        """Take a post of ours down; one that is gone already is as good.

        Raises:
            TryLater: Also when the network does not let us: it still stands.
        """
        ...


@contextlib.contextmanager
def asking(platform: Platform) -> Iterator[None]:
    """Within, errors are counted, and what only the operator can mend is the matter of this network alone."""
    try:
        yield
    except (TryLater, Gone, Rejected) as error:
        NETWORK_ERRORS.labels(platform.name, type(error).__name__).inc()
        raise
    except NeedsOperator as error:
        NETWORK_ERRORS.labels(platform.name, Closed.__name__).inc()
        raise Closed(platform.name, str(error)) from error


@contextlib.contextmanager
def taking_down() -> Iterator[None]:
    """Within, a post that is gone is as good as taken down; one that we are not let take down still stands."""
    try:
        yield
    except Forbidden as refusal:
        raise TryLater(FORBIDDEN_AGAIN_SECONDS, str(refusal)) from refusal
    except Gone:
        return


def seconds_to_wait(retry_after: str | None, otherwise: float) -> float:
    """What a Retry-After header asks for, as seconds or as an HTTP date; between a second and an hour.

    Source:
        RFC 9110, section 10.2.3.
    """
    seconds = otherwise
    if retry_after is not None:
        try:
            seconds = float(retry_after)
        except ValueError:
            with contextlib.suppress(ValueError):
                seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
    return min(max(seconds, 1.0), 3600.0) if math.isfinite(seconds) else otherwise
