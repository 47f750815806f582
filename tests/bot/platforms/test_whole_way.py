"""From a call on a network to its answer, through the real client libraries: two bands that meet, secrets, privacy."""

import html
import itertools
import logging
import zlib
from contextlib import suppress
from pathlib import Path

import fake_mastodon
import fake_x
import pytest
from fake_mastodon import FakeMastodon, make_account, problem
from pytest_httpserver import HTTPServer
from redis import Redis
from stub_studio import stub_produce
from worlds import MastodonWorld, NetworkWorld

from bot.deliver import Deliverer
from bot.ledger import Ledger
from bot.listener import Listener
from bot.manners import Manners
from bot.platforms.base import Closed, Platform
from model.genre import load_genres
from worker.jobs import Studio
from worker.queue import COMPOSE_JOB, DELIVER_JOB, Queues
from worker.service import Service
from worker.store import Store

ASK = "@lnh_ai Dancing robots /compose /g heavy-metal /t 160 /r 0.2"
NAMES = itertools.count()


class Band:
    """One band with its own ledger, queues and store, which works in turns."""

    def __init__(self, platform: Platform, folder: Path, redis: Redis, manners: Manners) -> None:
        number, genres = next(NAMES), load_genres()
        queues = Queues(redis, f"compose-{number}", f"deliver-{number}")
        store = Store(str(folder / "tracks"))
        self.ledger = Ledger(folder / "ledger.sqlite")
        self._listener = Listener(platform, self.ledger, queues, genres, "heavy-metal", manners=manners)
        deliverer = Deliverer({platform.name: platform}, self.ledger, store, genres, "heavy-metal", manners=manners)
        studio = Studio(genres, lambda _: 0.0, stub_produce, store, queues)
        self._services = (
            Service(queues.compose, redis, {COMPOSE_JOB: studio.compose}),
            Service(queues.deliver, redis, {DELIVER_JOB: deliverer.deliver}),
        )

    def work(self) -> None:
        """Read, compose and answer all that there is."""
        self._listener.poll()
        self._listener.put_on_the_way()
        self._listener.put_back()
        for service in self._services:
            service.run(until_empty=True)


@pytest.fixture
def second_server():
    with HTTPServer() as server:
        yield server


def make_band(world: NetworkWorld, folder: Path, redis: Redis, manners: Manners | None = None) -> Band:
    band = Band(world.connect(), folder, redis, manners or Manners())
    band.work()
    return band


# ---- two of us


def carry(speaker: FakeMastodon, name: str, listener: FakeMastodon, *, marked: bool, told: set[str]) -> None:
    """What one band says reaches the server of the other as a mention, as federation does."""
    for status in speaker.answers():
        if status["id"] not in told:
            told.add(status["id"])
            account = make_account("77", f"lnh_ai@{name}.example", bot=marked)
            listener.call(f"<p>{html.escape(status['content'])}</p>", account, in_reply_to_id="1")


@pytest.mark.parametrize("marked", [True, False], ids=["marked as a bot", "not marked"])
@pytest.mark.parametrize("words", [ASK, "@lnh_ai /help", "@lnh_ai x /compose /g polka!", "@lnh_ai /again"])
def test_two_of_us_that_meet_fall_silent_at_once(  # noqa: PLR0917
    mastodon_world: MastodonWorld, second_server: HTTPServer, redis: Redis, tmp_path: Path, words: str, marked: bool
):
    here, there = mastodon_world, MastodonWorld(second_server)
    ours, theirs = make_band(here, tmp_path / "here", redis), make_band(there, tmp_path / "there", redis)
    told: set[str] = set()
    there.fake.call(f"<p>{words}</p>", make_account("77", "lnh_ai@here.example"))

    for _ in range(4):
        theirs.work()
        carry(there.fake, "there", here.fake, marked=marked, told=told)
        ours.work()
        carry(here.fake, "here", there.fake, marked=marked, told=told)

    assert (len(there.answers()), len(here.answers())) == (1, 0)


def test_a_bot_that_throws_every_answer_back_with_a_command_is_given_up(
    mastodon_world: MastodonWorld, redis: Redis, tmp_path: Path
):
    band = make_band(mastodon_world, tmp_path, redis, Manners(songs_a_day=2))
    answers: list[str] = []
    mastodon_world.call(ASK)

    for _ in range(8):
        band.work()
        for answer in mastodon_world.answers()[len(answers) :]:
            answers.append(answer.text)
            mastodon_world.call(f"@lnh_ai {html.escape(answer.text)} /compose")

    assert [text.split()[1] for text in answers] == ["Enjoy!", "Enjoy!", "Thank"]


# ---- what people can say to the band


def test_a_track_is_played_again_and_taken_down(network: NetworkWorld, redis: Redis, tmp_path: Path):
    band = make_band(network, tmp_path, redis)
    network.call(ASK)
    band.work()
    (first,) = band.ledger.posts()
    network.call_in_answer("@lnh_ai /again", first.reply_id)
    band.work()
    network.call_in_answer("@lnh_ai /delete", first.reply_id)

    band.work()

    (left,) = network.answers()
    assert "Dancing robots – take 2" in left.text
    assert [post.state for post in band.ledger.posts()] == ["deleted", "posted", "done"]


# ---- secrets and private words


def everything_written(redis: Redis, folder: Path) -> str:
    """What Redis, the ledger and the store hold, with the names of the files."""
    kept = [repr((key, redis.dump(key))) for key in redis.scan_iter()]
    for key in redis.scan_iter(_type="hash"):
        kept += [f"{name!r}: {_inflated(value)!r}" for name, value in redis.hgetall(key).items()]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join([*kept, *map(str, files), *(path.read_bytes().decode("latin-1") for path in files)])


def _inflated(value: bytes) -> bytes:
    """RQ packs what a job carries."""
    with suppress(zlib.error):
        return zlib.decompress(value)
    return value


def test_no_secret_is_written_anywhere_even_in_detail(
    network: NetworkWorld, redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
):
    caplog.set_level(logging.DEBUG)
    band = make_band(network, tmp_path, redis)
    network.call(ASK)
    network.call("@lnh_ai /help")
    network.fail_posting(problem(500, "oh"), after_the_deed=False)
    band._listener.poll()
    band._listener.put_on_the_way()
    in_the_queues = everything_written(redis, tmp_path)

    band.work()
    network.fail_reading(problem(401, "no"))
    with pytest.raises(Closed) as refused:
        band.work()

    written = in_the_queues + everything_written(redis, tmp_path) + caplog.text + "".join(capfd.readouterr())
    assert "heavy-metal" in in_the_queues
    assert "Dancing robots" in in_the_queues.partition("ledger.sqlite")[0]
    assert not any(secret in written + str(refused.value) for secret in (*fake_x.KEYS, fake_mastodon.TOKEN))


@pytest.mark.parametrize("visibility", ["private", "direct"])
@pytest.mark.parametrize("words", ["my secret /compose", "/compose /g secret", "break my secret /compose /t secret"])
def test_private_words_are_in_no_log_and_no_file_name(  # noqa: PLR0917
    mastodon_world: MastodonWorld, redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture, visibility: str, words: str,
):  # fmt: skip
    caplog.set_level(logging.DEBUG)
    band = make_band(mastodon_world, tmp_path, redis)
    mastodon_world.fake.call(f"<p>@lnh_ai {words}</p>", visibility=visibility, spoiler_text="secret")

    band.work()

    files = [path.name for path in tmp_path.rglob("*")]
    assert "secret" not in caplog.text + "".join(capfd.readouterr()) + " ".join(files)
    assert {answer["visibility"] for answer in mastodon_world.fake.answers()} == {"direct"}


def test_a_private_song_that_fails_tells_its_reason_without_words(
    mastodon_world: MastodonWorld, redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    band = make_band(mastodon_world, tmp_path, redis)
    mastodon_world.fake.call("<p>@lnh_ai my secret /compose</p>", visibility="direct")
    mastodon_world.fake.troubles.plan("POST", "/media", problem(422, "no such media"))

    band.work()

    (post,) = band.ledger.posts()
    assert post.state == "failed"
    assert "secret" not in post.reason + caplog.text
