"""Mastodon, and servers that speak its API: mentions by streaming and polling, MP3 with a cover, replies no wider than
the post.

The token needs the scopes `profile` (before Mastodon 4.3: `read:accounts`), `read:notifications`, `read:statuses`,
`write:statuses` and `write:media`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import regex
import requests
from mastodon import StreamListener, errors

from bot import phrases
from bot.mention import Mention, Visibility
from bot.platforms.base import OUT_OF_SHAPE, Forbidden, Gone, Page, Rejected, TryLater, taking_down
from bot.platforms.html_text import Named, to_text
from bot.platforms.mastodon_client import SCOPES, MastodonClient
from model.errors import NeedsOperator
from worker.settings import named
from worker.track import MP3, PNG

log = logging.getLogger(__name__)

NEEDED_SCOPES = ("read:notifications", "read:statuses", "write:statuses", "write:media")
NOTHING_YET = "0"  # bookmark of an account that was never mentioned; any id would be a guess at how a server counts
ROWS = 40  # notifications a page, the most that Mastodon gives
SETTLED_SECONDS = 10.0  # after which nothing older comes to light: ids are given before they are shown, by many at once
STREAM_SILENCE_S = 60.0  # after which a stream is dead: Mastodon sends a heartbeat every 15
MEDIA_DEADLINE_S = 300.0
MEDIA_PAUSE_S = 2.0
KEEPING_BACK = ("filter", "drop")
KEPT_BACK = {  # by the account's own choice; whom moderators have limited is kept back by default
    "for_not_following": "people whom it does not follow",
    "for_not_followers": "people who do not follow it",
    "for_new_accounts": "new accounts",
}
HERE = ("localhost", "127.0.0.1", "::1")  # what goes there in clear is read by nobody else
HANDLE_ROOM = 66  # "@", a name of up to 64 characters, and a space
ANSWERED_AS: dict[str, Visibility] = {"public": "unlisted", "unlisted": "unlisted"}  # all else to its author alone

URL = regex.compile(r"https?://\S*[^\s.,;:!?)\]}'\"»…]")
REMOTE_MENTION = regex.compile(r"(?<![\w/])@(\w+)@[\w.-]*\w")
GRAPHEME = regex.compile(r"\X")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server takes."""

    characters: int = 500
    url_characters: int = 23  # that any link counts
    description: int = 1500  # characters of alt text

    @classmethod
    def of(cls, instance: Mapping[str, Any]) -> "Limits":
        """Read from either version of the instance endpoint."""
        configuration = instance.get("configuration") or {}
        statuses = configuration.get("statuses") or {}
        media = configuration.get("media_attachments") or {}
        return cls(
            characters=int(statuses.get("max_characters") or instance.get("max_toot_chars") or cls().characters),
            url_characters=int(statuses.get("characters_reserved_per_url") or cls().url_characters),
            description=min(int(media.get("description_limit") or cls().description), cls().description),
        )


class _StreamEnded(Exception):
    """We were told to stop."""


class _Ear(StreamListener):
    """Hands on each row of the notifications."""

    def __init__(self, tell: Callable[[Any], None], stop: threading.Event) -> None:
        self._tell, self._stop = tell, stop

    def on_notification(self, notification: Any) -> None:
        self._tell(notification)
        self.handle_heartbeat()

    def handle_heartbeat(self) -> None:
        if self._stop.is_set():
            raise _StreamEnded


class MastodonPlatform:
    """One account on one server.

    Mastodon keeps an idempotency key for an hour and other servers ignore it, so `reply` looks under the mention for
    an answer of ours before it posts.
    """

    name = "mastodon"
    media_type = MP3
    poll_seconds = 5.0  # 60 of the 300 requests that a server allows in 5 minutes
    says_line = True

    def __init__(self, base_url: str, token: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._base_url, self._sleep = base_url, sleep
        self.home = urlsplit(base_url).hostname or ""
        self._api = MastodonClient(base_url, token)

    def newest_bookmark(self) -> str:
        """Id of the newest mention."""
        rows = self._rows(limit=1)
        return str(rows[0]["id"]) if rows else NOTHING_YET

    def may_write(self) -> bool:
        """By the scopes of our token, where the server tells them, as Mastodon does since 4.3."""
        try:
            with self._api.asking(Gone, Rejected):
                told = self._api.app_verify_credentials().get("scopes")
        except (Gone, Rejected):
            return False
        if not told or not isinstance(told, list):
            return False
        missing = [scope for scope in NEEDED_SCOPES if not {scope, scope.partition(":")[0]} & set(told)]
        if missing:  # `write` would hold `write:media`
            raise NeedsOperator(
                f"MASTODON_ACCESS_TOKEN lacks {', '.join(missing)}; make a token with the scopes {SCOPES}"
            )
        return True

    def unheard(self) -> str:
        """By the account's notification policy, which Mastodon has since 4.3, and which keeps private mentions back."""
        try:
            with self._api.asking(Gone, Rejected):
                policy = dict(self._api.notifications_policy())
        except (Gone, Rejected, TryLater):  # what a server without such a thing answers, nobody knows
            return ""
        if policy.get("for_private_mentions") in KEEPING_BACK:
            raise NeedsOperator(
                f"mastodon: {self._base_url} keeps from us what is asked in private by people whom we do not follow;"
                " on its web page open the notifications and their settings, and let “Unsolicited private mentions”"
                " be accepted"
            )
        return ", ".join(whose for name, whose in KEPT_BACK.items() if policy.get(name) in KEEPING_BACK)

    def pages(self, bookmark: str) -> Iterator[Page]:
        """Forward from the bookmark; `since_id` would skip a backlog. What is young is read again by the next call."""
        if bookmark == NOTHING_YET:
            yield from self._pages_from_the_beginning()
            return
        settled = bookmark
        while rows := self._rows(limit=ROWS, min_id=bookmark):
            newest = str(rows[0]["id"])
            if newest == bookmark:  # a server that does not know min_id
                return
            page = self._page(rows, settled)
            settled, bookmark = page.bookmark, newest
            yield page

    def stream(self, tell: Callable[[Mention], None], stop: threading.Event) -> None:
        """By server-sent events, which many servers do not have; with each heartbeat we look whether to stop."""

        def hear(row: Any) -> None:
            if mention := self._called(row):
                tell(mention)

        try:
            self._api.stream_user_notifications(_Ear(hear, stop), timeout=STREAM_SILENCE_S)
        except _StreamEnded:
            return
        except errors.MastodonNetworkError as error:
            raise TryLater(30, f"{self._base_url}: {error}") from error
        except (errors.MastodonMalformedEventError, requests.RequestException) as error:
            raise TryLater(30, f"{self._base_url}: {type(error).__name__}") from error  # more could repeat what it sent
        raise TryLater(30, f"{self._base_url} ended it")

    def still_there(self, mention: Mention) -> bool:
        """Whether the server still shows the post to us."""
        try:
            with self._api.asking(Gone):
                self._api.status(mention.id)
        except Gone:
            return False
        return True

    def count(self, text: str) -> int:
        """Graphemes; a link counts 23, a mention of someone elsewhere only its user part."""
        text = URL.sub("x" * self._limits.url_characters, text)
        return len(GRAPHEME.findall(REMOTE_MENTION.sub(r"@\1", text)))

    @property
    def max_length(self) -> int:
        """The server's limit, less the room for the handle of whom we answer."""
        return self._limits.characters - HANDLE_ROOM

    def upload(self, media: Path, cover: Path, alt_text: str) -> str:
        """Upload, then wait until the server has processed the file: posting earlier is refused."""
        try:
            with self._api.asking(Forbidden, Rejected), media.open("rb") as song, cover.open("rb") as picture:
                uploaded = self._api.media_post(
                    song,
                    self.media_type,
                    description=alt_text[: self._limits.description],
                    file_name=media.name,
                    thumbnail=picture,
                    thumbnail_mime_type=PNG,
                )
            with self._api.asking(Gone, Rejected):
                return self._ready(uploaded)
        except Forbidden as refusal:
            raise Rejected(str(refusal)) from refusal
        except Gone as gone:
            raise TryLater(60, f"mastodon: {self._base_url} does not find our track") from gone

    def reply(self, mention: Mention, text: str, media_id: str | None) -> str:
        """Answer the author alone, never on the public timelines; what only followers see is answered directly.

        "Followers" would be ours, not those of its author.
        """
        with self._api.asking(Gone, Rejected):
            return self._our_answer(mention) or self._post(mention, text, media_id)

    def delete(self, reply_id: str) -> None:
        """Take a post of ours down, with its media."""
        with taking_down(), self._api.asking(Gone):
            self._api.status_delete(reply_id, delete_media=True)

    def _rows(self, **page: Any) -> list[Any]:
        with self._api.asking():
            rows = list(self._api.notifications(types=["mention"], **page))
            return [row for row in rows if row["id"]]  # what is no list of rows ends here

    def _pages_from_the_beginning(self) -> Iterator[Page]:
        pages: list[list[Any]] = []
        oldest = None
        while rows := self._rows(limit=ROWS, max_id=oldest):
            if str(rows[-1]["id"]) == oldest:  # a server that does not know max_id
                break
            pages.append(rows)
            oldest = str(rows[-1]["id"])
        settled = NOTHING_YET
        for rows in reversed(pages):
            page = self._page(rows, settled)
            settled = page.bookmark
            yield page

    def _page(self, rows: list[Any], before: str) -> Page:
        """From rows with the newest first; the bookmark stays where it was before while all of them are young."""
        found = [mention for row in reversed(rows) if (mention := self._called(row))]
        return Page(mentions=tuple(found), bookmark=_settled(rows) or before)

    def _called(self, row: Any) -> Mention | None:
        """The mention of a row that has one; a row out of shape must not keep us from the others."""
        try:
            return self._mention(row["status"]) if _is_call(row) else None
        except OUT_OF_SHAPE as error:
            log.warning("mastodon: a mention that nobody can read was left out (%s)", type(error).__name__)
            return None

    def _mention(self, status: Any) -> Mention:
        account = status["account"]
        return Mention(
            platform=self.name,
            id=str(status["id"]),
            root_id=str(status["id"]),  # an edit keeps the id
            author_id=str(account["id"]),
            author_handle=str(account["acct"]),
            text=to_text(status["content"] or "", _named(status)),
            visibility=_visibility(status.get("visibility")),
            content_warning=str(status.get("spoiler_text") or ""),
            created_at=_time(status.get("created_at")),
            by_bot=_is_bot(account) or str(account["id"]) == self._own_id,
            in_reply_to=str(status.get("in_reply_to_id") or ""),
        )

    def _ready(self, uploaded: Any) -> str:
        deadline = time.monotonic() + MEDIA_DEADLINE_S
        while not uploaded.get("url"):
            if time.monotonic() > deadline:
                raise TryLater(60, f"mastodon: {self._base_url} is still processing our track")
            self._sleep(MEDIA_PAUSE_S)
            uploaded = self._api.media(str(uploaded["id"]))
        return str(uploaded["id"])

    def _our_answer(self, mention: Mention) -> str | None:
        below = self._api.status_context(mention.id)["descendants"]
        ours = [
            str(status["id"])
            for status in below
            if str(status.get("in_reply_to_id")) == mention.id
            and str(status["account"]["id"]) == self._own_id
            and not phrases.is_about_line(to_text(status.get("content") or ""))
        ]
        return ours[0] if ours else None

    def _post(self, mention: Mention, text: str, media_id: str | None) -> str:
        """Read the post once more, as some servers let one answer a post that is gone; then answer it."""
        asked = self._api.status(mention.id)
        room = self._limits.characters - self.count(f"@{asked['account']['acct']} {text}")
        warning = "".join(GRAPHEME.findall(mention.content_warning)[: max(room, 0)])  # it counts as text does
        posted = self._api.status_reply(
            asked,
            text,
            media_ids=[media_id] if media_id else None,
            sensitive=bool(warning),
            spoiler_text=warning,
            visibility=ANSWERED_AS.get(mention.visibility, "direct"),
            idempotency_key=mention.key,
            untag=True,
        )
        return str(posted["id"])

    @cached_property
    def _own_id(self) -> str:
        with self._api.asking():
            account = self._api.account_verify_credentials()
        if not account.get("bot"):
            log.warning("mastodon: the account %s is not marked as automated; tick it in its profile", account["acct"])
        return str(account["id"])

    @cached_property
    def _limits(self) -> Limits:
        for read in (self._api.instance_v2, self._api.instance_v1):
            try:
                with self._api.asking(Gone, Rejected):
                    return Limits.of(read())
            except (Gone, Rejected):
                continue  # servers other than Mastodon have one of the two, or neither
        return Limits()

def _settled(rows: list[Any]) -> str | None:
    """Id of the newest row behind which none can come to light any more; None when all are too young."""
    young = datetime.now(UTC).timestamp() - SETTLED_SECONDS
    settled = (str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row and _shown_at(row) <= young)
    return next(settled, None)


def _shown_at(row: Mapping[str, Any]) -> float:
    """Unix time of a row; one that does not tell is as old as can be."""
    created = row.get("created_at")
    return _time(created).timestamp() if isinstance(created, datetime) else 0.0


def _is_call(row: Any) -> bool:
    """A mention that still has its post, and is no boost of one."""
    return row.get("type") == "mention" and bool(row.get("status")) and not row["status"].get("reblog")


def _is_bot(account: Any) -> bool:
    """A bot, a group, or someone who asks bots to keep away."""
    told = [account.get("note"), account.get("display_name")]
    told += [each.get(part) for each in account.get("fields") or [] for part in ("name", "value")]
    asks_to_be_left = any("#nobot" in to_text(str(words)).casefold() for words in told if words)
    return bool(account.get("bot") or account.get("group")) or asks_to_be_left


def _named(status: Any) -> list[Named]:
    return [
        Named(url=one.get("url") or "", username=one.get("username") or "", acct=one["acct"])
        for one in status.get("mentions") or []
        if one.get("acct")
    ]


def _visibility(word: object) -> Visibility:
    """What we do not know, as other servers have their own, is answered as narrowly as can be."""
    return next((known for known in get_args(Visibility) if known == word), "direct")


def _time(value: object) -> datetime:
    if not isinstance(value, datetime):
        return datetime.now(UTC)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def connect(base_url: str, token: str) -> MastodonPlatform:
    """The account behind a token.

    Raises:
        NeedsOperator: The base URL is no address of a server.
    """
    address = base_url if "://" in base_url else f"https://{base_url}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.username:
        raise NeedsOperator(f"{named('MASTODON_BASE_URL')} is {base_url!r}; write it like https://mastodon.example")
    if parts.scheme == "http" and parts.hostname not in HERE:
        raise NeedsOperator(
            f"{named('MASTODON_BASE_URL')} is {base_url!r}; write https://, as anybody on the way could read the token"
        )
    return MastodonPlatform(address.rstrip("/"), token)
