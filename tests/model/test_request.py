"""A compose request is checked when it is made, and again when it comes out of a queue."""

import json

import pytest

from model.request import ComposeRequest, seed_of


def make_request(**changes: object) -> ComposeRequest:
    values = {
        "key": "mastodon-1138", "title": "Dancing robots", "take": 2, "genre": "heavy-metal", "tempo_bpm": 160.0,
        "randomness": 0.2, "seed": 123,
    }
    return ComposeRequest(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("request_", [make_request(), make_request(title="🤖 «ראָבאָט»", seconds=30.0, bars=16)])
def test_a_request_survives_the_trip_through_the_queue(request_: ComposeRequest):
    again = ComposeRequest.from_json(request_.to_json())

    assert again == request_


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", ""), ("key", "../etc/passwd"), ("key", "a b"), ("key", "a\n"), ("key", "x" * 129),
        ("title", "x" * 2001),
        ("take", 0),
        ("tempo_bpm", 0.0), ("tempo_bpm", float("nan")), ("tempo_bpm", float("inf")),
        ("randomness", -0.1), ("randomness", 1.1), ("randomness", float("nan")),
        ("seed", -1), ("seed", 2**32),
        ("seconds", 0.0), ("seconds", 601.0),
        ("bars", 0), ("bars", 1001),
    ],
)
def test_a_field_out_of_its_range_is_refused_by_name(field: str, value: object):
    with pytest.raises(ValueError, match=f"compose request: {field} is"):
        make_request(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", 1138), ("title", ["Dancing"]), ("take", 1.5), ("take", True), ("take", "1"), ("genre", None),
        ("tempo_bpm", "160"), ("seed", 1.5), ("seed", None), ("seconds", "45"), ("bars", 8.5), ("bars", False),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(field: str, value: object):
    tampered = json.loads(make_request().to_json()) | {field: value}

    with pytest.raises(ValueError, match=f"compose request: {field} is"):
        ComposeRequest.from_json(json.dumps(tampered))


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '"mastodon-1138"', "{}", '{"key": "mastodon-1138"}'])
def test_what_is_no_request_is_refused(text: str):
    with pytest.raises(ValueError):
        ComposeRequest.from_json(text)


def test_a_field_of_another_version_is_refused():
    newer = json.loads(make_request().to_json()) | {"mood": "sad"}

    with pytest.raises(ValueError, match="fields of a request"):
        ComposeRequest.from_json(json.dumps(newer))


def test_the_seed_of_a_key_never_changes():
    # A song is asked for again by its key: another way of making seeds would give other songs.
    assert seed_of("mastodon-1138") == 2258673828


def test_keys_that_are_alike_have_seeds_that_are_not():
    seeds = {seed_of(f"mastodon-{number}") for number in range(1000)}

    assert len(seeds) == 1000
    assert max(seeds) > 2**31
