"""What becomes of a post that was seen: a song, help, a refusal, or nothing."""

import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from bot import phrases
from bot.blocks import BLOCKED
from bot.ledger import Ledger
from bot.manners import DAY_SECONDS, Manners
from bot.mention import Mention, Visibility
from bot.parse import Again, Command, Compose, Delete, Help, NotUnderstood, Start, Stop, changed, parse
from bot.post import Post
from model.errors import NeedsOperator
from model.genre import Genre
from model.request import ComposeRequest, seed_of

log = logging.getLogger(__name__)

WIDEST_FIRST: tuple[Visibility, ...] = get_args(Visibility)
SEEN_BY_MANY = ("public", "unlisted")


class Reception:
    """Reads posts and writes into the ledger what is to be done about them."""

    def __init__(self, ledger: Ledger, genres: Mapping[str, Genre], default_genre: str, manners: Manners) -> None:
        self._ledger, self._genres, self._default_genre, self._manners = ledger, genres, default_genre, manners

    def receive(self, post: Post) -> None:
        """Decide about one post, at once and for good; what nobody asked for is forgotten."""
        try:
            self._receive(post)
        except NeedsOperator:
            raise
        except Exception as error:  # a bug of ours; it must not keep the next post waiting
            name = type(error).__name__  # its words could repeat what someone wrote in private
            log.error("cannot be read: %s\n%s", name, "".join(traceback.format_tb(error.__traceback__)))
            self._ledger.close_post(post.key, f"cannot be read: {name}")

    def _receive(self, post: Post) -> None:
        if self._manners.lists.blocks.hold(post.mention.author_handle):
            self._ledger.leave(post.key, BLOCKED)
            return
        asked = self._understood(post.mention)
        match asked:
            case None:
                self._ledger.drop(post.key)
            case Stop():
                self._ledger.stop(post.key)
            case Delete():
                self._delete(post)
            case Start():
                self._ledger.start(post.key)
                self._answer(post, Help())
            case _:
                self._answer(post, asked)

    def _understood(self, mention: Mention) -> Command | NotUnderstood | None:
        try:
            return parse(mention.text, self._genres, self._default_genre)
        except NotUnderstood as refusal:
            return refusal

    def _answer(self, post: Post, asked: Command | NotUnderstood) -> None:
        """What needs words of ours, for those who want them and came in time."""
        mention = post.mention
        if self._ledger.has_stopped(mention.platform, mention.author_id):
            self._ledger.drop(post.key)
        elif post.times["seen"] - mention.created_at.timestamp() > self._manners.left_seconds:
            self._ledger.leave(post.key, "it was too old when we read it")
        elif self._holds_a_listed_word(mention.text, mention.content_warning):
            self._ledger.refuse(post.key, phrases.not_this_one())
        elif isinstance(asked, NotUnderstood):
            self._refuse(post, str(asked))
        elif isinstance(asked, Again):
            self._again(post, asked)
        elif isinstance(asked, Compose):
            self._song(post, _request(post.key, asked), asked.remarks)
        else:
            self._ledger.accept_help(post.key)

    def _delete(self, post: Post) -> None:
        mention = post.mention
        answered = self._answered_by(mention)
        if answered is not None and answered.mention.author_id == mention.author_id:
            self._ledger.accept_deletion(post.key, answered.key)
        elif self._ledger.has_stopped(mention.platform, mention.author_id):
            self._ledger.drop(post.key)
        else:
            self._ledger.refuse(post.key, phrases.not_yours())

    def _again(self, post: Post, asked: Again) -> None:
        """The next take of a track that the asker may know of, to be seen by no more people than that one."""
        played, mention = self._answered_by(post.mention), post.mention
        if played is None or played.request is None or not _may_know(mention, played.mention):
            self._ledger.refuse(post.key, phrases.no_track_here())
            return
        narrower = max(mention.visibility, played.mention.visibility, key=WIDEST_FIRST.index)
        warning = mention.content_warning or played.mention.content_warning
        self._ledger.confine(replace(mention, visibility=narrower, content_warning=warning))
        take = played.request.take + (played.state == "posted")  # one that failed was not played
        request = replace(played.request, key=post.key, seed=seed_of(post.key), take=take)
        if request.genre not in self._genres:
            self._ledger.refuse(post.key, phrases.no_longer_played())
        elif asked.flags:
            self._changed(post, request, asked)
        else:
            self._song(post, request, ())

    def _changed(self, post: Post, request: ComposeRequest, asked: Again) -> None:
        try:
            song = changed(request, asked.flags, self._genres)
        except NotUnderstood as refusal:
            self._refuse(post, str(refusal))
            return
        request = replace(request, genre=song.genre, tempo_bpm=song.tempo_bpm, randomness=song.randomness)
        self._song(post, request, song.remarks)

    def _answered_by(self, mention: Mention) -> Post | None:
        """The post whose answer of ours someone answers, while that stands."""
        answered = self._ledger.answered_by(mention.platform, mention.in_reply_to) if mention.in_reply_to else None
        return answered if answered is not None and answered.state != "deleted" else None

    def _song(self, post: Post, request: ComposeRequest, remarks: tuple[str, ...]) -> None:
        mention, most = post.mention, self._manners.songs_a_day
        if self._holds_a_listed_word(request.title):
            self._ledger.refuse(post.key, phrases.not_this_one())
        elif self._ledger.songs_since(mention.platform, mention.author_id, time.time() - DAY_SECONDS) >= most:
            self._ledger.refuse(post.key, phrases.enough_for_a_day(most))
        elif self._ledger.songs_under_way() >= self._manners.longest_line:
            self._ledger.refuse(post.key, phrases.line_is_full())
        else:
            self._ledger.accept(request, remarks)

    def _refuse(self, post: Post, message: str) -> None:
        """Say what was not understood; it may quote."""
        self._ledger.refuse(post.key, phrases.not_this_one() if self._holds_a_listed_word(message) else message)

    def _holds_a_listed_word(self, *texts: str) -> bool:
        return any(self._manners.lists.words.hold(text) for text in texts)


def _may_know(asker: Mention, other: Mention) -> bool:
    """Whether someone may know of another's song: of one that many see, or of one's own."""
    return other.visibility in SEEN_BY_MANY or asker.author_id == other.author_id


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
