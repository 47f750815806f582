"""X: mentions by polling, MP4 by chunks, replies to those who called and to nobody else.

X bills by the request, and wants of a band like this an automated label, an approval of AI-made replies and a stop
when someone says so. Reading asks for the names of fields before and after X renamed them, and takes both.
"""

import html
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

from bot.mention import Mention
from bot.platforms.base import OUT_OF_SHAPE, Forbidden, Gone, Page, Rejected, TryLater, taking_down
from bot.platforms.x_client import API, Duplicate, XClient
from bot.platforms.x_length import MAX_WEIGHT, weighted_length
from model.errors import NeedsOperator
from worker.track import MP4

log = logging.getLogger(__name__)

NOTHING_YET = "1"  # ids are numbers that grow, and no post has this one
REFERENCES = {"tweet.fields": "referenced_tweets", "expansions": "referenced_posts"}
WHOLE_POSTS = {
    "tweet.fields": "created_at,edit_history_tweet_ids,entities,note_tweet,referenced_tweets",
    "post.fields": "created_at,entities,note_post",
    "expansions": "author_id,edit_history_post_ids,referenced_posts",
    "user.fields": "description",
}
CHUNK_BYTES = 2**22  # 4 MiB; X takes at most 5 MB
ALT_TEXT_CHARACTERS = 1000
MEDIA_DEADLINE_S = 300.0
MEDIA_PAUSE_S = 2.0  # when X does not say when to ask again
SETTLED_SECONDS = 60.0  # after which X lists no older mention any more
FIRST_MS = 1_288_834_974_657  # Unix time of an id's first bit; below it are 22 bits of other things
CLOCKS_DIFFER_SECONDS = 300.0  # at most: X takes nothing that is signed as of another time
UNLISTED_SECONDS = 900.0  # until we look again for an answer that X has and does not list
RECONCILE_PAUSES_S = (1.0, 4.0, 10.0, 20.0)  # X may call a post a duplicate before it lists it

Json = dict[str, Any]


class XPlatform:
    """One account on X.

    X has no idempotency key: `reply` looks through our newest posts for an answer where an earlier try may have
    landed, and once more when X says that it has these words already. Where X lets us see neither, a song is rather
    not answered than twice.
    """

    name = "x"
    home = ""
    media_type = MP4
    max_length = MAX_WEIGHT
    poll_seconds = 45.0
    says_line = False  # X wants one answer to a call

    def __init__(self, client: XClient, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._sleep = client, sleep
        self._began = time.monotonic()
        self._tried: set[str] = set()  # keys, since then

    def newest_bookmark(self) -> str:
        """Id of the newest mention."""
        with _plain_question():
            return _newest(self._mentions(max_results=5))

    def may_write(self) -> bool:
        """X tells it in a header that tweepy keeps to itself."""
        return False

    def unheard(self) -> str:
        """X has no such settings in its API."""
        return ""

    def pages(self, bookmark: str) -> Iterator[Page]:
        """X pages backward only, so all that is new is read before the oldest page comes out.

        What is young is read again by the next call, as X may list an older mention after it.
        """
        with _plain_question():
            answers = list(_all_pages(lambda page: self._mentions(max_results=100, since_id=bookmark, **page)))
            read = [(tuple(self._called(answer)), _newest(answer)) for answer in reversed(answers) if _posts(answer)]
        for mentions, newest in read:
            bookmark = max(bookmark, min(newest, _id_of(time.time() - SETTLED_SECONDS), key=int), key=int)
            yield Page(mentions=mentions, bookmark=bookmark)

    def stream(self, tell: Callable[[Mention], None], stop: Event) -> None:
        """None: X's streams are not for one account's mentions."""

    def still_there(self, mention: Mention) -> bool:
        """Whether X still shows the post to us."""
        try:
            with _plain_question(Gone):
                return "data" in self._client.ask("GET", f"/2/tweets/{mention.id}")
        except Gone:
            return False

    def count(self, text: str) -> int:
        """Weighted length; the @mention before a reply is free."""
        return weighted_length(text)

    def upload(self, media: Path, cover: Path, alt_text: str) -> str:  # noqa: ARG002 - a film is its own cover
        """Send the film in pieces, wait until X has processed it, then add the alt text."""
        try:
            media_id = self._announce(media)
            self._send(media_id, media, alt_text)
        except Forbidden as refusal:
            self._ask_who_we_are()  # refused that as well, it is not the film that X dislikes
            raise Rejected(str(refusal)) from refusal
        except Gone as gone:
            raise TryLater(60, "x: X does not find our film") from gone
        return media_id

    def reply(self, mention: Mention, text: str, media_id: str | None) -> str:
        """Answer the post; on X everything is public."""
        try:
            return self._earlier_answer(mention) or self._post(mention, text, media_id)
        except Duplicate:
            for pause in RECONCILE_PAUSES_S:
                self._sleep(pause)
                if ours := self._our_answer(mention):
                    return ours
            if media_id is None:  # words alone may have been said to the same person before
                raise
            raise TryLater(UNLISTED_SECONDS, "x: X has our answer and does not show it yet") from None

    def delete(self, reply_id: str) -> None:
        """Take a post of ours down."""
        with taking_down(), _plain_question(Gone):
            self._client.ask("DELETE", f"/2/tweets/{reply_id}")

    def _mentions(self, **page: Any) -> Json:
        return self._client.ask("GET", f"/2/users/{self._own['id']}/mentions", params={**WHOLE_POSTS, **page})

    def _called(self, answer: Json) -> Iterator[Mention]:
        """Those posts of a page, oldest first, whose own words name us."""
        authors = {user["id"]: user for user in (answer.get("includes") or {}).get("users") or []}
        for post in sorted(_posts(answer), key=lambda post: int(post["id"])):
            author = authors.get(str(post.get("author_id")))
            try:
                if author is None:
                    log.info("x: post %s has no author that we may see; left out", post["id"])
                elif self._names_us(post):
                    yield self._mention(post, author)
            except OUT_OF_SHAPE as error:  # it must not keep us from the others
                log.warning("x: post %s cannot be read and was left out (%s)", post["id"], type(error).__name__)

    def _names_us(self, post: Json) -> bool:
        reposted = any(kind == "retweeted" for kind, _ in _references(post))
        own = rf"@{re.escape(self._own['username'])}(?!\w)"
        return not reposted and re.search(own, _text(post), re.IGNORECASE) is not None

    def _mention(self, post: Json, author: Json) -> Mention:
        versions = post.get("edit_history_post_ids") or post.get("edit_history_tweet_ids") or [post["id"]]
        return Mention(
            platform=self.name,
            id=str(post["id"]),
            root_id=str(versions[0]),
            author_id=author["id"],
            author_handle=author["username"],
            text=_text(post),
            visibility="public",
            content_warning="",
            created_at=_time(post.get("created_at")),
            by_bot=author["id"] == self._own["id"] or _asks_to_be_left(author),
            in_reply_to=next((to for kind, to in _references(post) if kind == "replied_to"), ""),
        )

    def _announce(self, media: Path) -> str:
        film = {"media_type": self.media_type, "media_category": "tweet_video", "total_bytes": media.stat().st_size}
        with _plain_question(Forbidden, Rejected):
            return str(self._client.ask("POST", "/2/media/upload/initialize", json=film)["data"]["id"])

    def _send(self, media_id: str, media: Path, alt_text: str) -> None:
        with _plain_question(Gone, Rejected):
            for index, chunk in enumerate(_chunks(media)):
                self._client.append(media_id, index, chunk)
            self._wait_for(media_id, self._client.ask("POST", f"/2/media/upload/{media_id}/finalize"))
            alt = {"alt_text": {"text": alt_text[:ALT_TEXT_CHARACTERS]}}
            self._client.ask("POST", "/2/media/metadata", json={"id": media_id, "metadata": alt})

    def _wait_for(self, media_id: str, answer: Json) -> None:
        deadline = time.monotonic() + MEDIA_DEADLINE_S
        while progress := answer["data"].get("processing_info"):
            if progress.get("state") == "succeeded":
                return
            if progress.get("state") == "failed":
                raise Rejected(f"x: X could not process the film ({progress})")
            if time.monotonic() > deadline:
                raise TryLater(60, "x: X is still processing our film")
            self._sleep(float(progress.get("check_after_secs") or MEDIA_PAUSE_S))
            answer = self._client.ask("GET", "/2/media/upload", params={"command": "STATUS", "media_id": media_id})

    def _earlier_answer(self, mention: Mention) -> str | None:
        """An answer of an earlier try: of ours, or of a process before us, which may have known another ledger.

        A post that is younger than we are and was not tried has none. X bills each post that is looked through.
        """
        tried, age = mention.key in self._tried, time.time() - _moment_of(mention.root_id)
        self._tried.add(mention.key)
        if tried or age > time.monotonic() - self._began - CLOCKS_DIFFER_SECONDS:
            return self._our_answer(mention)
        return None

    def _our_answer(self, mention: Mention) -> str | None:
        route = f"/2/users/{self._own['id']}/tweets"
        since = {**REFERENCES, "max_results": 100, "since_id": mention.root_id, "exclude": "retweets"}
        versions = (mention.id, mention.root_id)
        with _plain_question():
            for answer in _all_pages(lambda page: self._client.ask("GET", route, params={**since, **page})):
                for post in _posts(answer):
                    if any(kind == "replied_to" and to in versions for kind, to in _references(post)):
                        return str(post["id"])
        return None

    def _post(self, mention: Mention, text: str, media_id: str | None) -> str:
        post: Json = {
            "text": f"@{mention.author_handle} {text}",
            "reply": {"in_reply_to_tweet_id": mention.id},
        }
        if media_id is not None:
            post |= {"media": {"media_ids": [media_id]}, "made_with_ai": True}
        with _plain_question(Gone, Rejected):
            return str(self._client.ask("POST", "/2/tweets", json=post)["data"]["id"])

    @cached_property
    def _own(self) -> Mapping[str, str]:
        """Id and username of our account."""
        return self._ask_who_we_are()

    def _ask_who_we_are(self) -> Mapping[str, str]:
        with _plain_question():
            return dict(self._client.ask("GET", "/2/users/me")["data"])


@contextmanager
def _plain_question(*expected: type[Exception]) -> Iterator[None]:
    """Where a post cannot be gone or refused, X finding fault means that it changed, or our rights did."""
    try:
        yield
    except (Gone, Rejected) as error:
        if isinstance(error, expected):
            raise
        raise NeedsOperator(f"{error}; see the rights of the app in X's developer portal") from error
    except OUT_OF_SHAPE as error:
        raise TryLater(60, f"x: X answered out of shape ({type(error).__name__})") from error


def _all_pages(ask: Callable[[Json], Json]) -> Iterator[Json]:
    page: Json = {}
    while True:
        answer = ask(page)
        yield answer
        token = (answer.get("meta") or {}).get("next_token")
        if not token:
            return
        page = {"pagination_token": token}


def _posts(answer: Json) -> list[Json]:
    return [post for post in answer.get("data") or [] if isinstance(post, dict) and str(post.get("id")).isdecimal()]


def _newest(answer: Json) -> str:
    return max((str(post["id"]) for post in _posts(answer)), key=int, default=NOTHING_YET)


def _id_of(moment: float) -> str:
    """The first id of a Unix time; ids grow with time."""
    return str(max(int(moment * 1000) - FIRST_MS, 0) << 22)


def _moment_of(post_id: str) -> float:
    """The Unix time that an id tells."""
    return ((int(post_id) >> 22) + FIRST_MS) / 1000


def _references(post: Json) -> list[tuple[str, str]]:
    """What a post reposts, quotes or answers: kind and id."""
    found = post.get("referenced_posts") or post.get("referenced_tweets") or []
    return [(one["type"], str(one["id"])) for one in found]


def _asks_to_be_left(author: Json) -> bool:
    return any("#nobot" in (author.get(name) or "").casefold() for name in ("description", "name"))


def _text(post: Json) -> str:
    """All of the author's words: long posts in full, entities and shortened links restored, added links dropped."""
    note = post.get("note_post") or post.get("note_tweet") or {}
    text = html.unescape(note.get("text") or post.get("text") or "")
    quoted = [to for kind, to in _references(post) if kind == "quoted"]
    for holder in (note, post):
        for link in (holder.get("entities") or {}).get("urls") or []:
            target = link.get("expanded_url") or link.get("url") or ""
            added = bool(link.get("media_key")) or any(target.endswith(f"/status/{one}") for one in quoted)
            text = text.replace(link.get("url") or target, "" if added else target) if target else text
    return text.strip()


def _chunks(media: Path) -> Iterator[bytes]:
    with media.open("rb") as film:
        while chunk := film.read(CHUNK_BYTES):
            yield chunk


def _time(value: str | None) -> datetime:
    try:
        return datetime.fromisoformat(value or "")
    except ValueError:
        return datetime.now(UTC)


def connect(key: str, secret: str, token: str, token_secret: str, base_url: str = API) -> XPlatform:
    """The account behind four keys."""
    return XPlatform(XClient(key, secret, token, token_secret, base_url))
