from contextlib import contextmanager
from threading import Event, Thread

import pytest
from fake_network import make_mention
from processes import wait_until
from stub_studio import make_request

from bot import gates, phrases
from bot.listener import WORDS_AT_ONCE, Listener
from bot.manners import LONG_LINE
from bot.platforms.base import Closed, Gone, TryLater
from model.errors import NeedsOperator
from model.genre import load_genres
from model.request import ComposeRequest, seed_of
from worker.queue import Queues, compose_id, deliver_id, jobs_by_state, open_queue
from worker.service import Service

ASK = "@lnh_ai Dancing robots /compose /g heavy-metal /t 160 /r 0.2"


@pytest.fixture
def listener(network, ledger, queues):
    listener = Listener(network, ledger, queues, load_genres(), "heavy-metal")
    listener.poll()
    return listener


def listen(listener):
    listener.poll()
    listener.put_on_the_way()
    listener.put_back()


def queued(queues, name):
    return open_queue(name, queues.redis).job_ids


def test_what_was_written_before_the_first_start_is_not_answered(network, ledger, queues):
    network.post(ASK)
    listener = Listener(network, ledger, queues, load_genres(), "heavy-metal")

    listen(listener)

    assert ledger.posts() == []
    assert ledger.bookmark("mastodon") == "1"


def test_a_post_becomes_a_request_on_the_compose_queue(listener, network, ledger, queues):
    key = network.post(ASK)

    listen(listener)

    request = ledger.find(key).request
    assert request == ComposeRequest(
        key=key, title="Dancing robots", take=1, genre="heavy-metal", tempo_bpm=160, randomness=0.2, seed=seed_of(key)
    )
    assert ledger.find(key).state == "composing"
    assert queued(queues, "compose") == [key]
    (job,) = open_queue("compose", queues.redis).jobs
    assert ComposeRequest.from_json(job.args[0]) == request


def test_every_page_of_a_backlog_is_read(listener, network, ledger, queues):
    keys = [network.post(ASK, author=f"someone-{number}") for number in range(10)]

    listen(listener)

    assert queued(queues, "compose") == keys
    assert ledger.bookmark("mastodon") == "10"


def test_a_mention_that_comes_again_or_is_edited_is_asked_for_once(listener, network, ledger, queues):
    key = network.post(ASK)
    listen(listener)
    network.post(ASK + " please", root_id="1")

    listen(listener)

    assert queued(queues, "compose") == [key]
    assert ledger.find(key).request.take == 1


def test_a_post_without_a_command_may_be_edited_to_have_one(listener, network, ledger, queues):
    network.post("@lnh_ai lol thanks")
    listen(listener)
    assert ledger.posts() == []
    key = network.post(ASK, root_id="1")

    listen(listener)

    assert queued(queues, "compose") == [key]


def test_bots_are_never_answered(listener, network, ledger):
    network.post(ASK, by_bot=True)

    listen(listener)

    assert ledger.posts() == []


def test_an_untitled_post_gets_a_title_from_the_band(listener, network, ledger):
    key = network.post("@lnh_ai /compose")

    listen(listener)

    assert ledger.find(key).request.title


@pytest.mark.parametrize(
    ("text", "state"), [("@lnh_ai x /compose /t fast", "refused"), ("@lnh_ai /help", "accepted")]
)
def test_refusals_and_help_need_no_studio(listener, network, ledger, queues, text, state):  # noqa: PLR0917
    key = network.post(text)

    listen(listener)

    assert ledger.find(key).state == state
    assert queued(queues, "compose") == []
    assert queued(queues, "deliver") == [f"deliver-{key}"]


def test_a_post_that_our_parser_dies_of_keeps_nobody_waiting(listener, network, ledger, queues, monkeypatch):
    from bot import reception as module

    real = module.parse

    def parse(text, *rest):
        if "poison" in text:
            raise ZeroDivisionError
        return real(text, *rest)

    monkeypatch.setattr(module, "parse", parse)
    poison, next_one = network.post("poison /compose"), network.post(ASK)

    listen(listener)

    assert (ledger.find(poison).state, ledger.find(poison).open) == ("failed", False)
    assert queued(queues, "compose") == [next_one]


def test_an_id_that_cannot_be_part_of_a_key_is_left_out(listener, network, ledger):
    network.post(ASK, root_id="../../etc")

    listen(listener)

    assert ledger.posts() == []


def test_what_redis_forgot_is_put_back_from_the_ledger(listener, network, ledger, queues):
    song, refusal = network.post(ASK), network.post("x /compose /t fast")
    listen(listener)

    queues.redis.flushall()
    listen(listener)

    assert queued(queues, "compose") == [song]
    assert queued(queues, "deliver") == [f"deliver-{refusal}"]


def test_what_is_under_way_is_left_alone(listener, network, queues):
    network.post(ASK)
    listen(listener)

    listen(listener)

    assert len(queued(queues, "compose")) == 1


def test_what_was_posted_is_not_put_back(listener, network, ledger, queues):
    key = network.post("@lnh_ai /help")
    listen(listener)
    ledger.answered(key, "reply-1")
    queues.redis.flushall()

    listen(listener)

    assert queued(queues, "deliver") == []


def test_a_song_given_up_by_the_studio_becomes_an_apology(listener, network, ledger, queues, monkeypatch):
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    key = network.post(ASK)
    listen(listener)

    def snap(*_):
        raise ValueError("a string snapped")

    Service("compose", queues.redis, {"worker.jobs.compose": snap}).run(until_empty=True)
    listen(listener)
    listen(listener)

    assert (ledger.find(key).state, ledger.find(key).reason) == ("failed", "ValueError: a string snapped")
    assert queued(queues, "compose") == []
    assert queued(queues, "deliver") == [f"deliver-{key}"]


def give_up_compose_job(queues):
    """The studio tries what is queued three times."""

    def snap(*_):
        raise ValueError("a string snapped")

    Service("compose", queues.redis, {"worker.jobs.compose": snap}).run(until_empty=True)


def test_a_song_that_is_begun_anew_is_played_whatever_was_given_up_before(
    listener, network, ledger, queues, monkeypatch
):
    """It became an apology at once."""
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    key = network.post(ASK)
    listen(listener)
    ledger.close_post(key, "given up by the operator")
    give_up_compose_job(queues)
    assert queues.states([compose_id(key)]) == ["given up"]

    ledger.retry(key)
    listen(listener)

    assert ledger.find(key).state == "composing"
    assert queued(queues, "compose") == [key]
    give_up_compose_job(queues)
    listen(listener)
    assert ledger.find(key).state == "failed"


def test_given_up_jobs_of_what_was_called_off_meanwhile_are_taken_away(listener, network, ledger, queues, monkeypatch):
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    key = network.post(ASK)
    listen(listener)
    ledger.call_off(key, "its author wants no answer of ours")
    queues.ask(make_request("x-1"))  # another network's, or another house's
    give_up_compose_job(queues)
    assert jobs_by_state("compose", queues.redis)["given up"] == 2

    listen(listener)

    assert queues.states([key, "x-1"]) == ["absent", "given up"]
    assert jobs_by_state("compose", queues.redis)["given up"] == 1


@pytest.mark.parametrize(
    ("visibility", "reason"),
    [("public", "ValueError: a string snapped"), ("private", "ValueError"), ("direct", "ValueError")],
)
def test_why_a_private_song_failed_is_told_without_words(  # noqa: PLR0917
    listener, network, ledger, queues, monkeypatch, visibility, reason
):
    monkeypatch.setattr("worker.queue.BACK_OFF_SECONDS", (0, 0))
    key = network.post(ASK, visibility=visibility)
    listen(listener)

    def snap(*_):
        raise ValueError("a string snapped")

    Service("compose", queues.redis, {"worker.jobs.compose": snap}).run(until_empty=True)
    listen(listener)

    assert ledger.find(key).reason == reason


def test_a_network_in_trouble_is_tried_again(network, ledger, queues):
    listener = Listener(network, ledger, queues, load_genres(), "heavy-metal")
    network.troubles["newest_bookmark"] = [TryLater(0.1, "503")]
    stop = Event()
    thread = Thread(target=listener.run, args=(stop,))
    thread.start()
    while ledger.bookmark("mastodon") is None:
        stop.wait(0.02)
    network.troubles["pages"] = [TryLater(0.1, "429")]
    key = network.post(ASK)

    while not ledger.find(key):
        stop.wait(0.02)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()


def test_a_token_that_nobody_takes_ends_the_listener(network, ledger, queues):
    network.troubles["newest_bookmark"] = [NeedsOperator("mastodon: the token is refused")]

    with pytest.raises(Closed, match="mastodon: the token is refused"):
        Listener(network, ledger, queues, load_genres(), "heavy-metal").run(Event())


@contextmanager
def running(listener):
    stop = Event()
    thread = Thread(target=listener.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_a_mention_by_the_stream_is_asked_for_at_once_and_once(network, ledger, queues):
    network.poll_seconds = 3600
    key = network.post(ASK)
    network.streamed = [make_mention(ASK, root_id="1"), make_mention(ASK, root_id="1")]
    listener = Listener(network, ledger, queues, load_genres(), "heavy-metal")
    ledger.keep("mastodon", (), "1")  # polling is past it

    with running(listener):
        wait_until(lambda: queued(queues, "compose") == [key])
    ledger.keep("mastodon", (), "0")
    listen(listener)

    assert queued(queues, "compose") == [key]
    assert ledger.find(key).request.take == 1
    assert ledger.bookmark("mastodon") == "1"


def test_a_stream_tells_of_no_bots(network, ledger, queues):
    network.streamed = [make_mention(ASK, root_id="1", by_bot=True), make_mention(ASK, root_id="2")]

    with running(Listener(network, ledger, queues, load_genres(), "heavy-metal")):
        wait_until(ledger.posts)

    assert [post.key for post in ledger.posts()] == ["mastodon-2"]


def test_a_broken_stream_is_opened_again_each_time_later(network, ledger, queues, monkeypatch):
    tried, pauses = [], []

    class Stop(Event):
        def wait(self, timeout=None):
            pauses.append(timeout)
            self.set() if len(pauses) == 12 else None

    def stream(tell, stop):
        tried.append(True)
        raise {2: NeedsOperator("no"), 3: KeyError("a bug")}.get(len(tried), TryLater(30, "it broke"))

    network.stream = stream

    Listener(network, ledger, queues, load_genres(), "heavy-metal")._stream(Stop())

    assert pauses == [1.0, 900.0] + [900.0] * 10
    assert len(tried) == 12


def test_a_network_that_refused_us_is_read_again_when_it_lets_us_in(network, ledger, queues, monkeypatch, caplog):
    monkeypatch.setattr(gates, "RETRY_SECONDS", 0.2)
    listener = Listener(network, ledger, queues, load_genres(), "heavy-metal")
    refusal = NeedsOperator("mastodon: the token is refused")

    with running(listener):
        wait_until(lambda: ledger.bookmark("mastodon") is not None)
        network.troubles["pages"] = [refusal, refusal, refusal]
        key = network.post(ASK)
        wait_until(lambda: ledger.find(key))
        wait_until(lambda: "lets us in again" in caplog.text)

    said = [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "WARNING")]
    assert said == [
        "mastodon: the token is refused; asking again every 0 minutes", "mastodon: lets us in again",
    ]  # fmt: skip


def test_a_network_that_lets_us_not_answer_is_still_read(network, ledger, queues):
    shut = gates.Gates(["mastodon", "x"])
    shut.refused(Closed("mastodon", "mastodon: no"), "answering")
    network.poll_seconds = 0.05

    with running(Listener(network, ledger, queues, load_genres(), "heavy-metal", gates=shut)):
        wait_until(lambda: ledger.bookmark("mastodon") is not None)
        key = network.post(ASK)
        wait_until(lambda: ledger.find(key))

    assert ledger.find(key).state == "seen"
    assert queued(queues, "compose") == []


def test_a_mention_that_the_stream_tells_in_the_middle_of_a_round_waits_for_the_next(listener, ledger, queues):
    """It was answered with help: a row that nobody has looked at yet asks for no song."""
    key, real = "mastodon-77", ledger.seen
    ledger.seen = lambda platform: (real(platform), ledger.hear(make_mention(ASK, root_id="77")))[0]

    listener.put_on_the_way()
    listener.put_back()

    assert (ledger.find(key).state, queued(queues, "deliver"), queued(queues, "compose")) == ("seen", [], [])
    ledger.seen = real
    listener.put_on_the_way()
    assert queued(queues, "compose") == [key]


def test_a_new_mention_is_put_on_its_way_without_a_look_at_those_that_wait(listener, network, queues, monkeypatch):
    for number in range(3):
        network.post(ASK, author=f"{number}")
    listen(listener)
    looked_at, real = [], Queues.states
    monkeypatch.setattr(Queues, "states", lambda self, ids: looked_at.extend(ids) or real(self, ids))

    key = network.post(ASK, author="9")
    listener.poll()
    listener.put_on_the_way()

    assert set(looked_at) == {compose_id(key), deliver_id(key)}
    assert queued(queues, "compose")[-1] == key


@pytest.fixture
def burst(network):
    """Fifty people call at once, on a network where a word about the line may be said."""
    network.says_line = True
    return [network.post(ASK, author=f"{number}") for number in range(50)]


def test_a_burst_is_on_the_queue_before_anybody_is_told_about_the_line(listener, burst, network, queues):
    waiting, reply = [], network.reply
    network.reply = lambda *words: (waiting.append(queued(queues, "compose")), reply(*words))[1]

    listen(listener)

    assert waiting == [burst] * WORDS_AT_ONCE
    assert [said["text"] for said in network.replies] == [
        phrases.in_line(LONG_LINE + number) for number in range(WORDS_AT_ONCE)
    ]


def test_a_network_that_puts_a_word_about_the_line_off_is_told_no_more(listener, burst, network, queues):
    network.troubles["reply"] = [Gone("deleted"), TryLater(300, "429"), TryLater(300, "429")]

    listen(listener)

    assert (len(network.troubles["reply"]), network.replies) == (1, [])
    assert queued(queues, "compose") == burst


def test_a_long_line_that_was_lost_with_redis_is_put_back_a_piece_at_a_time(
    listener, network, ledger, queues, monkeypatch
):
    monkeypatch.setattr("bot.listener.PUT_BACK_AT_ONCE", 2)
    keys = [network.post(ASK, author=f"{number}") for number in range(5)]
    listener.poll()
    listener.put_on_the_way()
    queues.redis.flushall()

    whether_all = [listener.put_back() for _ in range(3)]

    assert whether_all == [False, False, True]
    assert queued(queues, "compose") == keys
