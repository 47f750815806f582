"""tweepy's client for X, with time-outs, our host, our errors, and the media upload that it does not have."""

import logging
import time
from collections.abc import Callable
from typing import Any, Literal, NoReturn

import requests
import tweepy

from bot.platforms.base import Forbidden, Gone, Rejected, TryLater, seconds_to_wait
from model.errors import NeedsOperator

API = "https://api.x.com"
TWEEPY_HOST = "https://api.twitter.com"  # what tweepy writes into every request
TIMEOUTS_S = (10.0, 30.0)  # to connect, to hear something
WINDOW_S = 900.0  # in which X counts requests
TELLTALES = ("tweepy", "requests_oauthlib", "oauthlib")  # loggers that write Authorization, or what signs it, at DEBUG
VARIABLES = "X_API_KEY, X_API_SECRET, X_ACCESS_TOKEN and X_ACCESS_SECRET"

Meaning = Literal["network", "rate", "server", "token", "forbidden", "gone", "by status", "bug"]
MEANINGS: dict[type[Exception], Meaning] = {
    tweepy.TweepyException: "bug",
    tweepy.HTTPException: "by status",
    tweepy.BadRequest: "by status",
    tweepy.Unauthorized: "token",
    tweepy.Forbidden: "forbidden",
    tweepy.NotFound: "gone",
    tweepy.TooManyRequests: "rate",
    tweepy.TwitterServerError: "server",
    requests.RequestException: "network",
}
BY_STATUS: dict[int, type[tweepy.HTTPException]] = {
    400: tweepy.BadRequest,
    401: tweepy.Unauthorized,
    403: tweepy.Forbidden,
    404: tweepy.NotFound,
    429: tweepy.TooManyRequests,
}
FOR_LATER = (408, 409, 425)
DUPLICATE_CODE = 187
GONE_CODES = (144, 385, 433)  # no such post, hidden from us, its author lets nobody answer
OUR_ACCOUNT_CODES = (32, 64, 89, 261, 326)  # not us, suspended, bad token, app without writing, locked
OUR_APP_PROBLEMS = ("client-forbidden", "oauth1-permissions", "unsupported-authentication", "usage-capped")


class Duplicate(Rejected):
    """X has a post of ours with these words already: perhaps the very one that we are about to write."""


class XClient(tweepy.Client):  # type: ignore[misc]
    """Asks X as one user (OAuth 1.0a); every error comes out as one of ours."""

    def __init__(self, key: str, secret: str, token: str, token_secret: str, base_url: str = API) -> None:
        super().__init__(
            consumer_key=key,
            consumer_secret=secret,
            access_token=token,
            access_token_secret=token_secret,
            return_type=dict,  # its models break on the renamed fields
            wait_on_rate_limit=False,  # it loops hot when the reset header is missing
        )
        self.session = Session(base_url)
        for name in TELLTALES:
            logging.getLogger(name).setLevel(logging.INFO)

    def ask(self, method: str, route: str, **what: Any) -> dict[str, Any]:
        """The JSON object that X answers; `params` or `json` go with the question.

        Raises:
            TryLater: Time will mend it.
            NeedsOperator: X refuses our keys, our account, or wants money.
            Gone: There is no such post for us.
            Forbidden: We are let in, but not let do this.
            Duplicate: These words were posted already.
            Rejected: X will never take it.
        """
        try:
            answer = self.request(method, route, user_auth=True, **what).json()
        except (tweepy.TweepyException, requests.RequestException) as error:
            raise_ours(error)
        except (ValueError, AttributeError, TypeError) as error:  # tweepy stumbles over a body or header out of shape
            raise TryLater(60, "x: X answered something that nobody can read") from error
        if not isinstance(answer, dict):
            raise TryLater(60, "x: X answered something that nobody can read")
        return answer

    def append(self, media_id: str, index: int, chunk: bytes) -> None:
        """Send one piece of a file, as multipart; raises what `ask` does."""
        user = tweepy.OAuth1UserHandler(
            self.consumer_key, self.consumer_secret, self.access_token, self.access_token_secret
        )
        try:
            response = self.session.post(
                f"{TWEEPY_HOST}/2/media/upload/{media_id}/append",
                data={"segment_index": str(index)},
                files={"media": ("segment", chunk, "application/octet-stream")},
                headers={"User-Agent": self.user_agent},
                auth=user.apply_auth(),
            )
            if not response.ok:
                raise _tweepy_error(response)
        except (tweepy.TweepyException, requests.RequestException) as error:
            raise_ours(error)


class Session(requests.Session):
    """The way to X: to another host than tweepy's, and never without a time-out."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url.rstrip("/")

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """As always."""
        kwargs.setdefault("timeout", TIMEOUTS_S)
        return super().request(method, str(url).replace(TWEEPY_HOST, self._base_url, 1), *args, **kwargs)


def _tweepy_error(response: requests.Response) -> tweepy.HTTPException:
    """The class that tweepy itself would have raised."""
    other = tweepy.TwitterServerError if response.status_code >= 500 else tweepy.HTTPException
    problem = _problem(response)
    return BY_STATUS.get(response.status_code, other)(response, response_json=problem)


def raise_ours(error: Exception) -> NoReturn:
    """Raise our error for one of the libraries'; what is a bug falls as it is."""
    meaning = next(MEANINGS[kind] for kind in type(error).__mro__ if kind in MEANINGS)
    if meaning == "bug":
        raise error
    raise OURS[meaning](error) from error


def _network(error: Exception) -> Exception:
    return TryLater(30, f"x: X does not answer ({type(error).__name__})")


def _rate(error: Any) -> Exception:
    reset = error.response.headers.get("x-rate-limit-reset")
    wait = float(reset) - time.time() if reset and reset.isdecimal() else WINDOW_S
    asked = seconds_to_wait(error.response.headers.get("retry-after"), wait)
    return TryLater(min(max(asked, 15.0), 3600.0), "x: X asks us to slow down")


def _server(error: Any) -> Exception:
    wait = seconds_to_wait(error.response.headers.get("retry-after"), 60)
    return TryLater(wait, f"x: X is in trouble ({error.response.status_code})")


def _token(error: Any) -> Exception:
    return NeedsOperator(
        f"x: X refused our keys ({error.response.status_code}: {_words(error)}); make new ones in its developer portal"
        f" and put them into {VARIABLES}"
    )


def _forbidden(error: Any) -> Exception:
    words = _words(error)
    if DUPLICATE_CODE in error.api_codes or "duplicate" in words.casefold():
        return Duplicate(f"x: X has these words of ours already (403: {words})")
    ours = any(code in error.api_codes for code in OUR_ACCOUNT_CODES)
    if ours or str(_problem(error.response).get("type", "")).endswith(OUR_APP_PROBLEMS):
        return NeedsOperator(
            f"x: X does not let our account or app do this (403: {words}); see that the account is not locked, that the"
            f" app may read and write, and renew {VARIABLES} after a change"
        )
    if _is_gone(error):
        return Gone(f"x: the post is gone (403: {words})")
    return Forbidden(f"x: X does not let us do this (403: {words})")


def _gone(error: Any) -> Exception:
    return Gone(f"x: X knows no such post any more ({error.response.status_code}: {_words(error)})")


def _is_gone(error: Any) -> bool:
    told = any(code in error.api_codes for code in GONE_CODES) or "deleted or not visible" in _words(error)
    return told or error.response.status_code == 410


def _by_status(error: Any) -> Exception:
    status, words = error.response.status_code, _words(error)
    if status == 402:
        return NeedsOperator(f"x: X wants to be paid (402: {words}); add credits in its developer portal")
    if status in FOR_LATER:
        return TryLater(30, f"x: X could not answer in time ({status})")
    if _is_gone(error):
        return Gone(f"x: the post is gone ({status}: {words})")
    return Rejected(f"x: X does not take it ({status}: {words})")


OURS: dict[Meaning, Callable[[Any], Exception]] = {
    "network": _network,
    "rate": _rate,
    "server": _server,
    "token": _token,
    "forbidden": _forbidden,
    "gone": _gone,
    "by status": _by_status,
}


def _problem(response: requests.Response) -> dict[str, Any]:
    """The body of an error; {} when it is HTML or anything else than an object."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _words(error: Any) -> str:
    said = " ".join(str(one) for one in error.api_messages)
    return " ".join(said.split())[:200] or str(error.response.reason)
