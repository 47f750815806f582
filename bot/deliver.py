"""The deliver job: from a track in the store to a reply."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from bot import phrases
from bot.ledger import Ledger, Post
from bot.platforms.base import Gone, Platform, Rejected, TryLater
from model.genre import Genre
from worker.store import Store
from worker.track import PNG, Track

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 24 * 3600  # for a network that puts us off, since the post came to its present state


class Deliverer:
    """Answers posts as their rows in the ledger say; done again, it changes nothing."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        ledger: Ledger,
        store: Store,
        genres: Mapping[str, Genre],
        default_genre: str,
    ) -> None:
        self._platforms, self._ledger, self._store = platforms, ledger, store
        self._genres, self._default_genre = genres, default_genre

    def deliver(self, key: str, track_json: str | None) -> None:
        """Answer one post; what time will mend is left to the ledger, which puts it back."""
        if track_json is not None:
            self._ledger.rendered(key, Track.from_json(track_json))
        post = self._ledger.find(key)
        if post is None or not post.open:
            log.info("%s: nothing is open", key)
            return
        platform = self._platforms.get(post.mention.platform)
        if platform is None:
            log.warning("%s: its platform is switched off; the ledger keeps it", key)
            return
        self._answer(post, platform)

    def _answer(self, post: Post, platform: Platform) -> None:
        try:
            media_id = self._media_id(post, platform)
            reply_id = platform.reply(post.mention, self._text(post, platform), media_id)
            self._ledger.answered(post.key, reply_id)
        except TryLater as later:
            self._wait(post, later)
        except Gone as gone:
            self._ledger.close_post(post.key, f"nobody to answer: {gone}")
        except Rejected as rejection:
            self._take_rejection(post, str(rejection))

    def _wait(self, post: Post, later: TryLater) -> None:
        """Try later, but not for ever: after a day nobody waits for the answer any more."""
        log.warning("%s: %s", post.key, later)
        if time.time() - max(post.times.values()) > LONGEST_WAIT_SECONDS:
            self._ledger.close_post(post.key, f"given up after a day: {later.reason}")
        else:
            self._ledger.wait(post.key, later.seconds)

    def _take_rejection(self, post: Post, reason: str) -> None:
        """A song that the network does not take becomes an apology; words that it does not take, silence."""
        log.warning("%s: rejected: %s", post.key, reason)
        if post.request is None or post.state == "failed":
            self._ledger.close_post(post.key, reason)
            return
        self._ledger.fail(post.key, reason)
        self.deliver(post.key, None)

    def _media_id(self, post: Post, platform: Platform) -> str | None:
        """Upload the track of a post, once."""
        if post.state != "rendered" or post.request is None or post.track is None:
            return post.media_id if post.state == "uploaded" else None
        if not platform.still_there(post.mention):
            raise Gone("it was deleted while we played")
        alt_text = phrases.alt_text(post.request, post.track, self._genres[post.request.genre])
        with TemporaryDirectory(prefix="lnh-") as folder:
            media = self._store.fetch(post.track, platform.media_type, Path(folder))
            cover = self._store.fetch(post.track, PNG, Path(folder))
            media_id = platform.upload(media, cover, alt_text)
        self._ledger.uploaded(post.key, media_id)
        return media_id

    def _text(self, post: Post, platform: Platform) -> str:
        count, max_length = platform.count, platform.max_length
        if post.state == "refused":
            return phrases.refusal(post.reason, count, max_length)
        if post.request is None:
            return phrases.help(self._genres, self._default_genre, count, max_length)
        if post.state == "failed":
            return phrases.apology(post.request, count, max_length)
        return phrases.enjoy(post.request, post.remarks, count, max_length)
