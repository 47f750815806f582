"""Each network as the contract tests see it: people call, the band answers."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import fake_mastodon
import fake_x
from fake_mastodon import FakeMastodon, make_account
from fake_x import FakeX
from pytest_httpserver import HTTPServer
from werkzeug import Response

from bot.platforms import mastodon, x
from bot.platforms.base import Platform
from bot.platforms.console import ConsolePlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the band posted."""

    text: str
    media_id: str | None


class World(Protocol):
    def connect(self) -> Platform: ...

    def call(self, text: str) -> str: ...

    def answers(self) -> list[Answer]: ...


class ConsoleWorld:
    def __init__(self, folder: Path) -> None:
        self._out = io.StringIO()
        self._platform = ConsolePlatform([], self._out, folder)
        self._calls = 0

    def connect(self) -> Platform:
        return self._platform

    def call(self, text: str) -> str:
        self._platform.hear(text)
        self._calls += 1
        return str(self._calls)

    def answers(self) -> list[Answer]:
        printed = re.findall(r"^→ (.*)(?:\n  (.*))?", self._out.getvalue(), re.MULTILINE)
        return [Answer(text=text, media_id=files or None) for text, files in printed]


class NetworkWorld(Protocol):
    """What can be tried with a server, and not on a console."""

    secrets: tuple[str, ...]
    variables: tuple[str, ...]  # at least one must be named when the token is refused

    def connect(self, *, good_token: bool = True) -> Platform: ...

    def call(self, text: str) -> str: ...

    def call_from_bot(self, text: str) -> str: ...

    def call_from_ourselves(self, text: str) -> str: ...

    def call_in_answer(self, text: str, number: str) -> str: ...

    def delete(self, number: str) -> None: ...

    def answers(self) -> list[Answer]: ...

    def fail_reading(self, response: Response) -> None: ...

    def fail_posting(self, response: Response, *, after_the_deed: bool) -> None: ...

    def fail_uploading(self, response: Response) -> None: ...

    def fail_deleting(self, response: Response) -> None: ...

    def fail_asking_who_we_are(self, response: Response) -> None: ...


class MastodonWorld:
    secrets = (fake_mastodon.TOKEN,)
    variables = ("MASTODON_ACCESS_TOKEN",)

    def __init__(self, server: HTTPServer) -> None:
        self.fake = FakeMastodon()
        self.url = server.url_for("").rstrip("/")
        server.expect_request(re.compile(".*")).respond_with_handler(self.fake.answer)

    def connect(self, *, good_token: bool = True) -> mastodon.MastodonPlatform:
        token = fake_mastodon.TOKEN if good_token else "another-token-1234"
        return mastodon.MastodonPlatform(self.url, token, sleep=lambda _: None)

    def call(self, text: str) -> str:
        return self.fake.call(f"<p>{text}</p>")

    def call_from_bot(self, text: str) -> str:
        return self.fake.call(f"<p>{text}</p>", make_account("2", "robot", bot=True))

    def call_from_ourselves(self, text: str) -> str:
        return self.fake.call(f"<p>{text}</p>", make_account(fake_mastodon.OWN, "lnh_ai"))

    def call_in_answer(self, text: str, number: str) -> str:
        return self.fake.call(f"<p>{text}</p>", in_reply_to_id=number)

    def delete(self, number: str) -> None:
        self.fake.delete(number)

    def answers(self) -> list[Answer]:
        return [Answer(text=one["content"], media_id=next(iter(one["media"]), None)) for one in self.fake.answers()]

    def fail_reading(self, response: Response) -> None:
        self.fake.troubles.plan("GET", "/notifications", response)

    def fail_posting(self, response: Response, *, after_the_deed: bool) -> None:
        self.fake.troubles.plan("POST", "/statuses", response, after_the_deed=after_the_deed)

    def fail_uploading(self, response: Response) -> None:
        self.fake.troubles.plan("POST", "/media", response)

    def fail_deleting(self, response: Response) -> None:
        self.fake.troubles.plan("DELETE", "/statuses", response)

    def fail_asking_who_we_are(self, response: Response) -> None:
        self.fake.troubles.plan("GET", "/verify_credentials", response)


class XWorld:
    secrets = fake_x.KEYS
    variables = ("X_API_KEY", "X_ACCESS_TOKEN")

    def __init__(self, server: HTTPServer, fake: FakeX) -> None:
        self.fake = fake
        self.url = server.url_for("").rstrip("/")
        server.expect_request(re.compile(".*")).respond_with_handler(self.fake.answer)

    def connect(self, *, good_token: bool = True) -> x.XPlatform:
        keys = fake_x.KEYS if good_token else ("a", "b", "900-c", "d")
        return x.XPlatform(x.XClient(*keys, base_url=self.url), sleep=lambda _: None)

    def call(self, text: str) -> str:
        return self.fake.call(text)

    def call_from_bot(self, text: str) -> str:
        shy = {"id": "2", "name": "Robot", "username": "robot", "description": "beep #NoBot"}
        return self.fake.call(text, shy)

    def call_from_ourselves(self, text: str) -> str:
        return self.fake.call(text, self.fake.users[fake_x.OWN])

    def call_in_answer(self, text: str, number: str) -> str:
        return self.fake.call(text, refs=[{"type": "replied_to", "id": number}])

    def delete(self, number: str) -> None:
        self.fake.delete(number)

    def answers(self) -> list[Answer]:
        bodies = [post["body"] for post in self.fake.answers() if "body" in post]
        return [Answer(text=one["text"], media_id=one.get("media", {}).get("media_ids", [None])[0]) for one in bodies]

    def fail_reading(self, response: Response) -> None:
        self.fake.troubles.plan("GET", "/mentions", response)

    def fail_posting(self, response: Response, *, after_the_deed: bool) -> None:
        self.fake.troubles.plan("POST", "/2/tweets", response, after_the_deed=after_the_deed)

    def fail_uploading(self, response: Response) -> None:
        self.fake.troubles.plan("POST", "/initialize", response)

    def fail_deleting(self, response: Response) -> None:
        self.fake.troubles.plan("DELETE", "/2/tweets", response)

    def fail_asking_who_we_are(self, response: Response) -> None:
        self.fake.troubles.plan("GET", "/users/me", response)
