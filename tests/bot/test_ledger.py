import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from unittest.mock import ANY

import pytest
from fake_network import make_mention
from stub_studio import make_request

from bot.ledger import Ledger
from bot.post import LONGEST_TEXT, mention_json
from bot.tables import STEPS
from bot.title import same_title
from model.errors import NeedsOperator
from worker.track import MP3, PNG, Track

TRACK = Track(
    key="mastodon-1", media_types=(MP3, PNG), seconds=45.0, musical_key="E minor", players=("drums",), stage_seconds={}
)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "data" / "ledger.sqlite")
    yield ledger
    ledger.close()


def keep(ledger, *root_ids, author="someone"):
    ledger.keep("mastodon", [make_mention(root_id=root_id, author_id=author) for root_id in root_ids], "9")


def test_there_is_no_bookmark_before_the_first_start(ledger):
    assert ledger.bookmark("mastodon") is None


def test_a_post_seen_twice_has_one_row(ledger):
    keep(ledger, "1")
    ledger.accept(make_request("mastodon-1"), [])

    keep(ledger, "1", "2")

    assert [(post.key, post.state) for post in ledger.posts()] == [("mastodon-1", "accepted"), ("mastodon-2", "seen")]


def test_a_mention_survives_the_trip_through_the_ledger(ledger):
    mention = make_mention(root_id="1", content_warning="loud", visibility="direct")

    ledger.keep("mastodon", [mention], "1")

    assert ledger.find("mastodon-1").mention == mention


def test_a_post_without_end_is_cut(ledger):
    ledger.keep("mastodon", [make_mention("la " * 10**6, root_id="1", content_warning="lo " * 10**6)], "1")

    mention = ledger.find("mastodon-1").mention
    assert (len(mention.text), len(mention.content_warning)) == (LONGEST_TEXT, LONGEST_TEXT)
    assert mention.text.startswith("la la")


def test_what_someone_wrote_is_kept_until_it_is_finished_or_can_not_be_tried_again(ledger):
    keep(ledger, *"124576")
    keep(ledger, "3", author="other")
    for key in ("mastodon-1", "mastodon-2", "mastodon-3"):
        ledger.accept(make_request(key), [])
    ledger.answered("mastodon-1", "reply-1")
    ledger.fail("mastodon-2", "a string snapped")
    ledger.answered("mastodon-2", "sorry")
    ledger.close_post("mastodon-3", "given up after a day")
    ledger.refuse("mastodon-4", "Sorry.")
    ledger.answered("mastodon-4", "reply-4")
    ledger.leave("mastodon-5", "its author is blocked")
    ledger.stop("mastodon-6")

    kept = {post.key for post in ledger.posts() if post.mention.text}

    assert kept == {"mastodon-3"}
    assert ledger.find("mastodon-1").mention == replace(make_mention(root_id="1"), text="", created_at=ANY)
    assert ledger.retry("mastodon-3")
    ledger.answered("mastodon-3", "reply-3")
    assert ledger.find("mastodon-3").mention.text == ""


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda ledger: ledger.counts(), "COVERING INDEX states"),
        (lambda ledger: ledger.unfinished("mastodon"), "INDEX open_posts"),
        (lambda ledger: ledger.oldest_waiting(), "INDEX open_posts"),
        (lambda ledger: ledger.last_failure(), "INDEX states"),
    ],
)
def test_what_is_asked_often_is_known_without_reading_a_year_of_rows(ledger, ask, index):
    queries = []
    ledger._db.set_trace_callback(queries.append)

    ask(ledger)

    ledger._db.set_trace_callback(None)
    (plan, *_) = ledger._read(f"EXPLAIN QUERY PLAN {queries[0]}")
    assert f"USING {index}" in plan["detail"]


def test_the_bookmark_moves_with_its_rows_or_not_at_all(ledger):
    def mentions():
        yield make_mention(root_id="1")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        ledger.keep("mastodon", mentions(), "1")

    assert ledger.bookmark("mastodon") is None
    assert ledger.posts() == []


def test_what_was_committed_is_there_after_a_restart(tmp_path):
    first = Ledger(tmp_path / "ledger.sqlite")
    keep(first, "1")

    again = Ledger(tmp_path / "ledger.sqlite")

    assert again.bookmark("mastodon") == "9"
    assert again.find("mastodon-1").state == "seen"


def test_a_take_counts_how_often_an_author_has_had_a_title_played(ledger):
    keep(ledger, "1", "2", "3")
    keep(ledger, "4", author="someone else")

    takes = [
        ledger.accept(make_request(f"mastodon-{number}", title), []).take
        for number, title in [(1, "Dancing robots"), (2, "  DANCING  robots! "), (3, "Dancing"), (4, "Dancing robots")]
    ]

    assert takes == [1, 2, 1, 1]


def test_a_take_that_failed_was_not_played(ledger):
    keep(ledger, "1", "2")
    ledger.accept(make_request("mastodon-1"), [])
    ledger.fail("mastodon-1", "a string snapped")

    assert ledger.accept(make_request("mastodon-2"), []).take == 1


def test_titles_of_marks_alone_are_told_apart():
    assert same_title("!!!") != same_title("???")
    assert same_title("Ｄancing “robots”…") == same_title("dancing “Robots")


def test_a_song_goes_from_seen_to_posted_and_every_step_has_its_time(ledger):
    keep(ledger, "1")
    ledger.accept(make_request("mastodon-1"), ["We took metal for heavy-metal."])
    ledger.composing("mastodon-1")
    ledger.rendered("mastodon-1", TRACK)
    ledger.uploaded("mastodon-1", "media-7")
    ledger.answered("mastodon-1", "reply-8")

    post = ledger.find("mastodon-1")

    assert (post.state, post.open, post.media_id, post.reply_id) == ("posted", False, "media-7", "reply-8")
    assert (post.track, post.remarks) == (TRACK, ("We took metal for heavy-metal.",))
    assert list(post.times) == ["seen", "accepted", "composing", "rendered", "uploaded", "posted"]


def test_no_step_goes_back(ledger):
    keep(ledger, "1")
    ledger.accept(make_request("mastodon-1"), [])
    ledger.rendered("mastodon-1", TRACK)
    ledger.uploaded("mastodon-1", "media-7")

    ledger.composing("mastodon-1")
    ledger.rendered("mastodon-1", TRACK)

    assert ledger.find("mastodon-1").state == "uploaded"


def test_what_is_posted_can_no_longer_fail(ledger):
    keep(ledger, "1")
    ledger.accept_help("mastodon-1")
    ledger.answered("mastodon-1", "reply-8")

    ledger.fail("mastodon-1", "too late")

    assert ledger.find("mastodon-1").state == "posted"


def test_a_refusal_is_open_until_it_was_said_and_stays_a_refusal(ledger):
    keep(ledger, "1")
    ledger.refuse("mastodon-1", "Sorry, /t wants a tempo.")
    assert [post.key for post in ledger.unfinished("mastodon")] == ["mastodon-1"]

    ledger.answered("mastodon-1", "reply-8")

    assert ledger.unfinished("mastodon") == []
    assert ledger.find("mastodon-1").state == "refused"


def test_a_post_that_asks_for_nothing_is_forgotten_and_may_ask_later(ledger):
    keep(ledger, "1")

    ledger.drop("mastodon-1")

    assert ledger.posts() == []


def test_what_waits_is_not_put_back_before_its_time(ledger):
    keep(ledger, "1", "2")

    ledger.wait("mastodon-1", 60)

    assert [post.key for post in ledger.unfinished("mastodon")] == ["mastodon-2"]


def test_a_full_disk_is_one_sentence(ledger):
    keep(ledger, "1")
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(NeedsOperator, match=r"ledger.sqlite: database or disk is full; make room") as error:
        keep(ledger, *map(str, range(2, 500)))

    assert "\n" not in str(error.value)
    assert [post.key for post in ledger.posts()] == ["mastodon-1"]


def test_a_ledger_that_another_process_holds_is_not_taken_for_a_full_disk(ledger, tmp_path):
    ledger._db.execute("PRAGMA busy_timeout = 10")

    with closing(sqlite3.connect(tmp_path / "data" / "ledger.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NeedsOperator, match=r"sqlite: database is locked; another process holds it") as told:
            keep(ledger, "1")

    assert "make room" not in str(told.value)
    keep(ledger, "1")


def test_a_ledger_that_is_no_database_is_one_sentence(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database" * 100)

    with pytest.raises(NeedsOperator, match=r"file is not a database; .* `lnh ledger restore` a back-up"):
        Ledger(tmp_path / "ledger.sqlite")


def test_a_ledger_of_the_first_version_goes_on(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        for statement in STEPS[0]:
            db.execute(statement)
        mention = '{"platform": "mastodon", "id": "1", "root_id": "1", "author_id": "someone", "author_handle":'
        mention += ' "someone", "text": "Robots /compose", "visibility": "public", "content_warning": "",'
        mention += ' "by_bot": false, "created_at": "2026-11-22T12:00:00+00:00"}'
        db.execute(
            "INSERT INTO posts (platform, root_id, key, author_id, mention, request, song, take, state, times)"
            " VALUES ('mastodon', '1', 'mastodon-1', 'someone', ?, ?, 'dancing robots', 1, 'composing', ?)",
            (mention, make_request("mastodon-1").to_json(), '{"seen": 1.0, "accepted": 2.0}'),
        )
        db.execute("INSERT INTO bookmarks VALUES ('mastodon', '1', 1.0)")
    db.close()

    ledger = Ledger(path)

    (post,) = ledger.unfinished("mastodon")
    assert (post.key, post.state, post.deletes, post.mention.in_reply_to) == ("mastodon-1", "composing", None, "")
    assert ledger.bookmark("mastodon") == "1"
    keep(ledger, "2", "3")
    assert ledger.accept(make_request("mastodon-2"), []).take == 2
    ledger.refuse("mastodon-3", "Sorry.")
    assert ledger.find("mastodon-3").state == "refused"
    assert Ledger(path).counts() == ledger.counts()


def test_an_old_ledger_keeps_what_people_wrote_no_longer_than_a_new_one(tmp_path):
    path, released = tmp_path / "ledger.sqlite", STEPS[:3]
    with sqlite3.connect(path) as db:
        for statement in (statement for step in released for statement in step):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(released)}")
        for number, state, still_open in ((1, "posted", 0), (2, "failed", 0), (3, "composing", 1)):
            mention = make_mention(root_id=str(number))
            db.execute(
                "INSERT INTO posts (platform, root_id, key, author_id, mention, state, open, times)"
                " VALUES ('mastodon', ?, ?, 'someone', ?, ?, ?, '{}')",
                (mention.root_id, mention.key, mention_json(mention), state, still_open),
            )
    db.close()

    ledger = Ledger(path)

    assert [post.key for post in ledger.posts() if post.mention.text] == ["mastodon-2", "mastodon-3"]


def test_two_that_open_an_old_ledger_at_once_bring_it_up_to_date_once(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        for statement in STEPS[0]:
            db.execute(statement)
    db.close()

    with ThreadPoolExecutor(8) as pool:
        ledgers = list(pool.map(lambda _: Ledger(path), range(8)))

    assert [ledger.posts() for ledger in ledgers] == [[]] * 8


def test_a_ledger_of_a_later_version_is_left_alone(tmp_path):
    Ledger(tmp_path / "ledger.sqlite").close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    db.close()

    with pytest.raises(NeedsOperator, match=r"ledger\.sqlite: this ledger is of a later version"):
        Ledger(tmp_path / "ledger.sqlite")


def test_who_stops_is_kept_and_who_was_helped_is_forgotten_after_an_hour(ledger, monkeypatch):
    keep(ledger, "1", author="stopped")
    keep(ledger, "2", author="helped")
    ledger.stop("mastodon-1")
    ledger.accept_help("mastodon-2")
    now = time.time()
    monkeypatch.setattr("bot.ledger.time.time", lambda: now + 3601)
    keep(ledger, "3", author="other")

    ledger.accept_help("mastodon-3")

    people = {row["author_id"] for row in ledger._read("SELECT author_id FROM people")}
    assert people == {"stopped", "other"}


def test_another_process_can_read_while_the_bot_writes(ledger, tmp_path):
    keep(ledger, "1")

    with sqlite3.connect(tmp_path / "data" / "ledger.sqlite") as reader:
        assert reader.execute("SELECT count(*) FROM posts").fetchone() == (1,)


def test_a_platform_was_read_to_its_end_when_all_was_read(ledger):
    keep(ledger, "1")
    first = ledger.last_polls()["mastodon"]

    keep(ledger, "2")
    assert ledger.last_polls()["mastodon"] == first
    ledger.polled("mastodon")
    assert ledger.last_polls()["mastodon"] > first


def test_a_platform_that_is_switched_off_is_not_missed_and_goes_on_where_it_stood(ledger):
    keep(ledger, "1")

    ledger.watch(["x"])
    assert (list(ledger.last_polls()), ledger.bookmark("mastodon")) == (["x"], "9")
    ledger.watch(["x", "mastodon"])
    assert list(ledger.last_polls()) == ["mastodon", "x"]


def test_a_platform_that_was_never_read_is_missed_since_it_was_switched_on(ledger, monkeypatch):
    began = time.time()
    ledger.watch(["x"])
    first = ledger.last_polls()["x"]
    monkeypatch.setattr("bot.ledger.time.time", lambda: began + 3600)

    ledger.watch(["x"])
    assert (ledger.last_polls(), ledger.bookmark("x")) == ({"x": first}, None)
    ledger.keep("x", [], "1")
    assert ledger.last_polls() == {"x": began + 3600}
    ledger.watch([])
    assert ledger.last_polls() == {}


def test_a_ledger_is_of_one_server_of_a_platform(ledger):
    # With the bookmark of one, the posts of another were passed over; and its people had the ids of others.
    ledger.settle("mastodon", "old.example")
    ledger.settle("x", "")
    ledger.settle("mastodon", "old.example")

    with pytest.raises(NeedsOperator, match=r"posts of mastodon are on old\.example, not on new\.example; go back"):
        ledger.settle("mastodon", "new.example")


def test_songs_that_need_no_studio_any_more_or_whose_platform_is_switched_off_are_not_in_the_line(ledger):
    # What waited for a network that refused our answers filled everybody's line.
    keep(ledger, "1", "2", "3")
    ledger.keep("x", [make_mention(platform="x", root_id=number) for number in "12"], "2")
    for key in ("mastodon-1", "mastodon-2", "mastodon-3", "x-1", "x-2"):
        ledger.accept(make_request(key), [])
    ledger.composing("mastodon-1")
    ledger.rendered("mastodon-2", TRACK)
    assert (ledger.songs_under_way(), ledger.songs_before("x-2")) == (4, 3)

    ledger.watch(["mastodon"])

    assert (ledger.songs_under_way(), ledger.songs_before("mastodon-3")) == (2, 1)


def test_an_open_post_of_a_platform_that_is_switched_off_is_not_overdue_but_known(ledger):
    keep(ledger, "1")

    ledger.watch(["x"])

    assert (ledger.oldest_waiting(), ledger.open_but_switched_off()) == (None, 1)
    ledger.watch(["mastodon"])
    assert (ledger.oldest_waiting(), ledger.open_but_switched_off()) == (ANY, 0)
    assert ledger.oldest_waiting() is not None


def test_what_was_put_off_comes_after_what_was_not(ledger):
    keep(ledger, "1", "2", "3")

    ledger.wait("mastodon-2", 0)
    ledger.wait("mastodon-1", 0)

    assert [post.mention.root_id for post in ledger.unfinished("mastodon")] == ["3", "2", "1"]


def test_what_is_begun_anew_may_be_lost_by_the_store_once_more(ledger):
    keep(ledger, "1")
    ledger.accept(make_request("mastodon-1"), [])
    ledger.rendered("mastodon-1", TRACK)
    ledger.play_again("mastodon-1")
    ledger.close_post("mastodon-1", "given up after a day")

    ledger.retry("mastodon-1")

    assert "played_again" not in ledger.find("mastodon-1").times


def damage(path):
    """Some of its rows rot on the disk."""
    with closing(sqlite3.connect(path)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
    with path.open("r+b") as file:
        file.seek(pages // 2 * size)
        file.write(b"\xff" * 4 * size)


def test_a_damaged_ledger_is_found_and_told_how_to_restore(ledger, tmp_path):
    keep(ledger, *map(str, range(500)))
    ledger.examine()
    ledger.close()
    damage(tmp_path / "data" / "ledger.sqlite")

    with pytest.raises(NeedsOperator, match=r"ledger\.sqlite: it is damaged \(.*\); .* `lnh ledger restore` a") as told:
        Ledger(tmp_path / "data" / "ledger.sqlite").examine()

    assert "\n" not in str(told.value)
    assert "make room" not in str(told.value)


def test_a_damaged_ledger_is_not_copied(ledger, tmp_path):
    keep(ledger, *map(str, range(500)))
    ledger.close()
    damage(tmp_path / "data" / "ledger.sqlite")

    with pytest.raises(NeedsOperator, match=r"data/ledger\.sqlite: .*damaged"):
        Ledger(tmp_path / "data" / "ledger.sqlite").copy_to(tmp_path / "kept.sqlite")

    assert [each.name for each in tmp_path.iterdir()] == ["data"]
