"""The listener of one platform: from mentions to the ledger, and from the ledger to the queues."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from threading import Event, Thread

from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError

from bot import phrases
from bot.gates import Gates
from bot.ledger import Ledger
from bot.manners import LONG_LINE, USUAL, Manners
from bot.mention import Mention
from bot.platforms.base import Closed, Gone, Page, Platform, Rejected, TryLater, asking
from bot.post import Post
from bot.reception import SEEN_BY_MANY, Reception
from model.errors import NeedsOperator
from model.genre import Genre
from model.request import KEY_PATTERN, ComposeRequest
from worker.logs import about
from worker.queue import JobState, Queues, compose_id, deliver_id, key_of, open_queue

log = logging.getLogger(__name__)

PUT_BACK_SECONDS = 5.0  # between two comparisons of ledger and queues
PUT_BACK_AT_ONCE = 200  # rows that are compared before what is new has its turn again
WORDS_AT_ONCE = 20  # about a long line; each takes 3 of the 300 requests that a Mastodon allows in 5 minutes
STREAM_AGAIN_SECONDS = (1.0, 900.0)  # after a broken stream: at first, and at most; doubled each time
LONG_STREAM_SECONDS = 60.0  # after so long it counts as one that worked


class Listener:
    """Reads one platform, accepts what is asked, and sees to it that every open row of the ledger is under way."""

    def __init__(
        self,
        platform: Platform,
        ledger: Ledger,
        queues: Queues,
        genres: Mapping[str, Genre],
        default_genre: str,
        *,
        manners: Manners = USUAL,
        gates: Gates | None = None,
    ) -> None:
        self._platform, self._ledger, self._queues = platform, ledger, queues
        self._gates = gates or Gates([platform.name])
        self._heard = Event()  # something new by the stream
        self._looked_after = 0  # open rows that were compared with the queues in this round
        self._reception = Reception(ledger, genres, default_genre, manners)

    def run(self, stop: Event) -> None:
        """Listen until told to stop. Networks and Redis may come and go meanwhile.

        Raises:
            Closed: Every network refuses our token.
            NeedsOperator: The ledger cannot be written.
        """
        Thread(target=self._stream, args=(stop,), daemon=True).start()
        next_poll = next_look = time.monotonic()
        while not stop.is_set():
            self._heard.clear()
            looks = time.monotonic() >= next_look
            if looks:
                next_look = time.monotonic() + PUT_BACK_SECONDS
            try:
                if time.monotonic() >= next_poll:
                    next_poll = time.monotonic() + self._platform.poll_seconds
                    self.poll()
                    self._gates.let_in(self._platform.name, "reading")
                if not self._gates.is_shut(self._platform.name):
                    self.put_on_the_way()
                    if looks and not self.put_back():
                        next_look = time.monotonic()
            except Closed as trouble:
                next_poll = time.monotonic() + self._gates.refused(trouble, "reading")
            except TryLater as later:
                next_poll = time.monotonic() + max(1.0, later.seconds)
                log.warning("%s: %s", self._platform.name, later)
            except (RedisError, NoSuchJobError) as error:
                log.warning("Redis: %s; the ledger keeps what is open", error)
            self._rest(stop, max(0.05, min(next_poll, next_look) - time.monotonic()))

    def _rest(self, stop: Event, seconds: float) -> None:
        """Wait for the next round; a mention by the stream, or being told to stop, cuts it short."""
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0 and not self._heard.wait(min(left, 1.0)):
            pass

    def _stream(self, stop: Event) -> None:
        """Hear of mentions as they are made; polling finds those that are missed, and finds these once more."""
        pause, most = STREAM_AGAIN_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._platform.stream(self._hear, stop)
                return
            except TryLater as later:
                reason = later.reason
                if time.monotonic() - began > LONG_STREAM_SECONDS:
                    pause = STREAM_AGAIN_SECONDS[0]
            except NeedsOperator as trouble:  # polling meets it, too
                reason, pause = str(trouble), most
            except Exception as bug:  # of ours or of a library's; polling goes on, and must not be alone for ever
                log.exception("%s: the stream broke", self._platform.name)
                reason, pause = type(bug).__name__, most
            log.info("%s: no stream: %s; opening it again in %.0f s", self._platform.name, reason, pause)
            stop.wait(pause)
            pause = min(2 * pause, most)

    def _hear(self, mention: Mention) -> None:
        if _is_for_us(mention):
            self._ledger.hear(mention)
            self._heard.set()

    def poll(self) -> None:
        """Read what is new into the ledger; at the first start there is nothing to read, only a place to begin."""
        name = self._platform.name
        bookmark = self._ledger.bookmark(name)
        if bookmark is None:
            with asking(self._platform):
                bookmark = self._platform.newest_bookmark()
            self._ledger.keep(name, (), bookmark)
        for page in self._pages(bookmark):
            self._ledger.keep(name, filter(_is_for_us, page.mentions), page.bookmark)
        self._ledger.polled(name)

    def _pages(self, bookmark: str) -> Iterator[Page]:
        with asking(self._platform):
            yield from self._platform.pages(bookmark)

    def put_on_the_way(self) -> None:
        """Receive what was seen, and put it on a queue; only then speak, as that takes long.

        What it costs does not grow with the line.
        """
        seen = self._ledger.seen(self._platform.name)
        for post in seen:
            with about(post.key):
                self._reception.receive(post)
        self._look_after([now for post in seen if (now := self._ledger.find(post.key))])
        if self._platform.says_line:
            self._tell_line([post.key for post in seen])

    def put_back(self) -> bool:
        """Put on a queue whatever is open and on none, its turn having come or its job being lost with Redis.

        Looks at some rows at a time; whether these were the last. Then given up jobs of closed rows are taken away.
        """
        posts = self._ledger.unfinished(self._platform.name, PUT_BACK_AT_ONCE, self._looked_after)
        self._looked_after += len(posts)
        if len(posts) < PUT_BACK_AT_ONCE:
            self._looked_after = 0
        self._look_after(posts)
        if self._looked_after == 0:
            self._clear_away()
        return self._looked_after == 0

    def _look_after(self, posts: Sequence[Post]) -> None:
        """Put rows on a queue that are on none. Of one person's songs only the first goes on, the next in its turn."""
        posts = [
            post for post in posts
            if post.open and post.state != "seen" and not self._ledger.is_out_of_turn(post.key)
        ]  # fmt: skip
        composing = self._queues.states([compose_id(post.key) for post in posts])
        delivering = self._queues.states([deliver_id(post.key) for post in posts])
        for post, compose, deliver in zip(posts, composing, delivering, strict=True):
            if "under way" not in (compose, deliver) and self._stands(post):
                with about(post.key):
                    self._put_back(post, compose, deliver)

    def _tell_line(self, keys: Sequence[str]) -> None:
        """Say of some songs that they will take long, once and without insisting: not to a network that puts us off."""
        try:
            for post, before in islice(self._in_long_line(keys), WORDS_AT_ONCE):
                with about(post.key), suppress(Gone, Rejected), asking(self._platform):
                    self._platform.reply(_aside(post.mention), phrases.in_line(before), None)
        except TryLater as later:
            log.info("%s; nobody else is told about the line", later)
        except Closed as trouble:
            self._gates.refused(trouble, "answering")

    def _in_long_line(self, keys: Sequence[str]) -> Iterator[tuple[Post, int]]:
        """Songs that are not played yet, with how many come before them, where that is worth a word."""
        for key in keys:
            post, before = self._ledger.find(key), self._ledger.songs_before(key)
            if post and _waits(post) and before >= LONG_LINE and self._ledger.speaks(key):
                yield post, before

    def _stands(self, post: Post) -> bool:
        """Whether a row is still as we read it, now that we have looked at its jobs: one may have ended meanwhile."""
        now = self._ledger.find(post.key)
        return now is not None and now.open and now.state == post.state

    def _put_back(self, post: Post, compose: JobState, deliver: JobState) -> None:
        if post.request is not None and post.state == "accepted":  # not asked for, or not since it began anew
            for job_id, state in ((compose_id(post.key), compose), (deliver_id(post.key), deliver)):
                if state == "given up":
                    self._queues.forget(job_id)
            self._ask(post.request)
        elif deliver == "given up":
            self._give_up(post, deliver_id(post.key))
        elif post.request is None or post.state != "composing":
            self._queues.hand_over(post.key, None)
        elif compose == "given up":
            self._give_up(post, compose_id(post.key))
        else:
            self._ask(post.request)

    def _ask(self, request: ComposeRequest) -> None:
        self._queues.ask(request)
        self._ledger.composing(request.key)

    def _give_up(self, post: Post, job_id: str) -> None:
        """A job that was tried often enough becomes an apology; an apology that cannot be said, silence."""
        why = self._queues.why(job_id)
        reason = why if post.mention.visibility in SEEN_BY_MANY else why.partition(":")[0]  # the rest may quote
        log.error("given up: %s", reason)
        if post.request is None or post.state == "failed":
            self._ledger.close_post(post.key, reason)
        else:
            self._ledger.fail(post.key, reason)
        self._queues.forget(job_id)

    def _clear_away(self) -> None:
        """Take away given up jobs of ours that nobody waits for: their rows were closed meanwhile, as by a stop."""
        for queue in (self._queues.compose, self._queues.deliver):
            for job_id in open_queue(queue, self._queues.redis).failed_job_registry.get_job_ids():
                post = self._ledger.find(key_of(job_id))
                if post is not None and not post.open and post.mention.platform == self._platform.name:
                    with suppress(NoSuchJobError):  # the list may know more than there is
                        self._queues.forget(job_id)


def _waits(post: Post) -> bool:
    """Whether it is a song, and not played yet."""
    return post.open and post.request is not None and post.state in ("accepted", "composing")


def _aside(mention: Mention) -> Mention:
    """A post with a key of its own, for words that are not the answer."""
    return replace(mention, root_id=f"{mention.root_id}-line")


def _is_for_us(mention: Mention) -> bool:
    if not KEY_PATTERN.fullmatch(mention.key):
        log.error("%s: id %.80r cannot be part of a key; left out", mention.platform, mention.root_id)
        return False
    return not mention.by_bot

