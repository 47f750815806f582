import time

import pytest

from bot import gates
from bot.counters import REFUSED
from bot.gates import RETRY_SECONDS, Gates
from bot.platforms.base import Closed

MASTODON, X = Closed("mastodon", "mastodon: no"), Closed("x", "x: pay first")


def shown(name):
    return REFUSED.labels(name)._value.get()


def test_a_network_that_refuses_us_is_left_alone_for_a_while(monkeypatch):
    both = Gates(["mastodon", "x"])

    both.refused(X, "answering")

    assert (both.is_shut("x"), both.is_shut("mastodon")) == (True, False)
    monkeypatch.setattr(gates.time, "monotonic", lambda real=time.monotonic: real() + RETRY_SECONDS)
    assert not both.is_shut("x")


def test_the_log_says_once_that_it_refuses_and_once_that_it_does_no_more(caplog):
    both = Gates(["mastodon", "x"])

    both.refused(X, "reading")
    both.refused(X, "reading")
    both.let_in("x", "reading")
    both.let_in("x", "reading")

    assert [record.getMessage() for record in caplog.records] == [
        "x: pay first; asking again every 15 minutes, and going on with mastodon", "x: lets us in again",
    ]  # fmt: skip


def test_who_may_read_may_not_therefore_answer():
    both = Gates(["mastodon", "x"])
    both.refused(X, "answering")

    both.let_in("x", "reading")

    assert both.is_shut("x")
    both.let_in("x", "answering")
    assert not both.is_shut("x")


def test_a_bot_whom_nobody_lets_in_at_its_start_ends():
    both = Gates(["mastodon", "x"])
    both.refused(X, "reading")

    with pytest.raises(Closed, match="mastodon: no"):
        both.refused(MASTODON, "reading")


def test_a_bot_that_was_let_in_waits_for_its_operator():
    both = Gates(["mastodon", "x"])
    both.let_in("x", "reading")
    both.refused(X, "reading")

    both.refused(MASTODON, "reading")

    assert both.is_shut("mastodon")


def test_the_figures_show_who_refuses_us():
    both = Gates(["mastodon", "x"])
    assert (shown("mastodon"), shown("x")) == (0, 0)

    both.refused(X, "answering")
    assert (shown("mastodon"), shown("x")) == (0, 1)

    both.let_in("x", "answering")
    assert shown("x") == 0
