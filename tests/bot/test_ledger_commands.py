import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner
from fake_network import make_mention
from stub_studio import make_request

from bot.ledger import Ledger
from bot.ledger_commands import ledger_command
from model.errors import NeedsOperator


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """With a song that is played, another in private, and one that was given up without a word."""
    monkeypatch.setenv("LNH_DATA", str(tmp_path))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for number, visibility in (("1", "public"), ("2", "direct"), ("3", "public")):
        mention = make_mention(
            "@lnh_ai Dancing robots /compose", root_id=number, author_id=number, visibility=visibility
        )
        ledger.keep("mastodon", [mention], number)
        ledger.accept(make_request(f"mastodon-{number}"), [])
        ledger.composing(f"mastodon-{number}")
    ledger.close_post("mastodon-3", "given up after a day: it is in trouble")
    return ledger


def run(*words):
    """What `lnh ledger` prints; what the operator must mend is raised."""
    return CliRunner().invoke(ledger_command, words, catch_exceptions=False).output


def test_a_list_holds_what_was_asked_for(ledger):
    assert all(key in run("list") for key in ("mastodon-1", "mastodon-2", "mastodon-3"))
    assert "mastodon-1" not in run("list", "--state", "failed")
    assert "mastodon-3" not in run("list", "--open")
    assert "mastodon-1" not in run("list", "--limit", "1")


def test_a_post_is_shown_but_not_what_was_written_in_private(ledger):
    assert "Dancing robots /compose" in run("show", "mastodon-1")
    assert "160 bpm" in run("show", "mastodon-2")
    assert "Dancing" not in run("show", "mastodon-2")


def test_a_post_that_failed_without_a_word_is_tried_again(ledger):
    run("retry", "mastodon-3")

    (post,) = [post for post in ledger.unfinished("mastodon") if post.key == "mastodon-3"]
    assert (post.state, post.reason, post.request.take) == ("accepted", "", 1)


def test_a_post_that_waits_waits_no_more(ledger):
    ledger.wait("mastodon-1", 3600)

    run("retry", "mastodon-1")

    assert "mastodon-1" in {post.key for post in ledger.unfinished("mastodon")}


def test_what_was_answered_is_not_tried_again(ledger):
    ledger.fail("mastodon-1", "a string snapped")
    ledger.answered("mastodon-1", "reply-8")

    with pytest.raises(NeedsOperator, match="mastodon-1: is failed; it was answered with reply-8"):
        run("retry", "mastodon-1")


def test_a_song_given_up_becomes_an_apology_and_given_up_twice_silence(ledger):
    run("give-up", "mastodon-1")
    assert (ledger.find("mastodon-1").state, ledger.find("mastodon-1").open) == ("failed", True)

    run("give-up", "mastodon-1")

    assert not ledger.find("mastodon-1").open
    with pytest.raises(NeedsOperator, match="nothing is left to do"):
        run("give-up", "mastodon-1")


def test_a_key_that_is_not_there_is_one_sentence(ledger):
    with pytest.raises(NeedsOperator, match="mastodon-9: no such post"):
        run("show", "mastodon-9")


def test_a_restored_ledger_goes_on_where_its_back_up_was_made(ledger, tmp_path, monkeypatch):
    run("back-up", str(tmp_path / "kept.sqlite"))
    ledger.keep("mastodon", [make_mention(root_id="4")], "4")

    monkeypatch.setenv("LNH_DATA", str(tmp_path / "new"))
    assert "3 posts" in run("restore", str(tmp_path / "kept.sqlite"))

    again = Ledger(tmp_path / "new" / "ledger.sqlite")
    assert again.posts() == [post for post in ledger.posts() if post.key != "mastodon-4"]
    assert again.bookmark("mastodon") == "3"
    with pytest.raises(NeedsOperator, match="is there still; stop the bot"):
        run("restore", str(tmp_path / "kept.sqlite"))


def test_a_back_up_takes_the_place_of_no_file(ledger, tmp_path):
    (tmp_path / "kept.sqlite").touch()

    with pytest.raises(NeedsOperator, match=r"kept\.sqlite: is there already"):
        run("back-up", str(tmp_path / "kept.sqlite"))


def test_a_damaged_back_up_is_not_restored(ledger, tmp_path, monkeypatch):
    run("back-up", str(tmp_path / "kept.sqlite"))
    whole = (tmp_path / "kept.sqlite").read_bytes()
    (tmp_path / "kept.sqlite").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setenv("LNH_DATA", str(tmp_path / "new"))

    with pytest.raises(NeedsOperator, match=r"kept\.sqlite: .*; take another back-up"):
        run("restore", str(tmp_path / "kept.sqlite"))

    assert not (tmp_path / "new" / "ledger.sqlite").exists()


def test_a_back_up_of_a_later_version_is_not_restored(ledger, tmp_path, monkeypatch):
    run("back-up", str(tmp_path / "kept.sqlite"))
    with closing(sqlite3.connect(tmp_path / "kept.sqlite")) as kept:
        kept.execute("PRAGMA user_version = 99")
    monkeypatch.setenv("LNH_DATA", str(tmp_path / "new"))

    with pytest.raises(NeedsOperator, match=r"kept\.sqlite: this ledger is of a later version of lnh; run that one"):
        run("restore", str(tmp_path / "kept.sqlite"))

    assert list((tmp_path / "new").iterdir()) == []


def test_whoever_said_stop_gets_no_answer_by_the_operators_hand_either(ledger):
    ledger.keep("mastodon", [make_mention("@lnh_ai /stop", root_id="4", author_id="3")], "4")
    ledger.stop("mastodon-4")

    with pytest.raises(NeedsOperator, match="wants no answer of ours"):
        run("retry", "mastodon-3")

    assert not ledger.find("mastodon-3").open


def test_a_back_up_into_a_folder_that_is_not_there_is_one_sentence(ledger, tmp_path):
    with pytest.raises(NeedsOperator, match=r"nowhere/kept\.sqlite: there is no such folder; make it, or name another"):
        run("back-up", str(tmp_path / "nowhere" / "kept.sqlite"))


def test_a_back_up_for_which_there_is_no_room_names_its_own_disk(ledger, tmp_path, monkeypatch):
    connect = sqlite3.connect

    def connect_small(path, **more):
        db = connect(path, **more)
        if str(path).endswith(".part"):
            db.execute("PRAGMA max_page_count = 1")
        return db

    monkeypatch.setattr("bot.ledger_file.sqlite3.connect", connect_small)

    with pytest.raises(NeedsOperator, match=r"kept\.sqlite: database or disk is full; make room") as told:
        run("back-up", str(tmp_path / "kept.sqlite"))

    assert "ledger.sqlite" not in str(told.value)
    assert not (tmp_path / "kept.sqlite").exists()


def test_a_list_without_end_is_a_wrong_option(ledger):
    assert "is not in the range" in run("list", "--limit", "1" + "0" * 20)


def test_a_ledger_that_this_user_may_not_see_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("LNH_DATA", str(tmp_path))
    monkeypatch.setattr(Path, "exists", Mock(side_effect=PermissionError(13, "Permission denied")))

    for words in (("list",), ("restore", __file__)):
        with pytest.raises(NeedsOperator, match=r"ledger\.sqlite: this user may not look there"):
            run(*words)
