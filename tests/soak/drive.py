"""The soak itself: people call, faults befall us, and at the end every call is looked at."""

import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Thread
from types import FrameType

from werkzeug.serving import make_server

from soak.calls import draw_calls
from soak.faults import NETWORKS, Fault, plan
from soak.house import House, open_house
from soak.network import Answers, Network, QuietHandler, Site, SoakMastodon, SoakX, is_its_track

BAND_SECONDS = 0.1
LINES = (2, 10, 40)  # unanswered calls at which people wait before they write; it changes as they write
OPERATOR_SECONDS = 1.0  # until somebody renews a token
AFTERWARDS_SECONDS = 3.0  # in which nothing may be answered once more
STARTING_SECONDS = 300.0  # that a busy machine may take
TICK_SECONDS = 0.1
ANSWERS_BETWEEN_KILLS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of the calls; those that went wrong are told by their keys."""

    posts: int
    streamed: int  # mentions that came by a stream as well as by polling
    faults: Counter[str]  # kind to how often it was met
    lost: list[str]
    doubled: list[str]
    trackless: list[str]  # answered, but not with their own track
    left_open: list[str]  # in the ledger
    stalled: bool  # for so long that no more was written
    longest_wait_seconds: float
    seconds: float

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.trackless or self.left_open or self.stalled)


def soak(
    posts: int,
    faults: int,
    seed: int,
    folder: Path,
    *,
    remembers_keys: bool,  # whether Mastodon honours idempotency keys
    stall_seconds: float = 300.0,  # without a new answer
    tell: Callable[[int], None] = lambda _: None,  # how many calls were written and need no more
) -> Report:
    """Write posts and let faults happen until every call that deserves an answer has one, or nothing moves any more."""
    began = time.monotonic()
    networks = {
        "mastodon": lambda answers: SoakMastodon(answers, remembers_keys=remembers_keys),
        "x": SoakX,
    }
    with ExitStack() as stack:
        sites = {name: stack.enter_context(_served(name, networks[name])) for name in NETWORKS}
        house = stack.enter_context(open_house(folder, {name: site.url for name, site in sites.items()}, BAND_SECONDS))
        driver = _Driver(sites, house, seed, plan(posts, faults, seed))
        with _heard(driver.end_early):
            driver.write(posts, stall_seconds, tell)
        driver.look_again()
        return driver.report(time.monotonic() - began)


@contextmanager
def _heard(end_early: Callable[[], None]) -> Iterator[None]:
    """Within, Ctrl-C ends things early instead of at once; a second one, at once."""

    def hear(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        end_early()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _served(name: str, make: Callable[[Answers], Network]) -> Iterator[Site]:
    answers = Answers()
    site = Site(name, make(answers), answers)
    server = make_server("127.0.0.1", 0, site, threaded=True, request_handler=QuietHandler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Driver:
    def __init__(self, sites: dict[str, Site], house: House, seed: int, faults: list[Fault]) -> None:
        self._sites, self._house, self._seed, self._faults = sites, house, seed, faults
        self._rng, self._fallen = Random(f"drive-{seed}"), Counter[str]()
        self._answered_at_kill = 0
        self._ends_early = self._stalled = False
        for site in sites.values():
            site.kill_bot, site.may_kill = self._kill_bot, self._may_kill

    def end_early(self) -> None:
        """Write no more calls; those that are written are waited for."""
        self._ends_early = True

    def write(self, posts: int, stall_seconds: float, tell: Callable[[int], None]) -> None:
        """One call after the other, as the line allows; then until all is answered or nothing moves."""
        self._await_readers()
        calls = draw_calls(posts, self._seed)
        written, line, before, moved = 0, LINES[0], 0, time.monotonic()
        while time.monotonic() - moved < stall_seconds:
            waiting = self._tick()
            posts = written if self._ends_early else posts
            while written < posts and waiting < line:
                call = calls[written]
                self._sites[call.network].call(call, self._rng.uniform(0.3, 2.0))
                written, waiting = written + 1, waiting + call.deserves_an_answer
                line = self._rng.choice(LINES) if written % 20 == 0 else line
                self._let_happen(written)
            self._let_happen(written)
            if written - waiting > before:
                before, moved = written - waiting, time.monotonic()
                tell(before)
            if written == posts and not waiting and not any(site.has_plans for site in self._sites.values()):
                return
            time.sleep(TICK_SECONDS)
        self._stalled = True
        self._house.bot.ask_where_it_stands()

    def look_again(self) -> None:
        """Start everything anew on an empty Redis, and wait: nothing may come of it."""
        self._house.bot.end()
        self._house.empty_redis()
        self._house.revive()
        self._await_readers(since=time.time())
        until = time.monotonic() + AFTERWARDS_SECONDS
        while time.monotonic() < until or (self._left_open() and time.monotonic() < until + STARTING_SECONDS):
            self._tick()
            time.sleep(TICK_SECONDS)

    def report(self, seconds: float) -> Report:
        lost, doubled, trackless, waits = [], [], [], [0.0]
        for name, site in self._sites.items():
            for root, (call, moment) in site.calls.items():
                key, answers = f"{name}-{root}", site.answers.to.get(root, [])
                waits += [answers[0].moment - moment] if answers else []
                lost += [key] if call.deserves_an_answer and not answers else []
                doubled += [key] if len(answers) > 1 else []
                trackless += [key] if not all(_suits(key, call.way, answer.file) for answer in answers) else []
        met = sum((site.met for site in self._sites.values()), self._fallen)
        return Report(
            posts=sum(len(site.calls) for site in self._sites.values()),
            streamed=sum(site.network.streamed for site in self._sites.values()), faults=met,
            lost=lost, doubled=doubled, trackless=trackless, left_open=self._left_open(), stalled=self._stalled,
            longest_wait_seconds=max(waits), seconds=seconds,
        )  # fmt: skip

    def _tick(self) -> int:
        """Let things take their course for a moment; how many calls wait for an answer."""
        self._house.revive()
        for site in self._sites.values():
            site.let_time_pass()
            if site.refuses_since is not None and time.monotonic() - site.refuses_since > OPERATOR_SECONDS:
                site.put_right()
        return sum(site.waiting for site in self._sites.values())

    def _let_happen(self, written: int) -> None:
        """What is due; one after the other, so that a kill that must wait keeps those after it waiting."""
        while self._faults and self._faults[0].after < written and (self._faults[0].network or self._may_kill()):
            fault = self._faults[0]
            if fault.network:
                self._sites[fault.network].expect(fault)
            elif self._fall(fault.kind):
                self._fallen[fault.kind] += 1
            else:
                return
            self._faults.pop(0)

    def _may_kill(self) -> bool:
        """A job on which three processes die is given up as poison, so we let some be answered between two kills."""
        return self._answered() >= self._answered_at_kill + ANSWERS_BETWEEN_KILLS

    def _answered(self) -> int:
        return sum(len(site.answers.to) for site in self._sites.values())

    def _kill_bot(self) -> None:
        self._answered_at_kill = self._answered()
        self._house.bot.kill()

    def _fall(self, kind: str) -> bool:
        """Let it happen; False while nobody composes who could be killed at that."""
        house = self._house
        victim = house.who_composes() if kind == "worker killed while it composes" else self._rng.choice(house.workers)
        if victim is None:
            return False
        self._answered_at_kill = self._answered() if kind != "stream cut" else self._answered_at_kill
        {
            "bot killed": house.bot.kill,
            "bot told to stop": house.bot.end,
            "worker killed": victim.kill,
            "worker killed while it composes": victim.kill,
            "Redis killed": house.redis.kill,
            "Redis wiped": house.wipe_redis,
            "Redis killed and emptied": house.empty_redis,
            "stream cut": self._sites["mastodon"].network.cut_streams,
        }[kind]()
        return True

    def _await_readers(self, since: float = 0.0) -> None:
        """Until each network was read to its end; what is older than the first time is not answered."""
        deadline = time.monotonic() + STARTING_SECONDS
        while len(self._rows("SELECT platform FROM bookmarks WHERE polled_at > ?", since)) < len(NETWORKS):
            assert time.monotonic() < deadline, self._house.bot.log()
            self._tick()
            time.sleep(TICK_SECONDS)

    def _left_open(self) -> list[str]:
        return [key for (key,) in self._rows("SELECT key FROM posts WHERE open")]

    def _rows(self, query: str, *values: float) -> list[tuple[str]]:
        try:
            with closing(sqlite3.connect(f"file:{self._house.ledger}?mode=ro", uri=True, timeout=30)) as ledger:
                return ledger.execute(query, values).fetchall()
        except sqlite3.OperationalError:  # it is being made
            return []


def _suits(key: str, way: str, file: bytes) -> bool:
    return not file if way == "help" else is_its_track(file, key)
