import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from fake_network import make_mention
from stub_studio import make_request

from bot import deliver, gates, phrases
from bot.blocks import Lists
from bot.counters import REFUSED
from bot.deliver import Deliverer
from bot.gates import Gates
from bot.ledger import Ledger
from bot.manners import Manners
from bot.platforms.base import Closed, Gone, Rejected, TryLater
from model.errors import CannotWrite, NeedsOperator
from model.genre import load_genres
from worker.store import CannotReach, Store
from worker.track import MP3, PNG, Track

KEY = "mastodon-1"
TRACK = Track(
    key=KEY, media_types=(MP3, PNG), seconds=45.0, musical_key="E minor", players=("drums", "bass"), stage_seconds={}
)
SILENT = CannotReach("LNH_STORE s3://tracks: does not answer")


@pytest.fixture
def ledger(tmp_path):
    """With one accepted song."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.keep("mastodon", [make_mention(root_id="1")], "1")
    ledger.accept(make_request(KEY), ["You wrote /t more than once: the last one counts."])
    ledger.composing(KEY)
    return ledger


@pytest.fixture
def store(tmp_path):
    (tmp_path / "made").mkdir()
    for media_type in TRACK.media_types:
        (tmp_path / "made" / TRACK.file_name(media_type)).write_text("music")
    store = Store(str(tmp_path / "tracks"))
    store.put(tmp_path / "made", TRACK)
    return store


@pytest.fixture
def deliverer(network, ledger, store):
    return Deliverer({"mastodon": network}, ledger, store, load_genres(), "heavy-metal")


def test_a_track_is_uploaded_and_posted(deliverer, network, ledger):
    deliverer.deliver(KEY, TRACK.to_json())

    (upload,), (reply,) = network.uploads, network.replies
    assert upload["name"] == "mastodon-1.mp3"
    assert "160 bpm" in upload["alt_text"]
    assert reply["media_id"] == upload["id"]
    assert reply["text"].startswith("Enjoy! #LnHAI Dancing robots – take 1")
    assert "more than once" in reply["text"]
    assert ledger.find(KEY).state == "posted"


def test_a_delivery_done_again_changes_nothing(deliverer, network):
    deliverer.deliver(KEY, TRACK.to_json())

    deliverer.deliver(KEY, TRACK.to_json())

    assert len(network.uploads) == len(network.replies) == 1


def test_a_reply_that_must_wait_does_not_upload_twice(deliverer, network, ledger):
    network.troubles["reply"] = [TryLater(60, "429")]
    deliverer.deliver(KEY, TRACK.to_json())
    assert ledger.find(KEY).state == "uploaded"
    assert ledger.unfinished("mastodon") == []  # not within the minute
    ledger.wait(KEY, 0)

    deliverer.deliver(KEY, None)

    assert len(network.uploads) == 1
    assert network.replies[0]["media_id"] == "1"
    assert ledger.find(KEY).state == "posted"


def test_a_failed_upload_keeps_the_track(deliverer, network, ledger):
    network.troubles["upload"] = [OSError("the line broke")]

    with pytest.raises(OSError, match="the line broke"):
        deliverer.deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).track) == ("rendered", TRACK)


def test_a_post_deleted_meanwhile_is_given_up_quietly(deliverer, network, ledger):
    network.deleted.add(KEY)

    deliverer.deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("failed", False)
    assert network.uploads == network.replies == []


def test_an_author_who_is_gone_is_given_up_quietly(deliverer, network, ledger):
    network.troubles["reply"] = [Gone("blocked")]

    deliverer.deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).reason) == ("failed", "nobody to answer: blocked")
    assert network.replies == []


def test_a_file_that_the_network_never_takes_becomes_an_apology(deliverer, network, ledger):
    network.troubles["upload"] = [Rejected("no audio here")]

    deliverer.deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).reason) == ("failed", "no audio here")
    assert network.replies[0]["text"].startswith("Sorry!")
    assert not ledger.find(KEY).open


def test_an_apology_that_the_network_never_takes_is_silence(deliverer, network, ledger):
    network.troubles["reply"] = [Rejected("spam"), Rejected("spam")]

    deliverer.deliver(KEY, TRACK.to_json())

    assert network.replies == []
    assert not ledger.find(KEY).open


def test_a_song_that_was_given_up_is_apologised_for_once(deliverer, network, ledger):
    ledger.fail(KEY, "a string snapped")

    deliverer.deliver(KEY, None)
    deliverer.deliver(KEY, None)

    (reply,) = network.replies
    assert reply["text"].startswith("Sorry!")
    assert (ledger.find(KEY).state, ledger.find(KEY).reason) == ("failed", "a string snapped")


def test_a_refusal_is_said_as_it_was_written(deliverer, network, ledger):
    ledger.keep("mastodon", [make_mention(root_id="2")], "2")
    ledger.refuse("mastodon-2", "Sorry, /t wants a tempo.")

    deliverer.deliver("mastodon-2", None)

    assert network.replies[0]["text"] == "Sorry, /t wants a tempo."
    assert ledger.find("mastodon-2").state == "refused"


def test_a_refusal_that_repeats_nothing_repeats_no_warning_either(deliverer, network, ledger):
    for number, message in ((2, phrases.not_this_one()), (3, "Sorry, /t wants a tempo.")):
        mention = make_mention(root_id=str(number), author_id=f"someone-{number}", content_warning="a bad word")
        ledger.keep("mastodon", [mention], str(number))
        ledger.refuse(mention.key, message)
        deliverer.deliver(mention.key, None)

    assert [reply["warning"] for reply in network.replies] == ["", "a bad word"]


def test_an_answer_is_taken_down_once(deliverer, network, ledger):
    deliverer.deliver(KEY, TRACK.to_json())
    ledger.keep("mastodon", [make_mention("/delete", root_id="2")], "2")
    ledger.accept_deletion("mastodon-2", KEY)
    network.troubles["delete"] = [TryLater(60, "429")]
    deliverer.deliver("mastodon-2", None)
    assert ledger.find(KEY).state == "posted"

    for _ in range(2):
        deliverer.deliver("mastodon-2", None)

    assert network.deletions == [network.replies[0]["id"]]
    assert [(ledger.find(key).state, ledger.find(key).open) for key in (KEY, "mastodon-2")] == [
        ("deleted", False), ("done", False),
    ]  # fmt: skip


def test_what_is_taken_down_is_removed_from_the_store_too(deliverer, ledger, store):
    deliverer.deliver(KEY, TRACK.to_json())
    ledger.keep("mastodon", [make_mention("/delete", root_id="2")], "2")
    ledger.accept_deletion("mastodon-2", KEY)
    assert list(store.folder.iterdir())

    deliverer.deliver("mastodon-2", None)

    assert list(store.folder.iterdir()) == []
    assert [ledger.find(key).state for key in (KEY, "mastodon-2")] == ["deleted", "done"]


def test_a_store_that_does_not_answer_is_asked_again(deliverer, network, ledger, store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store, "fetch", Mock(side_effect=SILENT))
        deliverer.deliver(KEY, TRACK.to_json())
    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("rendered", True)

    deliverer.deliver(KEY, None)

    assert len(network.replies) == 1


def test_what_cannot_be_removed_from_the_store_is_tried_again(deliverer, ledger, store, monkeypatch):
    deliverer.deliver(KEY, TRACK.to_json())
    ledger.keep("mastodon", [make_mention("/delete", root_id="2")], "2")
    ledger.accept_deletion("mastodon-2", KEY)
    with monkeypatch.context() as patch:
        patch.setattr(store, "remove", Mock(side_effect=SILENT))
        deliverer.deliver("mastodon-2", None)
    assert ledger.find("mastodon-2").open

    deliverer.deliver("mastodon-2", None)

    assert list(store.folder.iterdir()) == []
    assert ledger.find("mastodon-2").state == "done"


def test_a_song_that_is_called_off_while_it_is_uploaded_is_not_posted(deliverer, network, ledger, monkeypatch):
    ledger.keep("mastodon", [make_mention("/stop", root_id="2")], "2")
    upload = network.upload
    monkeypatch.setattr(network, "upload", lambda *files: ledger.stop("mastodon-2") or upload(*files))

    deliverer.deliver(KEY, TRACK.to_json())

    assert network.replies == []
    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("left", False)


def test_a_late_answer_says_sorry(deliverer, network, ledger):
    mention = make_mention(root_id="1", created_at=datetime.now(UTC) - timedelta(hours=2))
    ledger.confine(mention)

    deliverer.deliver(KEY, TRACK.to_json())

    assert phrases.late() in network.replies[0]["text"]


def test_what_was_tried_before_is_said_in_the_same_words(deliverer, network, ledger, monkeypatch):
    """X knows an answer that it took, and whose receipt was lost, by its words alone; meanwhile it had become late."""
    ledger.confine(make_mention(root_id="1", created_at=datetime.now(UTC) - timedelta(minutes=59)))
    network.troubles["reply"] = [TryLater(30, "a time-out")]
    deliverer.deliver(KEY, TRACK.to_json())
    in_a_while = time.time() + 120
    monkeypatch.setattr(deliver.time, "time", lambda: in_a_while)

    deliverer.deliver(KEY, None)

    assert phrases.late() not in network.replies[0]["text"]


@pytest.mark.parametrize(
    ("key", "track"),
    [
        ("../../etc", None),
        (7, None),
        (KEY, "{}"),
        (KEY, 7),
        (KEY, " " * 70_000),
        (KEY, TRACK.to_json().replace("mastodon-1", "mastodon-2")),
        (KEY, TRACK.to_json().replace("mastodon-1", "../../etc")),
        (KEY, TRACK.to_json().replace('"audio/mpeg"', '"text/html"')),
        (KEY, TRACK.to_json().replace("45.0", '"long"')),
        (KEY, TRACK.to_json().replace('"drums"', "5")),
        (KEY, "[" * 50_000),
    ],
)
def test_a_job_that_is_not_ours_changes_nothing(deliverer, network, ledger, key, track):
    with pytest.raises(ValueError, match=r"deliver job|track"):
        deliverer.deliver(key, track)

    assert (ledger.find(KEY).state, network.uploads) == ("composing", [])


def test_a_call_for_help_is_answered(deliverer, network, ledger):
    ledger.keep("mastodon", [make_mention(root_id="2")], "2")
    ledger.accept_help("mastodon-2")

    deliverer.deliver("mastodon-2", None)

    assert "heavy-metal" in network.replies[0]["text"]
    assert ledger.find("mastodon-2").state == "posted"


def test_a_token_that_nobody_takes_is_the_operators_matter_and_leaves_the_row_as_it_was(deliverer, network, ledger):
    network.troubles["upload"] = [NeedsOperator("mastodon: the token is refused")]

    with pytest.raises(Closed, match="mastodon: the token is refused"):
        deliverer.deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("rendered", True)


def test_a_network_that_refuses_us_is_left_alone_for_a_while_and_then_answered(network, ledger, store, monkeypatch):
    open_gates = Gates(["mastodon", "x"])
    deliverer = Deliverer({"mastodon": network}, ledger, store, load_genres(), "heavy-metal", gates=open_gates)
    network.troubles["upload"] = [NeedsOperator("mastodon: the token is refused")]

    deliverer.deliver(KEY, TRACK.to_json())
    deliverer.deliver(KEY, None)
    assert (ledger.find(KEY).state, network.uploads) == ("rendered", [])
    monkeypatch.setattr(gates.time, "monotonic", lambda real=time.monotonic: real() + gates.RETRY_SECONDS)
    deliverer.deliver(KEY, None)

    assert ledger.find(KEY).state == "posted"


def test_an_answer_that_a_network_alone_refuses_keeps_no_other_from_being_said(network, ledger, store, monkeypatch):
    """A firewall answered 403 to its alt text: each quarter of an hour it came first, and shut the gate again."""
    ledger.keep("mastodon", [make_mention(root_id=number, author_id=number) for number in "23"], "3")
    ledger.accept_help("mastodon-2")
    ledger.accept_help("mastodon-3")
    ledger.rendered(KEY, TRACK)
    monkeypatch.setattr(network, "upload", Mock(side_effect=NeedsOperator("403")))
    deliverer = Deliverer(
        {"mastodon": network}, ledger, store, load_genres(), "heavy-metal", gates=Gates(["mastodon", "x"])
    )

    for quarter in (0, 1):
        later = quarter * gates.RETRY_SECONDS
        monkeypatch.setattr(gates.time, "monotonic", lambda real=time.monotonic, later=later: real() + later)
        for post in ledger.unfinished("mastodon"):
            deliverer.deliver(post.key, None)

    assert {reply["key"] for reply in network.replies} == {"mastodon-2", "mastodon-3"}
    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("rendered", True)


def test_who_is_blocked_meanwhile_gets_no_answer_but_may_have_one_taken_down(network, ledger, store, tmp_path):
    blocked = tmp_path / "blocked.txt"
    blocked.touch()
    lists = Lists.from_files(blocked, None)
    deliverer = Deliverer(
        {"mastodon": network}, ledger, store, load_genres(), "heavy-metal", manners=Manners(lists=lists)
    )
    ledger.keep("mastodon", [make_mention(root_id=number) for number in "234"], "4")
    ledger.accept_help("mastodon-2")
    deliverer.deliver("mastodon-2", None)
    ledger.accept_deletion("mastodon-3", "mastodon-2")
    ledger.refuse("mastodon-4", "Sorry.")

    blocked.write_text("@someone")
    lists.read_again()
    for key, track in ((KEY, TRACK.to_json()), ("mastodon-3", None), ("mastodon-4", None)):
        deliverer.deliver(key, track)

    assert [reply["key"] for reply in network.replies] == ["mastodon-2"]
    assert (network.uploads, len(network.deletions)) == ([], 1)
    assert (ledger.find(KEY).state, ledger.find(KEY).reason, ledger.find(KEY).open) == (
        "left", "its author or its server is blocked", False,
    )  # fmt: skip


def test_a_post_that_nobody_has_looked_at_yet_is_not_answered(deliverer, network, ledger):
    ledger.hear(make_mention(root_id="2"))

    deliverer.deliver("mastodon-2", None)

    assert network.replies == []
    assert ledger.find("mastodon-2").open


def test_a_key_that_the_ledger_does_not_know_is_not_answered(deliverer, network):
    deliverer.deliver("mastodon-77", None)

    assert network.replies == []


def test_a_platform_that_was_switched_off_waits(network, ledger, store):
    Deliverer({}, ledger, store, load_genres(), "heavy-metal").deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("rendered", True)


def test_a_network_that_puts_us_off_is_asked_for_a_day_and_no_longer(deliverer, network, ledger, monkeypatch):
    network.troubles["reply"] = [TryLater(60, "it is in trouble"), TryLater(60, "it is in trouble")]
    deliverer.deliver(KEY, TRACK.to_json())
    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("uploaded", True)

    monkeypatch.setattr(deliver.time, "time", lambda: max(ledger.find(KEY).times.values()) + 24 * 3600 + 1)
    deliverer.deliver(KEY, None)

    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("failed", False)
    assert ledger.find(KEY).reason == "given up after a day: it is in trouble"


def after_days(monkeypatch, days):
    """The clock is put forward."""
    monkeypatch.setattr(deliver.time, "time", lambda real=time.time: real() + days * 24 * 3600)


def test_what_waited_long_for_something_else_is_put_off_for_a_day_all_the_same(
    deliverer, network, ledger, monkeypatch
):
    """It was given up at its first 429 when it had waited two days for a new token."""
    network.troubles["reply"] = [TryLater(60, "429"), TryLater(60, "429")]
    ledger.rendered(KEY, TRACK)
    after_days(monkeypatch, 2)

    deliverer.deliver(KEY, None)
    after_days(monkeypatch, 0.9)
    deliverer.deliver(KEY, None)
    assert ledger.find(KEY).open
    deliverer.deliver(KEY, None)

    assert ledger.find(KEY).state == "posted"


def test_a_day_begins_anew_with_the_next_state(deliverer, network, ledger, monkeypatch):
    network.troubles = {"upload": [TryLater(60, "429")], "reply": [TryLater(60, "429")]}
    deliverer.deliver(KEY, TRACK.to_json())
    assert "put_off" in ledger.find(KEY).times
    after_days(monkeypatch, 1.5)

    deliverer.deliver(KEY, None)

    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("uploaded", True)


def test_while_a_network_refuses_us_or_the_bot_is_off_it_puts_nothing_off(network, ledger, store, monkeypatch):
    network.troubles["reply"] = [TryLater(60, "429"), TryLater(60, "429"), NeedsOperator("no"), TryLater(60, "429")]

    def make_deliverer():
        ours = Gates(["mastodon", "x"])
        return Deliverer({"mastodon": network}, ledger, store, load_genres(), "heavy-metal", gates=ours)

    make_deliverer().deliver(KEY, TRACK.to_json())
    after_days(monkeypatch, 2)
    started_again = make_deliverer()
    started_again.deliver(KEY, None)
    assert ledger.find(KEY).open
    after_days(monkeypatch, 2)
    started_again.deliver(KEY, None)
    monkeypatch.setattr(gates.time, "monotonic", lambda real=time.monotonic: real() + gates.RETRY_SECONDS)
    started_again.deliver(KEY, None)
    assert network.troubles["reply"] == []

    started_again.deliver(KEY, None)

    assert ledger.find(KEY).state == "posted"


def test_a_song_given_up_while_it_is_uploaded_is_apologised_for_without_it(deliverer, network, ledger, monkeypatch):
    upload = network.upload
    monkeypatch.setattr(network, "upload", lambda *files: (ledger.fail(KEY, "by hand"), upload(*files))[1])

    deliverer.deliver(KEY, TRACK.to_json())

    (reply,) = network.replies
    assert (reply["media_id"], reply["text"].startswith("Sorry!")) == (None, True)
    assert ledger.find(KEY).state == "failed"


def test_a_song_given_up_while_it_is_posted_was_posted(deliverer, network, ledger, monkeypatch):
    reply = network.reply
    monkeypatch.setattr(network, "reply", lambda *words: (ledger.fail(KEY, "by hand"), reply(*words))[1])

    deliverer.deliver(KEY, TRACK.to_json())

    assert (network.replies[0]["media_id"], ledger.find(KEY).state) == ("1", "posted")


def test_what_a_network_has_thrown_away_meanwhile_is_uploaded_again(deliverer, network, ledger, monkeypatch):
    network.troubles["reply"] = [NeedsOperator("x: X wants to be paid")]
    deliverer = Deliverer(
        {"mastodon": network}, ledger, deliverer._store, load_genres(), "heavy-metal", gates=Gates(["mastodon", "x"])
    )
    deliverer.deliver(KEY, TRACK.to_json())
    assert ledger.find(KEY).state == "uploaded"

    later = deliver.MEDIA_KEPT_SECONDS + 1
    monkeypatch.setattr(deliver.time, "time", lambda real=time.time: real() + later)
    monkeypatch.setattr(gates.time, "monotonic", lambda real=time.monotonic: real() + later)
    deliverer.deliver(KEY, None)

    assert [upload["id"] for upload in network.uploads] == ["1", "2"]
    assert (network.replies[0]["media_id"], ledger.find(KEY).state) == ("2", "posted")


def test_a_network_that_puts_us_off_gets_no_longer_by_uploading_again(deliverer, network, ledger, monkeypatch):
    network.troubles["reply"] = [TryLater(60, "it is in trouble") for _ in range(3)]
    deliverer.deliver(KEY, TRACK.to_json())
    first = ledger.find(KEY).times["uploaded"]

    for hours in (13, 25):
        monkeypatch.setattr(deliver.time, "time", lambda moment=first + hours * 3600: moment)
        deliverer.deliver(KEY, None)

    assert (ledger.find(KEY).state, ledger.find(KEY).open) == ("failed", False)


def test_a_track_that_the_store_has_lost_is_played_again(deliverer, network, ledger, store, tmp_path):
    store.remove(TRACK)

    deliverer.deliver(KEY, TRACK.to_json())
    post = ledger.find(KEY)
    assert (post.state, post.open, post.track) == ("accepted", True, None)
    store.put(tmp_path / "made", TRACK)
    deliverer.deliver(KEY, TRACK.to_json())

    assert ledger.find(KEY).state == "posted"


def lose_twice(deliverer, ledger, number):
    """A song of the store's that is nowhere, played twice."""
    track = replace(TRACK, key=f"mastodon-{number}")
    ledger.keep("mastodon", [make_mention(root_id=str(number))], str(number))
    ledger.accept(make_request(track.key), [])
    for _ in range(2):
        deliverer.deliver(track.key, track.to_json())
    return track.key


def test_a_track_that_the_store_loses_twice_fails_alone(deliverer, network, ledger, caplog):
    """It ended the bot, and once more at each start."""
    key = lose_twice(deliverer, ledger, 2)
    deliverer.deliver(KEY, TRACK.to_json())

    assert [reply["text"][:6] for reply in network.replies] == ["Sorry!", "Enjoy!"]
    assert (ledger.find(key).state, ledger.find(key).open) == ("failed", False)
    assert "has lost the track twice" in ledger.find(key).reason
    assert [record.levelname for record in caplog.records if "twice" in record.getMessage()] == ["ERROR"]


def test_a_store_that_loses_every_track_is_the_operators_matter(deliverer, ledger):
    lose_twice(deliverer, ledger, 2)
    lose_twice(deliverer, ledger, 3)
    deliverer.deliver(KEY, TRACK.to_json())  # it has this one, and may begin anew
    lose_twice(deliverer, ledger, 4)
    lose_twice(deliverer, ledger, 5)

    with pytest.raises(NeedsOperator, match="has lost the track twice; do all workers use this store"):
        lose_twice(deliverer, ledger, 6)


def test_a_folder_for_temporary_files_that_is_gone_is_no_track_that_is_lost(deliverer, ledger, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    with pytest.raises(CannotWrite):
        deliverer.deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).track) == ("rendered", TRACK)


def test_a_folder_for_temporary_files_that_takes_none_is_the_operators_matter(
    deliverer, ledger, monkeypatch, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))

    with pytest.raises(CannotWrite, match="file: there is a file where a folder should be"):
        deliverer.deliver(KEY, TRACK.to_json())

    assert (ledger.find(KEY).state, ledger.find(KEY).track) == ("rendered", TRACK)


def test_a_song_of_a_genre_that_is_gone_is_delivered(network, ledger, store):
    Deliverer({"mastodon": network}, ledger, store, {}, "heavy-metal").deliver(KEY, TRACK.to_json())

    assert network.uploads[0]["alt_text"].startswith("heavy-metal, 160 bpm")
    assert ledger.find(KEY).state == "posted"


def test_a_network_that_says_that_nobody_is_there_lets_us_in(network, ledger, store, monkeypatch):
    ours = Gates(["mastodon", "x"])
    deliverer = Deliverer({"mastodon": network}, ledger, store, load_genres(), "heavy-metal", gates=ours)
    network.troubles["reply"] = [NeedsOperator("402"), Gone("deleted")]
    deliverer.deliver(KEY, TRACK.to_json())
    assert REFUSED.labels("mastodon")._value.get() == 1

    monkeypatch.setattr(gates.time, "monotonic", lambda real=time.monotonic: real() + gates.RETRY_SECONDS)
    deliverer.deliver(KEY, None)

    assert REFUSED.labels("mastodon")._value.get() == 0
