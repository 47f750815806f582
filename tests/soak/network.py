"""Two networks over HTTP that lose, repeat and refuse things, and remember how they were answered."""

import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import RLock
from typing import Any, Protocol

import fake_mastodon
import fake_x
from fake_mastodon import FakeMastodon, as_event, make_account
from fake_x import FakeX
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler

from bot.platforms.x import FIRST_MS
from model.request import seed_of
from soak.calls import Call
from soak.faults import Fault

HTML = "<html><body><h1>Bad Gateway</h1></body></html>"
OLD = timedelta(minutes=10)
TIME_OUT_SECONDS = 3.0  # longer than the bot waits
LISTED_AFTER_SECONDS = 1.2  # until X lists a post of ours: longer than we look for it at a time
STREAM = "/streaming/user/notification"
HEARTBEAT_SECONDS = 1.0  # of the stream
OF_THE_LINE = "songs come before it"  # said beside the answer


class Network(Protocol):
    """A network as the soak sees it."""

    requests: Any
    streamed: int  # how many mentions were told by a stream, besides being listed

    def answer(self, request: Request) -> Response: ...

    def write(self, call: Call, *, shown: bool, created: datetime) -> str:
        """Someone posts; its id, which is that of its root."""
        ...

    def show(self, number: str) -> None:
        """Bring a post to us: for the first time, or once more."""
        ...

    def edit(self, number: str) -> None: ...

    def delete(self, number: str) -> None: ...

    def route(self, request: Request) -> str: ...

    def cut_streams(self) -> None: ...

    def slow_down(self, seconds: float | None) -> Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What we said to a call."""

    moment: float  # seconds, of the clock that does not jump
    words: str
    file: bytes  # b"" without one


class Answers:
    """What was said to whom."""

    def __init__(self) -> None:
        self.to: dict[str, list[Answer]] = {}  # by root

    def note(self, root: str, words: str, file: bytes) -> None:
        if OF_THE_LINE not in words:
            self.to.setdefault(root, []).append(Answer(moment=time.monotonic(), words=words, file=file))


class SoakMastodon(FakeMastodon):
    def __init__(self, answers: Answers, *, remembers_keys: bool) -> None:
        super().__init__()
        self.requests = deque(maxlen=10)
        self.remembers_keys = remembers_keys
        self._answers, self._unshown = answers, {}
        self._ears: list[SimpleQueue[str]] = []  # those who listen to the stream
        self.streamed = 0

    def write(self, call: Call, *, shown: bool, created: datetime) -> str:
        account = make_account(str(call.author), f"someone{call.author}@example.social")
        content = {"account": account, "content": f"<p>{call.text}</p>", "in_reply_to_id": None}
        status = self._keep({**content, "created_at": created.isoformat()})
        self._unshown[status["id"]] = self._row(status)
        if shown:
            self.show(status["id"])
        return status["id"]

    def show(self, number: str) -> None:
        if number in self.statuses:
            row = self._unshown.pop(number, None) or self._row(self.statuses[number])
            self.rows.append(row)
            self.rows.sort(key=lambda row: row["id"])
            ears = tuple(self._ears)
            for ear in ears:
                ear.put(as_event(row))
            self.streamed += bool(ears)

    def edit(self, number: str) -> None:
        self.statuses[number]["content"] = "<p>@lnh_ai Edited /compose /t 150</p>"

    def _answer(self, request: Request) -> Response:
        if request.path.endswith(STREAM):
            return Response(self._stream(), content_type="text/event-stream")
        return super()._answer(request)

    def _stream(self) -> Iterator[str]:
        """What is shown from now on, and a heartbeat when nothing is, until we or they hang up."""
        ear: SimpleQueue[str] = SimpleQueue()
        self._ears.append(ear)
        try:
            while ear in self._ears:
                try:
                    yield ear.get(timeout=HEARTBEAT_SECONDS)
                except Empty:
                    yield ":thump\n"
        finally:
            if ear in self._ears:
                self._ears.remove(ear)

    def cut_streams(self) -> None:
        self._ears.clear()

    def route(self, request: Request) -> str:
        if request.path.endswith(STREAM):
            return "stream"
        if request.method == "POST":
            return "upload" if request.path.endswith("/media") else "post"
        return "read" if request.path.endswith("/notifications") else "look"

    def slow_down(self, seconds: float | None) -> Response:
        if seconds is None:
            return fake_mastodon.problem(429, "Too many requests")
        reset = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        limits = {"X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        return fake_mastodon.problem(429, "Too many requests", **limits)

    def _row(self, status: dict[str, Any]) -> dict[str, Any]:
        created = datetime.now(UTC).isoformat()
        row = {"id": self._id(), "type": "mention", "account": status["account"], "status": status}
        return {**row, "created_at": created}

    def _keep(self, status: dict[str, Any]) -> dict[str, Any]:
        kept = super()._keep(status)
        if kept["account"]["id"] == fake_mastodon.OWN:
            file = self.media[kept["media"][0]]["file"] if kept["media"] else b""
            self._answers.note(kept["in_reply_to_id"], kept["content"], file)
        return kept


class SoakX(FakeX):
    """Lists a post of ours only after a while."""

    streamed = 0

    def __init__(self, answers: Answers) -> None:
        super().__init__(None)
        self.requests = deque(maxlen=10)
        self._answers = answers
        self._hidden: set[str] = set()
        self._once_more: list[str] = []
        self._listed_at: dict[str, float] = {}

    def write(self, call: Call, *, shown: bool, created: datetime) -> str:
        user = {"id": str(call.author), "name": "Someone", "username": f"someone{call.author}"}
        number = self.call(call.text, user, created_at=created.isoformat(timespec="milliseconds"))
        if not shown:
            self._hidden.add(number)
        return number

    def show(self, number: str) -> None:
        if number in self._hidden:
            self._hidden.remove(number)
        elif number in self.posts:
            self._once_more.append(number)

    def edit(self, number: str) -> None:
        self.keep(author_id=self.posts[number]["author_id"], text="@lnh_ai Edited /compose /t 150", edits=[number])

    def cut_streams(self) -> None:
        """There are none."""

    def route(self, request: Request) -> str:
        if "/media/" in request.path:
            return "upload"
        if request.method == "POST":
            return "post"
        return "read" if request.path.endswith("/mentions") else "look"

    def slow_down(self, seconds: float | None) -> Response:
        reset = {} if seconds is None else {"x-rate-limit-reset": str(int(time.time() + seconds))}
        return fake_x.problem(429, "Too Many Requests", **reset)

    def keep(self, **post: Any) -> dict[str, Any]:
        self._last = max(self._last, int(time.time() * 1000) - FIRST_MS << 22)  # ids tell the time
        kept = super().keep(**post)
        if kept["author_id"] == fake_x.OWN:
            self._listed_at[kept["id"]] = time.monotonic() + LISTED_AFTER_SECONDS
            media = kept["body"].get("media", {}).get("media_ids")
            root = self.posts[kept["refs"][0]["id"]]["edit_history"][0]
            self._answers.note(root, kept["text"], self.film(media[0]) if media else b"")
        return kept

    def _timeline(self, request: Request, posts: list[dict[str, Any]]) -> Response:
        now = time.monotonic()
        listed = [one for one in posts if one["id"] not in self._hidden and self._listed_at.get(one["id"], 0) <= now]
        response = super()._timeline(request, listed)
        if self._once_more and request.path.endswith("/mentions"):
            body, number = response.get_json(), self._once_more.pop()
            if number in self.posts:
                body.setdefault("data", []).append(self._shown(request, number))
                users = body.setdefault("includes", {}).setdefault("users", [])
                users.append(self.users[self.posts[number]["author_id"]])
                return fake_x.reply(body)
        return response


class Site:
    """A network behind HTTP: brings calls to us in their ways, and meets our requests with faults."""

    def __init__(self, name: str, network: Network, answers: Answers) -> None:
        self.name, self.network, self.answers = name, network, answers
        self.url = ""
        self.kill_bot: Callable[[], None] = lambda: None
        self.may_kill: Callable[[], bool] = lambda: True
        self.met: Counter[str] = Counter()
        self.refuses_since: float | None = None
        self._refusal = 401
        self._faults: list[Fault] = []
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._lock = RLock()
        self._deserving: set[str] = set()
        self.calls: dict[str, tuple[Call, float]] = {}  # root to call and its moment

    # ---- people

    def call(self, call: Call, delay_seconds: float) -> None:
        """Someone calls; what their way has in store comes later."""
        with self._lock:
            created = datetime.now(UTC) - (OLD if call.way == "old" else timedelta())
            number = self.network.write(call, shown=call.way != "late", created=created)
            self.calls[number] = (call, time.monotonic())
            if call.deserves_an_answer:
                self._deserving.add(number)
            then = {
                "twice": self.network.show, "late": self.network.show,
                "edited": self.network.edit, "deleted": self.network.delete,
            }.get(call.way)  # fmt: skip
            if then:
                self._later.append((time.monotonic() + delay_seconds, lambda: then(number)))

    def let_time_pass(self) -> None:
        """Do what is due."""
        with self._lock:
            due = [each for each in self._later if each[0] <= time.monotonic()]
            self._later = [each for each in self._later if each not in due]
            for _, deed in due:
                deed()

    @property
    def has_plans(self) -> bool:
        """Whether something will still come of what was called."""
        return bool(self._later)

    @property
    def waiting(self) -> int:
        """How many calls deserve an answer and have none."""
        with self._lock:
            return len(self._deserving - self.answers.to.keys())

    # ---- us

    def expect(self, fault: Fault) -> None:
        """Meet the next request of a route with a fault."""
        with self._lock:
            self._faults.append(fault)

    def put_right(self) -> None:
        """The operator has renewed the token, or paid."""
        self.refuses_since = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        if self.refuses_since is not None:
            return fake_mastodon.problem(self._refusal, "no")(environ, start_response)
        kind = self._meet(self.network.route(request))
        response = None if "before" in kind else self._answered(request) if not kind or "after" in kind else None
        if kind:
            response = self._fail(kind, environ)
        assert response is not None
        return response(environ, start_response)

    def _answered(self, request: Request) -> Response:
        with self._lock:
            return self.network.answer(request)

    def _meet(self, route: str) -> str:
        with self._lock:
            fault = next((each for each in self._faults if each.route == route), None)
            if fault is None or (fault.kind.startswith("bot killed") and not self.may_kill()):
                return ""
            self._faults.remove(fault)
            self.met[fault.kind] += 1
            return fault.kind

    def _fail(self, kind: str, environ: dict[str, Any]) -> Response:
        if kind in ("401", "402"):
            self._refusal, self.refuses_since = int(kind), time.monotonic()
            return fake_mastodon.problem(self._refusal, "no")
        if kind.startswith("429"):
            return self.network.slow_down(60.0 if "with a" in kind else None)
        if kind.startswith("5xx"):
            return Response(HTML, 502, content_type="text/html")
        if kind.startswith("time-out"):
            time.sleep(TIME_OUT_SECONDS)
        if kind.startswith("bot killed"):
            self.kill_bot()
        environ["werkzeug.socket"].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError(kind)


class QuietHandler(WSGIRequestHandler):
    """Writes no log."""

    def log(self, *_: Any) -> None:
        """Do not."""


def is_its_track(file: bytes, key: str) -> bool:
    """Whether a stub's file is that of a key."""
    return file.startswith(f"{seed_of(key)} by ".encode())
