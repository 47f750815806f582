"""Mastodon's API as Mastodon.py speaks it, with errors that are ours and a server that stays the one we asked."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import requests
from mastodon import Mastodon, errors

from bot.platforms.base import OUT_OF_SHAPE, Forbidden, Gone, Rejected, TryLater, seconds_to_wait
from model.errors import NeedsOperator

REQUEST_TIMEOUT_S = 30.0
SCOPES = "profile (or read:accounts), read:notifications, read:statuses, write:statuses and write:media"

Meaning = Literal["network", "rate", "server", "token", "gone", "by status", "bug"]
MEANINGS: dict[type[Exception], Meaning] = {
    errors.MastodonError: "bug",
    errors.MastodonVersionError: "bug",
    errors.MastodonIllegalArgumentError: "bug",
    errors.MastodonIOError: "bug",  # a file of ours
    errors.MastodonFileNotFoundError: "bug",
    errors.MastodonNetworkError: "network",
    errors.MastodonReadTimeout: "network",
    errors.MastodonMalformedEventError: "network",
    errors.MastodonRatelimitError: "rate",
    errors.MastodonServerError: "server",
    errors.MastodonInternalServerError: "server",
    errors.MastodonBadGatewayError: "server",
    errors.MastodonServiceUnavailableError: "server",
    errors.MastodonGatewayTimeoutError: "server",
    errors.MastodonNotFoundError: "gone",
    errors.MastodonUnauthorizedError: "token",
    errors.MastodonAPIError: "by status",
}
BY_STATUS: dict[int, Meaning] = {401: "token", 403: "token", 404: "gone", 410: "gone"}
FOR_LATER = (408, 425, 429)


class _LastAnswer(threading.local):
    """Headers of the last answer, which the library's errors leave out; by thread, as we listen and post at once."""

    headers: Mapping[str, str] = MappingProxyType({})


class MastodonClient(Mastodon):
    """What a token may ask of one server."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url, self._last = base_url, _LastAnswer()
        session = requests.Session()
        session.hooks["response"] += [self._remember, self._stay_here]
        super().__init__(
            access_token=token,
            api_base_url=base_url,
            ratelimit_method="throw",
            request_timeout=REQUEST_TIMEOUT_S,
            mastodon_version="4.6.0",  # given, not asked for: asking goes round in circles where a server has no answer
            version_check_mode="created",  # with "none" the library ignores the version given, and refuses a cover
            session=session,
            user_agent="lnh",
        )

    @contextmanager
    def asking(self, *expected: type[Exception]) -> Iterator[None]:
        """Turn the library's errors into ours; Gone and Rejected only where they are expected.

        An answer out of shape is a server in trouble: it must not end what other networks have going.
        """
        try:
            yield
        except errors.MastodonError as error:
            ours = self._translated(error, expected)
            if ours is None:
                raise
            if isinstance(ours, (TryLater, NeedsOperator, *expected)):
                raise ours from error
            raise NeedsOperator(
                f"mastodon: {self._base_url} answered {_status(error)} to a plain question; is MASTODON_BASE_URL"
                " the address of a server that speaks Mastodon's API?"
            ) from error
        except OUT_OF_SHAPE as error:
            raise TryLater(60, f"mastodon: {self._base_url} answered out of shape ({type(error).__name__})") from error

    def _remember(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._last.headers = response.headers

    def _stay_here(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Follow nobody to another server: there a POST arrives as a GET, and without our token."""
        to = urlsplit(urljoin(response.url, response.headers["Location"] if response.is_redirect else ""))
        if to.hostname != urlsplit(response.url).hostname:
            raise NeedsOperator(
                f"mastodon: {self._base_url} sends us on to {to.scheme}://{to.netloc}; if that is the server's right"
                " address, write it into MASTODON_BASE_URL"
            )

    def _translated(self, error: errors.MastodonError, expected: tuple[type[Exception], ...]) -> Exception | None:
        """None for what is a bug of ours."""
        status, where = _status(error), f"mastodon: {self._base_url}"
        cause = type(error.__context__ or error).__name__  # its text could repeat what we sent
        ours: dict[Meaning, Callable[[], Exception | None]] = {
            "network": lambda: _elsewhere(error) or TryLater(30, f"{where} does not answer ({cause})"),
            "rate": lambda: TryLater(self._until_reset(), f"{where} asks us to slow down"),
            "server": lambda: TryLater(self._retry_after(60), f"{where} is in trouble ({status or 'no JSON'})"),
            "token": lambda: self._refused(status, may_be_forbidden=issubclass(Forbidden, expected)),
            "gone": lambda: Gone(f"{where} knows no such post any more ({status})"),
            "by status": lambda: Rejected(f"{where} does not take it ({status}: {_words(error)})"),
            "bug": lambda: None,
        }
        return ours[_meaning(error)]()

    def _refused(self, status: int | None, may_be_forbidden: bool) -> Exception:
        """A 403 can mean our token, our account, or one post alone, which must not stop us: an author who lets nobody
        answer, words that a firewall dislikes.
        """
        few_scopes = "insufficient_scope" in self._last.headers.get("WWW-Authenticate", "")
        if status == 403 and may_be_forbidden and not few_scopes:
            with self.asking():
                self.account_verify_credentials()
            return Forbidden(f"mastodon: {self._base_url} lets us do other things, but not this (403)")
        return NeedsOperator(
            f"mastodon: {self._base_url} refused the token in MASTODON_ACCESS_TOKEN ({status}); see that the account is"
            f" not suspended, and make a token with the scopes {SCOPES}"
        )

    def _retry_after(self, otherwise: float) -> float:
        return seconds_to_wait(self._last.headers.get("Retry-After"), otherwise)

    def _until_reset(self) -> float:
        reset = self.ratelimit_reset
        return self._retry_after(300 if reset is None else min(max(reset - time.time(), 1), 3600))


def _meaning(error: errors.MastodonError) -> Meaning:
    """The nearest class in the table; for an answer with a status, what the status means: the words are localised."""
    meaning = next(MEANINGS[kind] for kind in type(error).__mro__ if kind in MEANINGS)
    if meaning != "by status":
        return meaning
    status = _status(error)
    if status is None or status >= 500 or status in FOR_LATER:
        return "server"
    return BY_STATUS.get(status, "by status")


def _elsewhere(error: errors.MastodonError) -> NeedsOperator | None:
    """What we raised ourselves while the library waited for an answer: it calls all of that trouble of the network."""
    return error.__context__ if isinstance(error.__context__, NeedsOperator) else None


def _status(error: errors.MastodonError) -> int | None:
    """HTTP status; None when the answer was no JSON."""
    return error.args[1] if len(error.args) > 2 and isinstance(error.args[1], int) else None


def _words(error: errors.MastodonError) -> str:
    return " ".join(str(error.args[3]).split())[:200] if len(error.args) > 3 else ""
