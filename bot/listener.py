"""The listener of one platform: from mentions to the ledger, and from the ledger to the queues."""

import logging
import time
from collections.abc import Mapping
from threading import Event

from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError

from bot import phrases
from bot.ledger import Ledger, Post
from bot.mention import Mention
from bot.parse import Compose, Help, NotUnderstood, parse
from bot.platforms.base import Platform, TryLater
from model.genre import Genre
from model.request import KEY_PATTERN, ComposeRequest, seed_of
from worker.queue import JobState, Queues, compose_id, deliver_id

log = logging.getLogger(__name__)

PUT_BACK_SECONDS = 5.0  # between two comparisons of ledger and queues


class Listener:
    """Reads one platform, accepts what is asked, and sees to it that every open row of the ledger is under way."""

    def __init__(
        self, platform: Platform, ledger: Ledger, queues: Queues, genres: Mapping[str, Genre], default_genre: str
    ) -> None:
        self._platform, self._ledger, self._queues = platform, ledger, queues
        self._genres, self._default_genre = genres, default_genre

    def run(self, stop: Event) -> None:
        """Listen until told to stop. Networks and Redis may come and go meanwhile.

        Raises:
            NeedsOperator: The network refuses our token, or the ledger cannot be written.
        """
        next_poll = time.monotonic()
        while not stop.is_set():
            try:
                if time.monotonic() >= next_poll:
                    next_poll = time.monotonic() + self._platform.poll_seconds
                    self.poll()
                self.put_on_the_way()
            except TryLater as later:
                next_poll = time.monotonic() + max(1.0, later.seconds)
                log.warning("%s: %s", self._platform.name, later)
            except (RedisError, NoSuchJobError) as error:
                log.warning("Redis: %s; the ledger keeps what is open", error)
            stop.wait(max(0.05, min(PUT_BACK_SECONDS, next_poll - time.monotonic())))

    def poll(self) -> None:
        """Read what is new into the ledger; at the first start there is nothing to read, only a place to begin."""
        name = self._platform.name
        bookmark = self._ledger.bookmark(name)
        if bookmark is None:
            bookmark = self._platform.newest_bookmark()
            self._ledger.keep(name, (), bookmark)
        for page in self._platform.pages(bookmark):
            self._ledger.keep(name, filter(_is_for_us, page.mentions), page.bookmark)
        self._ledger.polled(name)

    def put_on_the_way(self) -> None:
        """Accept what was seen, and put on a queue whatever is open and on none: new, or lost with Redis."""
        for post in self._ledger.unfinished(self._platform.name):
            if post.state == "seen":
                self._accept(post)
        posts = self._ledger.unfinished(self._platform.name)
        composing = self._queues.states([compose_id(post.key) for post in posts])
        delivering = self._queues.states([deliver_id(post.key) for post in posts])
        for post, compose, deliver in zip(posts, composing, delivering, strict=True):
            if "under way" not in (compose, deliver) and self._stands(post):
                self._put_back(post, compose, deliver)

    def _accept(self, post: Post) -> None:
        try:
            command = parse(post.mention.text, self._genres, self._default_genre)
        except NotUnderstood as refusal:
            self._ledger.refuse(post.key, str(refusal))
        except Exception as error:  # a bug of ours; it must not keep the next post waiting
            log.exception("%s: cannot be read", post.key)
            self._ledger.close_post(post.key, f"cannot be read: {error!r}")
        else:
            match command:
                case None:
                    self._ledger.drop(post.key)
                case Help():
                    self._ledger.accept_help(post.key)
                case Compose():
                    self._ledger.accept(_request(post.key, command), command.remarks)

    def _stands(self, post: Post) -> bool:
        """Whether a row is still as we read it, now that we have looked at its jobs: one may have ended meanwhile."""
        now = self._ledger.find(post.key)
        return now is not None and now.open and now.state == post.state

    def _put_back(self, post: Post, compose: JobState, deliver: JobState) -> None:
        if deliver == "given up":
            self._give_up(post, deliver_id(post.key))
        elif post.request is None or post.state not in ("accepted", "composing"):
            self._queues.hand_over(post.key, None)
        elif compose == "given up":
            self._give_up(post, compose_id(post.key))
        else:
            self._queues.ask(post.request)
            self._ledger.composing(post.key)

    def _give_up(self, post: Post, job_id: str) -> None:
        """A job that was tried often enough becomes an apology; an apology that cannot be said, silence."""
        reason = self._queues.why(job_id)
        log.error("%s: given up: %s", post.key, reason)
        if post.request is None or post.state == "failed":
            self._ledger.close_post(post.key, reason)
        else:
            self._ledger.fail(post.key, reason)
        self._queues.forget(job_id)


def _is_for_us(mention: Mention) -> bool:
    if not KEY_PATTERN.fullmatch(mention.key):
        log.error("%s: id %.80r cannot be part of a key; left out", mention.platform, mention.root_id)
        return False
    return not mention.by_bot


def _request(key: str, command: Compose) -> ComposeRequest:
    """The request of a command; its take comes with acceptance."""
    seed = seed_of(key)
    return ComposeRequest(
        key=key,
        title=command.title or phrases.band_title(seed),
        take=1,
        genre=command.genre,
        tempo_bpm=command.tempo_bpm,
        randomness=command.randomness,
        seed=seed,
    )
