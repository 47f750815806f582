import socket
import urllib.request
from functools import partial
from threading import Event, Thread

import pytest
from fake_network import FakeNetwork, make_mention
from processes import wait_until
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from stub_studio import make_request

from bot.deliver import Deliverer
from bot.ledger import Ledger
from bot.metrics import House, serve_metrics
from bot.platforms.base import TryLater
from bot.settings import Settings
from model.errors import NeedsOperator
from model.genre import load_genres
from worker.service import Service
from worker.store import Store
from worker.track import MP3, PNG, Track

TRACK = Track(
    key="mastodon-1", media_types=(MP3, PNG), seconds=45.0, musical_key="E minor", players=("drums",),
    stage_seconds={"compose": 4.0, "mix": 1.5},
)  # fmt: skip


@pytest.fixture
def settings(redis_url, tmp_path):
    return Settings.from_environment({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path)})


@pytest.fixture
def ledger(settings):
    ledger = Ledger(settings.ledger)
    ledger.keep("mastodon", [make_mention(root_id="1")], "1")
    ledger.accept(make_request("mastodon-1"), [])
    return ledger


@pytest.fixture
def look(ledger, redis, settings):
    """Asks the bot for its figures: name and labels, in the order of their names, to number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = Event()
    server = Thread(target=partial(serve_metrics, str(port), House(ledger, redis, settings), stop))
    server.start()
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)

    def figures():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
            samples = [sample for family in families for sample in family.samples]
            return {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    yield figures
    stop.set()
    server.join()


@pytest.fixture
def deliverer(ledger, tmp_path):
    for media_type in TRACK.media_types:
        (tmp_path / TRACK.file_name(media_type)).write_text("music")
    store = Store(str(tmp_path / "tracks"))
    store.put(tmp_path, TRACK)
    network = FakeNetwork(tmp_path)
    network.troubles["upload"] = [TryLater(60, "it is in trouble")]
    return Deliverer({"mastodon": network}, ledger, store, load_genres(), "heavy-metal")


def test_what_waits_and_what_failed_can_be_seen(look, queues):
    queues.ask(make_request("mastodon-1"))
    queues.to("mastodon").hand_over("mastodon-2", None)
    Service("deliver-mastodon", queues.redis, {}).run(until_empty=True)

    figures = look()

    assert figures["lnh_posts", "mastodon", "accepted"] == 1
    assert figures["lnh_jobs", "compose", "waiting"] == 1
    assert figures["lnh_jobs", "deliver-mastodon", "to be tried again"] == 1
    assert figures["lnh_failed_tries_total", "deliver-mastodon"] == 1
    assert figures["lnh_workers", "compose"] == 0
    assert figures["lnh_oldest_open_seconds",] > 0
    assert figures["lnh_disk_free_bytes", "ledger"] > 0


def test_outcomes_stages_and_errors_of_networks_are_counted(look, deliverer, ledger):
    before = look()
    deliverer.deliver("mastodon-1", TRACK.to_json())
    deliverer.deliver("mastodon-1", None)

    after = look()

    def more(*name):
        return after[name] - before.get(name, 0)

    assert more("lnh_network_errors_total", "TryLater", "mastodon") == 1
    assert more("lnh_stage_seconds_sum", "compose") == 4.0
    assert more("lnh_stage_seconds_count", "all") == 1
    assert after["lnh_outcomes_total", "posted", "mastodon"] == 1

    ledger.forget(before=1e12)

    assert ledger.posts() == []
    assert look()["lnh_outcomes_total", "posted", "mastodon"] == 1


def test_without_redis_the_rest_can_still_be_seen(ledger, settings):
    names = {metric.name for metric in House(ledger, Redis(port=1), settings).collect()}

    assert "lnh_posts" in names
    assert "lnh_jobs" not in names


@pytest.mark.parametrize("where", ["http", "99999999", "192.0.2.1:9464"])
def test_a_port_that_we_cannot_have_is_the_operators_matter(where, ledger, redis, settings):
    with pytest.raises(NeedsOperator, match=r"LNH_METRICS is .*; write a free port"):
        serve_metrics(where, House(ledger, redis, settings), Event())
