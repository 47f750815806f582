"""Who is answered, how often, and with what."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from bot import phrases
from bot.blocks import Blocks, Lists, Words
from bot.listener import Listener
from bot.manners import Manners
from bot.spelling import compiled
from model.genre import load_genres
from worker.queue import open_queue

ASK = "@lnh_ai Dancing robots /compose /g heavy-metal /t 160 /r 0.2"
PLAIN = Manners(songs_a_day=3, longest_line=5)


@pytest.fixture
def band(network, ledger, queues):
    """The band at its door."""

    class Band:
        def __init__(self):
            self.manners, self.find = PLAIN, ledger.find
            self._listener().poll()

        def _listener(self):
            return Listener(network, ledger, queues, load_genres(), "heavy-metal", manners=self.manners)

        def listen(self):
            listener = self._listener()
            listener.poll()
            listener.put_on_the_way()
            listener.put_back()

        def hear(self, text, **more):
            """One post, read at once; its row."""
            key = network.post(text, **more)
            self.listen()
            return ledger.find(key)

        def post(self, text, **more):
            """A song asked for and posted; the id of our answer."""
            row = self.hear(text, **more)
            self.answer(row.key)
            return f"reply-to-{row.key}"

        def answer(self, key):
            ledger._write("UPDATE posts SET state = 'uploaded' WHERE key = ? AND request IS NOT NULL", key)
            ledger.answered(key, f"reply-to-{key}")
            queues.redis.flushall()

        def later(self, seconds):
            """Time goes by."""
            ledger._write("UPDATE people SET spoken_at = spoken_at - ?", seconds)
            ledger._write(
                "UPDATE posts SET times = json_set(times, '$.accepted', json_extract(times, '$.accepted') - ?)"
                " WHERE json_extract(times, '$.accepted')", seconds,
            )  # fmt: skip

    return Band()


def composing(queues):
    return open_queue("compose", queues.redis).job_ids


# ---- stop and start


@pytest.mark.parametrize("words", ["/stop", "please /stop it", "@lnh_ai Stop!", "Robots /compose /stop"])
def test_whoever_says_stop_is_answered_no_more(band, words):
    stopped = band.hear(words)

    assert (stopped.state, stopped.open) == ("done", False)
    assert [band.hear(text) for text in (ASK, "/help", "x /compose /t fast", "/again", "/delete")] == [None] * 5


def test_a_stop_calls_off_what_was_asked_before(band, queues):
    song = band.hear(ASK)
    waiting = band.hear(ASK)
    others = band.hear(ASK, author="other")

    band.hear("/stop")

    band.listen()
    assert {(band.find(post.key).state, band.find(post.key).open) for post in (song, waiting)} == {("left", False)}
    assert band.find(others.key).open


def test_a_start_lifts_a_stop_and_helps(band):
    band.hear("/stop")

    started = band.hear("/start")

    assert (started.state, started.request, started.open) == ("accepted", None, True)
    assert band.hear(ASK).state == "composing"


def test_an_old_stop_that_is_delivered_again_stops_nobody(band, network, ledger):
    stop = band.hear("/stop")
    band.hear("/start")

    network.post("/stop", root_id=stop.mention.root_id)
    band.listen()

    assert not ledger.has_stopped("mastodon", "someone")


def test_what_is_written_after_a_stop_is_not_called_off_by_it(band, network):
    # All of it was read at once, as after a while without the bot, and the stop closed it all.
    track = band.post(ASK)
    keys = [
        network.post("/stop"), network.post("/delete", in_reply_to=track), network.post("/start"), network.post(ASK),
    ]  # fmt: skip

    band.listen()

    stop, deletion, start, song = map(band.find, keys)
    assert (stop.state, stop.open) == ("done", False)
    assert (deletion.deletes, deletion.open) == ("mastodon-1", True)
    assert (start.state, start.open, song.state) == ("accepted", True, "composing")


# ---- help and refusals


@pytest.mark.parametrize("words", ["/help", "x /compose /t fast", "/again", "/delete", "/start"])
def test_help_or_a_refusal_is_given_once_an_hour(band, words):
    first, second = band.hear(words), band.hear("/help")
    band.later(3601)

    third = band.hear(words)

    assert [post.open for post in (first, second, third)] == [True, False, True]
    assert (second.state, second.reason) == ("left", "its author had help or a refusal within the hour")


def test_another_person_is_still_helped(band):
    band.hear("/help")

    assert band.hear("/help", author="other").open


def test_a_song_may_be_asked_for_right_after_a_refusal(band):
    band.hear("x /compose /t fast")

    assert band.hear(ASK).state == "composing"


# ---- order and fairness


def test_one_person_has_one_song_played_at_a_time_and_others_need_not_wait(band, queues):
    first, second = band.hear(ASK), band.hear(ASK)

    other = band.hear(ASK, author="other")

    assert composing(queues) == [first.key, other.key]
    assert band.find(second.key).state == "accepted"


def test_the_next_song_goes_on_when_the_one_before_is_answered(band, queues):
    first, second = band.hear(ASK), band.hear(ASK)
    band.answer(first.key)

    band.listen()

    assert composing(queues) == [second.key]
    assert band.find(second.key).request.take == 2


def test_a_song_that_fails_makes_way_when_its_apology_is_said(band, ledger, queues):
    first, second = band.hear(ASK), band.hear(ASK)
    ledger.fail(first.key, "a string snapped")
    ledger.answered(first.key, "sorry")

    band.listen()

    assert second.key in composing(queues)


def test_a_person_has_so_many_songs_a_day(band):
    posts = [band.hear(ASK) for _ in range(5)]

    assert [post.state for post in posts] == ["composing", "accepted", "accepted", "refused", "left"]
    assert posts[3].reason == phrases.enough_for_a_day(3)


def test_a_new_day_brings_new_songs(band):
    for _ in range(3):
        band.post(ASK)
    band.later(24 * 3600 + 1)

    assert band.hear(ASK).state == "composing"


def test_a_song_that_failed_does_not_count(band, ledger):
    for _ in range(3):
        ledger.fail(band.hear(ASK).key, "a string snapped")

    assert band.hear(ASK).state == "accepted"


def test_a_song_that_was_called_off_counts(band):
    # Each was played for nobody, and whoever said stop and start between two could fill the queue.
    for _ in range(3):
        band.hear(ASK)
        band.hear("/stop")
        band.hear("/start")

    assert band.hear(ASK).request is None


def test_a_song_whose_post_is_deleted_counts(band, ledger):
    for _ in range(3):
        ledger.close_post(band.hear(ASK).key, "nobody to answer: it was deleted while we played")

    assert band.hear(ASK).reason == phrases.enough_for_a_day(3)


def test_a_full_line_is_said_once_and_then_not_any_more(band):
    for number in range(5):
        band.hear(ASK, author=f"someone-{number}")

    first, second = band.hear(ASK, author="late"), band.hear(ASK, author="late")

    assert (first.state, first.reason) == ("refused", phrases.line_is_full())
    assert second.state == "left"


def test_what_is_too_old_when_we_read_it_is_left(band):
    ago = datetime.now(UTC) - timedelta(hours=25)

    posts = [band.hear(text, created_at=ago.isoformat()) for text in (ASK, "/help", "x /compose /t fast")]

    assert {(post.state, post.open) for post in posts} == {("left", False)}


def test_an_old_stop_counts(band, ledger):
    band.hear("/stop", created_at=(datetime.now(UTC) - timedelta(days=9)).isoformat())

    assert ledger.has_stopped("mastodon", "someone")


def test_what_was_read_in_time_is_answered_however_long_it_takes(band, ledger):
    song = band.hear(ASK)
    ledger._write("UPDATE posts SET mention = json_set(mention, '$.created_at', '2026-01-01T00:00:00+00:00')")

    band.listen()

    assert ledger.find(song.key).open


# ---- a long line


def ask_of_many(band, people):
    band.manners = Manners(longest_line=100)
    for number in range(people):
        band.hear(ASK, author=f"someone-{number}")


def test_a_long_line_is_said_where_the_network_permits(band, network, ledger):
    network.says_line = True
    ask_of_many(band, 20)
    assert network.replies == []

    song = band.hear(ASK, author="late")

    (reply,) = network.replies
    assert (reply["key"], reply["text"]) == (f"{song.key}-line", phrases.in_line(20))


def test_a_long_line_is_said_once_an_hour(band, network):
    network.says_line = True
    ask_of_many(band, 21)
    band.hear(ASK, author="someone-20")
    band.listen()

    assert len(network.replies) == 1


def test_a_long_line_is_not_said_where_the_network_wants_one_answer(band, network):
    ask_of_many(band, 22)

    assert network.replies == []


# ---- again


def test_an_answer_to_a_track_may_ask_for_its_next_take(band, ledger):
    track = band.post(ASK)

    again = band.hear("@lnh_ai /again", in_reply_to=track)

    first = ledger.find("mastodon-1").request
    assert again.request == dataclasses.replace(first, key=again.key, take=2, seed=again.request.seed)
    assert again.request.seed != first.seed
    assert again.state == "composing"


def test_the_next_take_may_be_changed_by_flags(band, ledger):
    # They were passed over without a word.
    track = band.post(ASK)

    again = band.hear("@lnh_ai /again /t 500 /r 0.9 /g jazz", in_reply_to=track)

    first, jazz = ledger.find("mastodon-1").request, load_genres()["jazz"]
    changes = {"genre": "jazz", "tempo_bpm": jazz.tempo.fastest_bpm, "randomness": 0.9}
    assert again.request == dataclasses.replace(first, key=again.key, take=2, seed=again.request.seed, **changes)
    assert again.remarks == (phrases.tempo_limited(jazz, 500, jazz.tempo.fastest_bpm),)


def test_what_no_flag_changes_stays_in_the_next_take(band):
    track = band.post("Robots /compose /g metal /t 230 /r 0.9")

    again = band.hear("/r 10% /again", in_reply_to=track)

    asked = again.request
    assert (asked.genre, asked.tempo_bpm, asked.randomness, again.remarks) == ("heavy-metal", 230, 0.1, ())


@pytest.mark.parametrize("flags", ["/g polka", "/t fast", "/r"])
def test_a_flag_that_is_not_understood_makes_no_next_take(band, flags):
    track = band.post(ASK)

    again = band.hear(f"/again {flags}", in_reply_to=track)

    assert (again.state, again.request) == ("refused", None)
    assert again.reason.startswith(f"Sorry, {flags[:2]} wants")


def test_the_next_take_for_somebody_else_is_not_the_first_take(band):
    track = band.post(ASK)

    assert band.hear("/again", in_reply_to=track, author="other").request.take == 2


def test_a_song_that_failed_is_asked_for_again_as_the_same_take(band, ledger):
    first = band.hear(ASK)
    ledger.fail(first.key, "a string snapped")
    ledger.answered(first.key, "sorry")

    assert band.hear("/again", in_reply_to="sorry").request.take == 1


@pytest.mark.parametrize("in_reply_to", ["", "somebody-elses-post"])
def test_again_without_a_track_is_explained(band, in_reply_to):
    again = band.hear("/again", in_reply_to=in_reply_to)

    assert (again.state, again.reason) == ("refused", phrases.no_track_here())


def test_again_in_answer_to_help_is_explained(band):
    helped = band.post("/help", author="other")

    assert band.hear("/again", in_reply_to=helped).reason == phrases.no_track_here()


def test_again_counts_as_a_song(band):
    track = [band.post(ASK) for _ in range(3)][-1]

    assert band.hear("/again", in_reply_to=track).reason == phrases.enough_for_a_day(3)


@pytest.mark.parametrize("asked", ["private", "direct"])
def test_what_was_asked_in_private_stays_private_again(band, asked):
    track = band.post(ASK, visibility=asked, content_warning="loud")

    again = band.hear("/again", in_reply_to=track, visibility="public")

    assert (again.mention.visibility, again.mention.content_warning) == (asked, "loud")


@pytest.mark.parametrize("asked", ["private", "direct"])
def test_nobody_learns_by_asking_again_what_another_asked_in_private(band, asked):
    track = band.post(ASK, visibility=asked)

    again = band.hear("/again", in_reply_to=track, author="other")

    assert (again.request, again.reason) == (None, phrases.no_track_here())


# ---- delete


def test_a_track_is_taken_down_for_the_one_who_asked_for_it(band, queues):
    track = band.post(ASK)

    deletion = band.hear("@lnh_ai /delete", in_reply_to=track)

    assert (deletion.state, deletion.deletes) == ("accepted", "mastodon-1")
    assert open_queue("deliver", queues.redis).job_ids == [f"deliver-{deletion.key}"]


def test_nobody_else_can_have_it_taken_down(band):
    track = band.post(ASK)

    deletion = band.hear("/delete", in_reply_to=track, author="other")

    assert (deletion.deletes, deletion.reason) == (None, phrases.not_yours())


def test_whoever_said_stop_can_still_have_it_taken_down(band):
    track = band.post(ASK)
    band.hear("/stop")

    assert band.hear("/delete", in_reply_to=track).deletes == "mastodon-1"


def test_a_stop_lets_a_deletion_go_on(band, ledger):
    deletion = band.hear("/delete", in_reply_to=band.post(ASK))

    band.hear("/stop")

    assert ledger.find(deletion.key).open


# ---- lists


def test_who_is_blocked_gets_no_answer_at_all(band):
    band.manners = Manners(lists=Lists(Blocks(servers=frozenset(["bad.example"]))))

    for text in (ASK, "/help", "/stop"):
        post = band.hear(text, author_handle="someone@bad.example")
        assert (post.state, post.open) == ("left", False)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("b4d word /compose", {}),
        ("Robots /compose you bad-word", {}),
        ("Robots /compose /g badword", {}),
        ("bad /t 160 word /compose", {}),
        ("A song for @badword /compose", {}),
        ("Robots /compose", {"content_warning": "ＢＡＤ word"}),
        ("/help badword", {}),
    ],
)
def test_a_listed_word_gets_a_refusal_that_repeats_nothing(band, text, more):
    band.manners = Manners(lists=Lists(words=Words((compiled("badword"), compiled("bad word")))))

    post = band.hear(text, **more)

    assert (post.state, post.reason) == ("refused", phrases.not_this_one())


def test_a_list_that_grew_holds_for_the_next_take_too(band):
    track = band.post(ASK)
    band.manners = Manners(lists=Lists(words=Words((compiled("robots"),))))

    assert band.hear("/again", in_reply_to=track, author="other").reason == phrases.not_this_one()


# ---- logs


def test_a_bug_of_ours_tells_no_secret(band, monkeypatch, caplog):
    def parse(text, *_):
        raise ValueError(text)

    monkeypatch.setattr("bot.reception.parse", parse)

    post = band.hear("my secret /compose", visibility="direct")

    assert (post.state, post.reason) == ("failed", "cannot be read: ValueError")
    assert "secret" not in caplog.text
    assert "in parse" in caplog.text
