import io
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory

import pytest
from fake_network import FakeNetwork, make_mention
from processes import TESTS, running, started, wait_until

from bot.ledger import Ledger
from bot.play import PlayedPost
from worker.private_redis import server_path
from worker.queue import open_queue

ASK = "@lnh_ai Dancing robots {} /compose /g heavy-metal /t 160 /r 0.2"
FILES = [".mid", ".mp3", ".mp4", ".png"]


@pytest.fixture
def network(tmp_path):
    folder = tmp_path / "network"
    folder.mkdir()
    return FakeNetwork(folder)


@pytest.fixture
def other_network(tmp_path):
    folder = tmp_path / "other-network"
    folder.mkdir()
    return FakeNetwork(folder, name="x")


@pytest.fixture
def house(redis, redis_url, tmp_path, network):
    """Starts services on one Redis, one store and one ledger."""
    with ExitStack() as services:

        class House:
            ledger = Ledger(tmp_path / "data" / "ledger.sqlite")

            def start(self, script, *arguments, REDIS_URL=redis_url, **more):  # noqa: N803
                variables = {"REDIS_URL": REDIS_URL, "LNH_DATA": tmp_path / "data", "LNH_STORE": tmp_path / "tracks"}
                return services.enter_context(started(script, *arguments, **variables, **more))

            def start_bot(self, **variables):
                return self.start("stub_bot.py", network.folder, **variables)

            def await_bookmark(self):
                wait_until(lambda: self.ledger.bookmark("mastodon") is not None)

        yield House()


def lnh(*arguments, **variables):
    """An `lnh` command as people run it, without what this machine has set."""
    own = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "LNH_STORE", "LNH_DATA")}
    command = [sys.executable, "-m", "bot", *arguments]
    environment = {**own, "PYTHONPATH": str(TESTS.parent), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def own_redis(folder):
    """A server that is killed at the end, at an address that outlives it."""
    command = [str(server_path(os.environ)), "--port", "0", "--unixsocket", f"{folder}/redis.sock", "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def open_log(folder):
    return (folder / "log.txt").open("wb")


def said(folder):
    return (folder / "log.txt").read_text()


def play(post, out, seconds=0.1, **variables):
    for folder in variables.values():
        folder.mkdir()
    return started("stub_play.py", post, out, seconds, REDIS_URL="", **variables)


def test_a_listener_killed_in_the_middle_of_ten_mentions_answers_each_once(house, network):
    house.start("stub_studio.py", 0.1)
    first = house.start_bot()
    house.await_bookmark()
    keys = [network.post(ASK.format(number)) for number in range(10)]
    wait_until(lambda: len(network.replies) >= 3)

    first.kill()
    house.start_bot()

    wait_until(lambda: len(network.replies) == 10 and not house.ledger.unfinished("mastodon"), seconds=90)
    assert sorted(reply["key"] for reply in network.replies) == sorted(keys)
    assert {post.state for post in house.ledger.posts()} == {"posted"}


def test_a_redis_wiped_while_songs_are_played_changes_nothing(house, network, redis):
    house.start("stub_studio.py", 0.2)
    house.start_bot()
    house.await_bookmark()
    keys = [network.post(ASK.format(number)) for number in range(5)]
    wait_until(lambda: len(network.replies) >= 1)

    redis.flushall()

    wait_until(lambda: len(network.replies) == 5 and not house.ledger.unfinished("mastodon"))
    assert sorted(reply["key"] for reply in network.replies) == sorted(keys)
    assert len(network.uploads) == 5


def test_a_redis_that_dies_and_comes_back_empty_loses_nothing(house, network, tmp_path):
    with TemporaryDirectory() as folder:
        url = f"unix://{folder}/redis.sock"
        with own_redis(folder):
            house.start("stub_studio.py", 1, REDIS_URL=url)
            house.start_bot(REDIS_URL=url)
            house.await_bookmark()
            keys = [network.post(ASK.format(number)) for number in range(3)]
            wait_until(lambda: len(network.replies) == 1)

        with own_redis(folder):
            wait_until(lambda: len(network.replies) == 3 and not house.ledger.unfinished("mastodon"))

    assert sorted(reply["key"] for reply in network.replies) == sorted(keys)


def test_a_bot_told_to_stop_while_redis_is_away_ends(house, network):
    with TemporaryDirectory() as folder:
        with own_redis(folder):
            bot = house.start_bot(REDIS_URL=f"unix://{folder}/redis.sock")
            house.await_bookmark()
            time.sleep(0.5)
        time.sleep(0.5)

        bot.terminate()

        assert bot.wait(20) == 0


def test_a_song_that_fails_becomes_an_apology_and_the_next_is_played(house, network, tmp_path):
    house.start("stub_studio.py", 0)
    house.start_bot()
    house.await_bookmark()
    broken = network.post("@lnh_ai break /compose")
    fine = network.post(ASK.format(""))

    wait_until(lambda: len(network.replies) == 2)

    answers = {reply["key"]: reply["text"] for reply in network.replies}
    assert answers[broken].startswith("Sorry!")
    assert answers[fine].startswith("Enjoy!")
    wait_until(lambda: not house.ledger.unfinished("mastodon"))
    assert (house.ledger.find(broken).state, house.ledger.find(broken).reason) == (
        "failed", "ValueError: a string snapped",
    )  # fmt: skip


def test_a_song_that_kills_its_worker_is_given_up_after_three_tries_and_stops_no_other(house, network):
    house.start_bot()
    house.await_bookmark()
    workers = [house.start("stub_studio.py", 0, HURRY=1)]

    def keep_one_at_work():
        if workers[-1].poll() is not None:
            workers.append(house.start("stub_studio.py", 0, HURRY=1))

    poison = network.post("@lnh_ai poison /compose", author="villain")
    wait_until(lambda: workers[0].poll() is not None)
    fine = network.post(ASK.format(""))

    wait_until(lambda: keep_one_at_work() or not house.ledger.find(poison).open, seconds=120)

    answers = {reply["key"]: reply["text"] for reply in network.replies}
    assert answers[poison].startswith("Sorry!")
    assert answers[fine].startswith("Enjoy!")
    assert house.ledger.find(poison).reason == "it took its worker with it, each time that it was tried"
    assert len(workers) == 4


def test_a_hang_up_has_the_bot_read_its_files_again(redis_url, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("badword")
    variables = {"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path), "LNH_CONSOLE": "1", "LNH_WORDS": str(words)}
    own = {**os.environ, "PYTHONPATH": str(TESTS.parent), **variables}
    command = [sys.executable, "-m", "bot", "bot"]
    with open_log(tmp_path) as log, subprocess.Popen(command, env=own, stdin=subprocess.PIPE, stderr=log) as bot:
        wait_until(lambda: (tmp_path / "ledger.sqlite").exists() and "taking jobs" in said(tmp_path))
        bot.send_signal(signal.SIGHUP)
        wait_until(lambda: "read the lists of LNH_BLOCKED and LNH_WORDS again" in said(tmp_path))
        words.write_text("***")

        bot.send_signal(signal.SIGHUP)

        wait_until(lambda: "going on with the lists of LNH_BLOCKED and LNH_WORDS as they were" in said(tmp_path))
        bot.terminate()
    assert said(tmp_path).count("read the genre files again") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bot_told_to_stop_ends_cleanly(house, network, number):
    bot = house.start_bot()
    house.await_bookmark()
    network.post("@lnh_ai /help")
    wait_until(lambda: network.replies)

    bot.send_signal(number)
    _, errors = bot.communicate(timeout=30)

    assert bot.returncode == 0
    assert errors == ""


def test_a_refused_token_ends_the_bot_with_one_line(house, network):
    (network.folder / "pages-refused").touch()
    bot = house.start_bot()

    _, errors = bot.communicate(timeout=30)

    assert bot.returncode == 1
    assert errors == "lnh: mastodon: the token is refused; make a new one\n"


@pytest.mark.parametrize("method", ["pages", "upload"])
def test_a_network_that_refuses_our_token_does_not_stop_another(house, network, other_network, method):
    (network.folder / f"{method}-refused").touch()
    house.start("stub_studio.py", 0)
    bot = house.start("stub_bot.py", network.folder, other_network.folder)
    wait_until(lambda: house.ledger.bookmark("mastodon") is not None and house.ledger.bookmark("x") is not None)
    refused, fine = network.post(ASK.format("")), other_network.post(ASK.format(""))

    wait_until(lambda: len(other_network.replies) == 1 and not house.ledger.unfinished("x"))

    assert bot.poll() is None
    assert house.ledger.find(fine).state == "posted"
    assert network.replies == []
    if method == "upload":
        wait_until(lambda: house.ledger.find(refused).state == "rendered")
    bot.terminate()
    _, errors = bot.communicate(timeout=30)
    assert bot.returncode == 0
    said = "mastodon: the token is refused; make a new one; asking again every 0 minutes, and going on with x"
    assert errors.splitlines() == [said]


def test_a_network_that_hangs_keeps_no_other_waiting(house, network, other_network):
    (network.folder / "upload-hangs").touch()
    house.start("stub_studio.py", 0)
    house.start("stub_bot.py", network.folder, other_network.folder)
    wait_until(lambda: house.ledger.bookmark("mastodon") is not None and house.ledger.bookmark("x") is not None)
    stuck = network.post(ASK.format(""))
    wait_until(lambda: house.ledger.find(stuck) and house.ledger.find(stuck).state == "rendered")

    fine = other_network.post(ASK.format(""))

    wait_until(lambda: house.ledger.find(fine) and house.ledger.find(fine).state == "posted")
    assert house.ledger.find(stuck).state == "rendered"


def test_a_bot_ends_when_every_network_refuses_its_token(house, network, other_network):
    for each in (network, other_network):
        (each.folder / "pages-refused").touch()
    bot = house.start("stub_bot.py", network.folder, other_network.folder)

    _, errors = bot.communicate(timeout=30)

    assert bot.returncode == 1
    assert "the token is refused; make a new one; asking again every 0 minutes, and going on with" in errors
    assert errors.splitlines()[-1].startswith("lnh: ")


@pytest.mark.parametrize("method", ["pages", "upload"])
def test_what_waited_for_a_new_token_is_answered_without_a_restart(house, network, method):
    house.start("stub_studio.py", 0)
    house.start_bot()
    house.await_bookmark()
    (network.folder / f"{method}-refused").touch()
    key = network.post(ASK.format(""))
    if method == "upload":
        wait_until(lambda: house.ledger.find(key) and house.ledger.find(key).state == "rendered")
    time.sleep(1.5)
    assert network.replies == []

    (network.folder / f"{method}-refused").unlink()

    wait_until(lambda: len(network.replies) == 1)


def test_a_post_is_played_through_the_whole_loop(tmp_path):
    with play(ASK.format(""), tmp_path / "out") as process:
        said, errors = process.communicate(timeout=60)

    assert said.startswith("→ @someone Enjoy! #LnHAI Dancing robots – take 1\nheavy-metal · 160 bpm · r 0.2\n")
    assert [path.suffix for path in sorted((tmp_path / "out").iterdir())] == FILES
    assert (process.returncode, errors) == (0, "")


def test_the_same_post_has_the_same_key_and_seed_again(tmp_path):
    for out in ("out", "again"):
        with play(ASK.format(""), tmp_path / out) as process:
            process.communicate(timeout=60)

    (first,), (second,) = (list((tmp_path / out).glob("*.mp3")) for out in ("out", "again"))
    assert first.name == second.name
    assert first.read_text().split()[0] == second.read_text().split()[0]


def test_on_a_shared_redis_a_post_is_played_beside_the_services_there(house, network, redis, redis_url, tmp_path):
    house.start("stub_studio.py", 0)
    house.start_bot()
    house.await_bookmark()

    with started("stub_play.py", ASK.format(""), tmp_path / "out", 0.1, REDIS_URL=redis_url) as process:
        said, _ = process.communicate(timeout=60)

    assert said.endswith("posted\n")
    assert [path.suffix for path in sorted((tmp_path / "out").iterdir())] == FILES
    assert network.replies == []
    assert redis.keys("rq:queue:*-play-*") == []


def test_another_post_has_another_key(tmp_path):
    def key(text):
        (page,) = PlayedPost(text, io.StringIO(), tmp_path).pages("0")
        return page.mentions[0].key

    assert key("a /compose") == key(" a  /compose")
    assert key("a /compose") != key("b /compose")


def test_a_post_that_is_not_understood_gets_its_refusal(tmp_path):
    with play("@lnh_ai Dancing robots /compose /t fast", tmp_path / "out") as process:
        said, _ = process.communicate(timeout=60)

    assert said.startswith("→ @someone Sorry, /t wants a tempo")
    assert said.endswith("refused\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_play_is_ended(tmp_path, number):
    with play(ASK.format(""), tmp_path / "out", seconds=77.25, TMPDIR=tmp_path / "tmp") as process:
        wait_until(lambda: len(running("stub_studio.py", "77.25")) == 2)  # the worker and its keeper
        assert running("redis-server", str(tmp_path))
        time.sleep(0.5)

        process.send_signal(number)

        process.communicate(timeout=30)
    wait_until(lambda: not running("stub_studio.py", "77.25"), seconds=15)
    wait_until(lambda: not running("redis-server", str(tmp_path)), seconds=15)
    wait_until(lambda: not list((tmp_path / "tmp").iterdir()), seconds=15)
    assert list((tmp_path / "out").iterdir()) == []


def test_play_says_when_a_post_asks_for_nothing(tmp_path):
    ended = lnh("play", "hello", "--out", str(tmp_path / "out"))

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == 'lnh: this post asks for nothing; try "Dancing robots /compose", or "/help"\n'


@pytest.mark.parametrize("command", ["bot", "work", "status"])
def test_no_redis_is_one_line(command, tmp_path):
    ended = lnh(command, REDIS_URL="redis://:secret@127.0.0.1:1/0", LNH_CONSOLE="1", LNH_DATA=str(tmp_path))

    assert ended.returncode == 1
    assert ended.stderr.startswith("lnh: redis://127.0.0.1:1/0: no Redis answers")
    assert ended.stderr.count("\n") == 1


def test_a_bot_without_a_platform_is_one_line(tmp_path):
    ended = lnh("bot", LNH_DATA=str(tmp_path))

    assert ended.returncode == 1
    assert ended.stderr.startswith("lnh: no platform is switched on, by .env or the environment")


def test_a_genre_that_is_not_there_is_one_line(tmp_path):
    ended = lnh("bot", LNH_DEFAULT_GENRE="polka")

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("lnh: LNH_DEFAULT_GENRE is 'polka'; genres/ has ")


def test_status_of_a_house_at_work_is_sound(house, network, redis, redis_url, tmp_path):
    house.start("stub_studio.py", 0)
    house.start_bot()
    house.await_bookmark()
    network.post("@lnh_ai /help")
    network.post("@lnh_ai break /compose")
    wait_until(lambda: len(network.replies) == 2)
    wait_until(lambda: redis.scard("rq:workers") == 2)

    ended = lnh("status", REDIS_URL=redis_url, LNH_DATA=str(tmp_path / "data"))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "posted" in ended.stdout
    assert "mastodon-2: ValueError: a string snapped" in " ".join(ended.stdout.split())
    assert "compose" in ended.stdout
    assert "deliver-mastodon" in ended.stdout
    assert "left on its disk" in ended.stdout


def test_status_names_what_does_not_run(redis, redis_url, tmp_path):
    ended = lnh("status", REDIS_URL=redis_url, LNH_DATA=str(tmp_path / "data"))

    assert ended.returncode == 1
    assert "nobody works on compose; " in ended.stderr
    assert "ledger.sqlite: no ledger yet" in ended.stderr


def test_status_names_an_answer_that_is_overdue(network, redis, redis_url, tmp_path):
    # A network that lets us read and refuses our answers looked sound.
    network.post("/help")
    ledger = Ledger(tmp_path / "data" / "ledger.sqlite")
    for page in network.pages("0"):
        ledger.keep(network.name, page.mentions, page.bookmark)
    ledger._write("UPDATE posts SET times = json_object('seen', ?)", time.time() - 3700)
    ledger.close()

    for hours, named in (("1", True), ("2", False)):
        ended = lnh("status", REDIS_URL=redis_url, LNH_DATA=str(tmp_path / "data"), LNH_LATE_HOURS=hours)
        assert ("the oldest open post was seen 1 h 1 min ago" in ended.stderr) == named


def test_status_names_a_network_that_was_never_read(redis, redis_url, tmp_path):
    # Its keys were wrong from the first start, and all was said to run.
    ledger = Ledger(tmp_path / "data" / "ledger.sqlite")
    ledger.watch(["x"])
    for minutes, named in ((14, False), (16, True)):
        ledger._write("UPDATE unread SET since = ?", time.time() - minutes * 60)

        ended = lnh("status", REDIS_URL=redis_url, LNH_DATA=str(tmp_path / "data"))

        assert "deliver-x" in ended.stdout
        assert ("x was not read for 16 min" in ended.stderr) == named


def test_status_does_not_wait_for_a_network_that_is_switched_off(redis, redis_url, tmp_path):
    ledger = Ledger(tmp_path / "data" / "ledger.sqlite")
    ledger.keep("x", [make_mention(platform="x", root_id="1")], "1")
    ledger._write("UPDATE posts SET times = json_object('seen', ?)", time.time() - 7200)
    ledger.watch(["mastodon"])

    ended = lnh("status", REDIS_URL=redis_url, LNH_DATA=str(tmp_path / "data"))

    assert "oldest open post" not in ended.stdout + ended.stderr
    assert "besides, 1 wait for their platform to be switched on again" in " ".join(ended.stdout.split())


def test_the_two_queues_are_rqs_own(queues):
    assert open_queue("compose", queues.redis).key == "rq:queue:compose"
