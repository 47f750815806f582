"""Songs next in line are composed together, and each stays a job of its own."""

import os
import signal
from dataclasses import replace
from itertools import chain, repeat
from threading import Event, Thread

import pytest
from processes import started, wait_until
from scores import empty_score, make_score
from stub_company import StubBand, one_note, stub_produce, stub_service
from stub_studio import make_request

from model.genre import load_genres
from model.score import DURATIONS
from worker.company import MARK, MOST, Company, composing_for, digest, score_from_json, score_to_json
from worker.jobs import Studio
from worker.queue import COMPOSE_JOB, open_queue
from worker.service import Service
from worker.store import Store


def ask(queues, *keys):
    for key in keys:
        queues.ask(make_request(key))


def in_company(band, queues):
    return Company(band, queues.redis, "compose")


def delivered(queues):
    return sorted(open_queue("deliver", queues.redis).job_ids)


def test_who_composes_a_song_composes_those_next_in_line_which_stay_in_line(queues):
    band, waiting = StubBand(), [f"console-{number}" for number in range(2, 8)]
    ask(queues, *waiting)

    in_company(band, queues).compose(make_request("console-1"))

    assert band.together == [["console-1", *waiting[: MOST - 1]]]
    assert open_queue("compose", queues.redis).job_ids == waiting


def test_a_song_composed_ahead_is_not_composed_again_and_is_the_song_composed_alone(queues):
    band = StubBand()
    ask(queues, "console-2")
    in_company(band, queues).compose(make_request("console-1"))

    score = in_company(band, queues).compose(make_request("console-2"))

    assert len(band.together) == 1
    assert score == StubBand().compose_all([make_request("console-2")])[0]


def test_a_post_edited_since_it_was_composed_ahead_is_composed_anew(queues):
    band = StubBand()
    ask(queues, "console-2")
    in_company(band, queues).compose(make_request("console-1"))

    in_company(band, queues).compose(replace(make_request("console-2"), tempo_bpm=90.0))

    assert band.together == [["console-1", "console-2"], ["console-2"]]


def test_a_song_composed_ahead_by_a_band_that_has_learned_since_is_composed_anew(queues, tmp_path):
    # Scores that the band composed ahead before SIGHUP were played for an hour after.
    old, new = StubBand(fingerprint="old"), StubBand(fingerprint="new")
    bands = chain([old], repeat(new))
    genres = {"heavy-metal": load_genres()["heavy-metal"]}
    load = composing_for("compose", queues.redis, lambda _: next(bands))

    def produce_and_hang_up(request, *more):
        os.kill(os.getpid(), signal.SIGHUP)
        return stub_produce(request, *more)

    studio = Studio(genres, load, produce_and_hang_up, Store(str(tmp_path)), queues)
    ask(queues, "console-1", "console-2", "console-3")

    Service("compose", queues.redis, {COMPOSE_JOB: studio.compose}, on_hang_up=lambda: studio.learn(genres)).run(
        until_empty=True
    )

    assert old.together == [["console-1", "console-2", "console-3"]]
    assert new.together == [["console-2"], ["console-3"]]


def test_only_songs_of_the_genre_are_composed_together(queues):
    band = StubBand()
    queues.ask(replace(make_request("console-2"), genre="jazz"))
    ask(queues, "console-3")

    in_company(band, queues).compose(make_request("console-1"))

    assert band.together == [["console-1", "console-3"]]


def test_what_is_no_request_is_left_for_its_turn(queues):
    band = StubBand()
    queues._enqueue("compose", "worker.jobs.compose", "console-2", ["{}", "deliver"])
    queues._enqueue("compose", "os.system", "console-3", [make_request("console-3").to_json(), "deliver"])

    in_company(band, queues).compose(make_request("console-1"))

    assert band.together == [["console-1"]]
    assert open_queue("compose", queues.redis).job_ids == ["console-2", "console-3"]


@pytest.mark.parametrize("first_in_line", ["console-1", "console-2"])
def test_a_song_that_is_tried_again_is_composed_alone(queues, first_in_line):
    class Killed(StubBand):
        def compose_all(self, requests):
            raise KeyboardInterrupt

    band = StubBand()
    ask(queues, "console-1", "console-2", "console-3")
    for key in (first_in_line, "console-2"):  # at first in company, be it composed with it or for it
        with pytest.raises(KeyboardInterrupt):
            in_company(Killed(), queues).compose(make_request(key))

    in_company(band, queues).compose(make_request("console-2"))

    assert band.together == [["console-2"]]


class InterruptedBand(StubBand):
    """Something happens while it composes."""

    def __init__(self, meanwhile):
        super().__init__()
        self.meanwhile = meanwhile

    def compose_all(self, requests):
        scores = super().compose_all(requests)
        self.meanwhile()
        return scores


def test_while_another_composes_a_song_its_worker_composes_those_next_in_line(queues):
    ask(queues, *(f"console-{number}" for number in range(2, 11)))
    ready, go_on = Event(), Event()
    one = InterruptedBand(lambda: (ready.set(), go_on.wait()))
    other_worker = Thread(target=lambda: in_company(one, queues).compose(make_request("console-1")))
    other_worker.start()
    ready.wait()
    two = InterruptedBand(lambda: (go_on.set(), other_worker.join()))

    score = in_company(two, queues).compose(make_request("console-2"))

    assert one.together == [[f"console-{number}" for number in range(1, 5)]]
    assert two.together == [[f"console-{number}" for number in range(5, 9)]]
    assert score == one_note(make_request("console-2").seed % 128)


def test_a_worker_does_not_wait_for_another_that_is_not_done_with_its_song(queues):
    ask(queues, *(f"console-{number}" for number in range(2, 6)))
    two = StubBand()
    one = InterruptedBand(lambda: in_company(two, queues).compose(make_request("console-2")))

    in_company(one, queues).compose(make_request("console-1"))

    assert one.together == [["console-1", "console-2", "console-3", "console-4"]]
    assert two.together == [["console-5"], ["console-2"]]


def test_with_nobody_else_in_line_a_song_that_another_composes_is_composed_alone(queues):
    ask(queues, "console-2")
    two = StubBand()
    one = InterruptedBand(lambda: in_company(two, queues).compose(make_request("console-2")))

    in_company(one, queues).compose(make_request("console-1"))

    assert two.together == [["console-2"]]


def test_two_workers_do_not_compose_the_same_song_ahead(queues):
    one, two = StubBand(), StubBand()
    ask(queues, *(f"console-{number}" for number in range(3, 9)))

    in_company(one, queues).compose(make_request("console-1"))
    in_company(two, queues).compose(make_request("console-2"))

    assert one.together == [["console-1", "console-3", "console-4", "console-5"]]
    assert two.together == [["console-2", "console-6", "console-7", "console-8"]]


@pytest.mark.parametrize("text", ["", "{}", "[" * 60_000, "\xff", '{"tempo_bpm":1,"time_signatures":5,"parts":[]}'])
def test_a_damaged_score_is_composed_anew(queues, text):
    band = StubBand()
    company = in_company(band, queues)
    queues.redis.set(company.place(make_request("console-1")), text)

    score = company.compose(make_request("console-1"))

    assert score == one_note(make_request("console-1").seed % 128)


def test_without_redis_a_song_is_composed_all_the_same():
    from redis import Redis

    band = StubBand()

    Company(band, Redis(port=1), "compose").compose(make_request("console-1"))

    assert band.together == [["console-1"]]


@pytest.mark.parametrize("score", [empty_score(), make_score(bars=4)])
def test_a_score_survives_the_trip_through_redis(score):
    assert score_from_json(score_to_json(score)) == score


def test_a_last_chord_may_ring_for_longer_than_its_song():
    # Scores of one to four bars were refused, and so composed twice.
    score = make_score(bars=1, roles=["bass"])
    (part,) = score.parts
    ringing = replace(part, notes=(*part.notes[:-1], replace(part.notes[-1], duration=DURATIONS[-1])))
    score = replace(score, parts=(ringing,))

    assert DURATIONS[-1] > score.ticks
    assert score_from_json(score_to_json(score)) == score


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"tempo_bpm":160.0', '"tempo_bpm":0'), ('"tempo_bpm":160.0', '"tempo_bpm":true'), ("[4,4]", "[0,4]"),
        ("[4,4]", "[4]"), ('"bass"', '"kazoo"'), ("[64]", "[128]"), ("[64]", "[64.5]"), ("[64]", "[true]"),
        ("[64]", "[64,65]"), ("[64]", '["e"]'), ("[12]", "[0]"), ("[12]", "[4900]"), ("[0]", "[48]"), ("[0]", "[-1]"),
        ("[96]", "[0]"),
    ],
)  # fmt: skip
def test_a_score_that_nobody_plays_is_refused(good, bad):
    text = score_to_json(one_note(64))
    assert good in text

    with pytest.raises(ValueError, match="score: not one that the band plays"):
        score_from_json(text.replace(good, bad))


def test_a_worker_killed_while_it_composes_in_company_loses_nothing_and_doubles_nothing(queues, redis_url, tmp_path):
    keys = [f"console-{number}" for number in range(1, 6)]
    ask(queues, *keys)
    settings = {"REDIS_URL": redis_url, "LNH_STORE": tmp_path / "tracks"}
    with started("stub_company.py", 300, **settings) as victim:
        wait_until(lambda: queues.redis.exists(MARK + digest(make_request(keys[MOST - 1]))))
        victim.kill()

    heir = StubBand()
    with started("stub_company.py", 0, **settings):
        wait_until(lambda: queues.states(keys) == ["absent"] * len(keys))

    assert delivered(queues) == sorted(f"deliver-{key}" for key in keys)
    for key in keys:
        (score,) = heir.compose_all([make_request(key)])
        assert (tmp_path / "tracks" / f"{key}.mid").read_text().split()[0] == str(score.parts[0].notes[0].pitch)


def test_a_song_that_kills_its_worker_costs_no_other_its_answer(queues, redis_url, tmp_path):
    keys = [f"console-{number}" for number in range(1, 8)]
    for key in keys:
        queues.ask(make_request(key, title="poison" if key == "console-3" else "Dancing robots"))
    settings = {"REDIS_URL": redis_url, "LNH_STORE": tmp_path / "tracks"}

    deaths = 0
    while queues.states(keys).count("under way"):
        with started("stub_company.py", 0, **settings) as worker:
            wait_until(lambda: worker.poll() is not None or "under way" not in queues.states(keys))
            deaths += worker.poll() is not None

    assert queues.states(keys) == ["absent", "absent", "given up", *["absent"] * 4]
    assert delivered(queues) == sorted(f"deliver-{key}" for key in keys if key != "console-3")
    assert deaths == 1 + 3  # once in the company of console-1, then alone


def test_a_queue_worked_off_in_company_hands_over_each_song_once(queues, redis_url, tmp_path):
    keys, band = [f"console-{number}" for number in range(1, 8)], StubBand()
    ask(queues, *keys)

    stub_service(redis_url, str(tmp_path), band).run(until_empty=True)

    assert band.together == [keys[:MOST], keys[MOST:]]
    assert delivered(queues) == sorted(f"deliver-{key}" for key in keys)
