import time

import pytest
from fake_network import make_mention
from stub_studio import make_request

from bot.housekeeping import Housekeeping, Keeping
from bot.ledger import Ledger
from bot.manners import DAY_SECONDS, USUAL
from model.errors import NeedsOperator
from worker.store import Store
from worker.track import MP3, Track


@pytest.fixture
def ledger(tmp_path):
    """With a song that was posted, one that is played, and one that its author called off."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for number, author in (("1", "posted"), ("2", "played"), ("3", "stopped")):
        ledger.keep("mastodon", [make_mention(root_id=number, author_id=author)], number)
        ledger.accept(make_request(f"mastodon-{number}"), [])
    ledger.rendered("mastodon-1", track("mastodon-1"))
    ledger.uploaded("mastodon-1", "media-7")
    ledger.answered("mastodon-1", "reply-8")
    ledger.keep("mastodon", [make_mention(root_id="4", author_id="stopped")], "4")
    ledger.stop("mastodon-4")
    return ledger


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "tracks"))
    for number in (1, 2):
        (tmp_path / f"mastodon-{number}.mp3").write_text("music")
        store.put(tmp_path, track(f"mastodon-{number}"))
    return store


def track(key):
    return Track(key=key, media_types=(MP3,), seconds=45.0, musical_key="E minor", players=(), stage_seconds={})


def tidy_in(days, ledger, store, monkeypatch):
    now = time.time()
    monkeypatch.setattr("bot.housekeeping.time.time", lambda: now + days * DAY_SECONDS)
    Housekeeping(ledger, store, Keeping(tracks_seconds=7 * DAY_SECONDS, rows_seconds=30 * DAY_SECONDS)).tidy()


def names(store):
    return sorted(file.name for file in store.folder.iterdir())


def test_tracks_go_before_rows_and_what_is_open_stays(ledger, store, monkeypatch):
    tidy_in(6, ledger, store, monkeypatch)
    assert names(store) == ["mastodon-1.mp3", "mastodon-2.mp3"]

    tidy_in(8, ledger, store, monkeypatch)
    assert (names(store), len(ledger.posts())) == (["mastodon-2.mp3"], 4)

    tidy_in(31, ledger, store, monkeypatch)
    assert (names(store), [post.key for post in ledger.posts()]) == (["mastodon-2.mp3"], ["mastodon-2"])


def test_who_stopped_stays_stopped_when_the_row_that_says_so_is_gone(ledger, store, monkeypatch):
    tidy_in(400, ledger, store, monkeypatch)

    assert ledger.find("mastodon-4") is None
    assert ledger.has_stopped("mastodon", "stopped")


def test_a_store_that_does_not_answer_stops_nothing(ledger, store, monkeypatch, caplog):
    def refuse(*_, **__):
        raise ConnectionError("no such bucket")

    monkeypatch.setattr(store, "sweep", refuse)

    tidy_in(400, ledger, store, monkeypatch)

    assert "cannot be swept: ConnectionError: no such bucket" in caplog.text


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"LNH_KEEP_ROWS_DAYS": "0.5"}, r"LNH_KEEP_ROWS_DAYS is 0\.5; give 1 at least"),
        ({"LNH_KEEP_TRACKS_DAYS": "never"}, "LNH_KEEP_TRACKS_DAYS is 'never'; write a number above 0"),
    ],
)
def test_what_is_kept_too_short_or_not_told_in_days_is_the_operators_matter(variables, error):
    with pytest.raises(NeedsOperator, match=error):
        Keeping.from_environment(variables, USUAL)


def test_days_are_days():
    keeping = Keeping.from_environment({"LNH_KEEP_ROWS_DAYS": "30", "LNH_KEEP_TRACKS_DAYS": "0.5"}, USUAL)

    assert keeping == Keeping(rows_seconds=30 * DAY_SECONDS, tracks_seconds=DAY_SECONDS / 2)
