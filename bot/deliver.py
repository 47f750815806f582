"""The deliver job: from a track in the store to a reply."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bot import phrases
from bot.blocks import BLOCKED
from bot.counters import count_song
from bot.gates import Gates
from bot.ledger import Ledger
from bot.manners import USUAL, Manners
from bot.mention import Mention
from bot.platforms.base import Closed, Gone, Platform, Rejected, TryLater, asking
from bot.post import Post
from model.errors import NeedsOperator
from model.genre import Genre
from model.request import KEY_PATTERN
from worker.desk import at_desk
from worker.store import CannotReach, Store
from worker.track import PNG, Track

log = logging.getLogger(__name__)

STORE_AGAIN_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 24 * 3600  # for a network that puts an answer off, while we run and it lets us in
LOST_TWICE = 3  # songs whose tracks the store loses twice, none delivered between: then it is no store for us
MEDIA_KEPT_SECONDS = 12 * 3600  # after which a track is uploaded anew; networks keep one that is not posted for a day


class _Lost(Exception):
    """The store does not have the track."""


class Deliverer:
    """Answers posts as their rows in the ledger say; done again, it changes nothing."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        ledger: Ledger,
        store: Store,
        genres: Mapping[str, Genre],
        default_genre: str,
        *,
        manners: Manners = USUAL,
        gates: Gates | None = None,
    ) -> None:
        self._gates = gates or Gates(platforms)
        self._platforms, self._ledger, self._store = platforms, ledger, store
        self._genres, self._default_genre, self._manners = genres, default_genre, manners
        self._lost_twice: set[str] = set()  # keys, since a song was last delivered

    def deliver(self, key: str, track_json: str | None) -> None:
        """Answer one post; what time or the operator will mend is left to the ledger, which puts it back.

        Raises:
            Closed: Every network refuses our token.
            NeedsOperator: The store loses one track after another, or the disk is full.
            ValueError: No such job is ours.
        """
        if not isinstance(key, str) or not KEY_PATTERN.fullmatch(key):
            raise ValueError("deliver job: no key")
        if track_json is not None:
            track = Track.from_json(track_json)
            if track.key != key:
                raise ValueError(f"{key}: deliver job with the track of another")
            self._ledger.rendered(key, track)
        post = self._ledger.find(key)
        if post is None or not post.open or post.state == "seen":
            log.info("nothing is to be answered")
            return
        platform = self._platforms.get(post.mention.platform)
        if platform is None:
            log.warning("its platform is switched off; the ledger keeps it")
        elif post.deletes is None and self._manners.lists.blocks.hold(post.mention.author_handle):
            self._ledger.call_off(post.key, BLOCKED)
        elif not self._gates.is_shut(platform.name):
            self._answer(post, platform)

    def _answer(self, post: Post, platform: Platform) -> None:
        try:
            if post.deletes is not None:
                self._take_down(post, post.deletes, platform)
            else:
                self._reply(post, platform)
            self._gates.let_in(platform.name, "answering")
        except Closed as trouble:
            self._gates.refused(trouble, "answering")
            self._ledger.wait(post.key, 0)  # behind all others, should the network refuse nothing but this answer
        except TryLater as later:
            self._wait(post, later)
        except _Lost:
            self._play_again(post)
        except CannotReach as trouble:
            self._wait(post, TryLater(STORE_AGAIN_SECONDS, str(trouble)))
        except Gone as gone:
            self._gates.let_in(platform.name, "answering")
            self._ledger.close_post(post.key, f"nobody to answer: {gone}")
        except Rejected as rejection:
            self._gates.let_in(platform.name, "answering")
            self._take_rejection(post, str(rejection))

    def _wait(self, post: Post, later: TryLater) -> None:
        """Try later, but not for ever: after a day nobody waits for the answer any more."""
        log.warning("%s", later)
        put_off = self._ledger.wait(post.key, later.seconds)
        if time.time() - max(put_off, self._gates.open_since(post.mention.platform)) > LONGEST_WAIT_SECONDS:
            self._ledger.close_post(post.key, f"given up after a day: {later.reason}")

    def _play_again(self, post: Post) -> None:
        """A track that the store has lost is composed once more, as its seed is known; once, and then it has failed."""
        if "played_again" not in post.times:
            log.warning("the store has lost the track; it is played again")
            self._ledger.play_again(post.key)
            return
        reason = f"LNH_STORE {self._store.url} has lost the track twice; do all workers use this store?"
        self._lost_twice.add(post.key)
        if len(self._lost_twice) >= LOST_TWICE:
            raise NeedsOperator(reason)
        log.error("%s", reason)
        self._ledger.fail(post.key, reason)
        self.deliver(post.key, None)

    def _take_rejection(self, post: Post, reason: str) -> None:
        """A song that the network does not take becomes an apology; words that it does not take, silence."""
        log.warning("rejected: %s", reason)
        if post.request is None or post.state == "failed":
            self._ledger.close_post(post.key, reason)
            return
        self._ledger.fail(post.key, reason)
        self.deliver(post.key, None)

    def _take_down(self, post: Post, answered_key: str, platform: Platform) -> None:
        answered = self._ledger.find(answered_key)
        if answered is not None and answered.reply_id is not None:
            with asking(platform):
                platform.delete(answered.reply_id)
        if answered is not None and answered.track is not None:
            self._store.remove(answered.track)
        self._ledger.taken_down(post.key)

    def _reply(self, post: Post, platform: Platform) -> None:
        media_id = self._media_id(post, platform)
        now = self._ledger.find(post.key)
        if now is None or not now.open:
            log.info("was called off")
            return
        song = media_id if now.state == "uploaded" else None  # it may have been given up while we uploaded
        with asking(platform):
            reply_id = platform.reply(_as_answered(post), self._text(now, platform), song)
        self._ledger.answered(post.key, reply_id, with_song=song is not None)
        if song is not None:
            self._lost_twice.clear()
        if answered := self._ledger.find(post.key):
            count_song(answered)

    def _media_id(self, post: Post, platform: Platform) -> str | None:
        """Upload the track of a post, once, and again when the network has thrown it away by now."""
        if post.state not in ("rendered", "uploaded") or post.request is None or post.track is None:
            return None
        latest = max(post.times.get("uploaded", 0.0), post.times.get("uploaded_again", 0.0))
        if post.state == "uploaded" and time.time() - latest < MEDIA_KEPT_SECONDS:
            return post.media_id
        with asking(platform):
            if not platform.still_there(post.mention):
                raise Gone("it was deleted while we played")
        genre = self._genres.get(post.request.genre)
        alt_text = phrases.alt_text(post.request, post.track, genre.title if genre else post.request.genre)
        with at_desk() as folder:
            media, cover = (self._fetch(post.track, kind, folder) for kind in (platform.media_type, PNG))
            with asking(platform):
                media_id = platform.upload(media, cover, alt_text)
        if post.state == "uploaded":
            self._ledger.uploaded_again(post.key, media_id)
        else:
            self._ledger.uploaded(post.key, media_id)
        return media_id

    def _fetch(self, track: Track, media_type: str, folder: Path) -> Path:
        try:
            return self._store.fetch(track, media_type, folder)
        except FileNotFoundError as error:
            raise _Lost from error

    def _text(self, post: Post, platform: Platform) -> str:
        count, max_length = platform.count, platform.max_length
        if post.state == "refused":
            return phrases.refusal(post.reason, count, max_length)
        if post.request is None:
            return phrases.help(self._genres, self._default_genre, count, max_length)
        if post.state == "failed":
            return phrases.apology(post.request, count, max_length)
        ready_at = post.times.get("uploaded", time.time())  # said again, the words are the same: X knows them by that
        late = ready_at - post.mention.created_at.timestamp() > self._manners.late_seconds
        remarks = (phrases.late(), *post.remarks) if late else post.remarks
        return phrases.enjoy(post.request, remarks, count, max_length)


def _as_answered(post: Post) -> Mention:
    """A post with the warning that its answer takes over; a word that we do not repeat may be in one."""
    neutral = post.reason == phrases.not_this_one()
    return replace(post.mention, content_warning="") if neutral else post.mention
