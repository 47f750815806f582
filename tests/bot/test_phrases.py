"""The band's sentences fit every network, lose the least important first, and stay safe."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safe_words import TRICKY, assert_safe

from bot import phrases
from bot.platforms.x_length import MAX_WEIGHT, weighted_length
from bot.title import clean, graphemes
from model.genre import load_genres
from model.request import ComposeRequest, seed_of
from worker.track import Track

GENRES = load_genres()
REQUEST = ComposeRequest(
    key="console-1", title="Dancing robots", take=2, genre="heavy-metal", tempo_bpm=160, randomness=0.2, seed=123
)
TRACK = Track(
    key="console-1",
    media_types=("audio/mpeg",),
    seconds=47.6,
    musical_key="E minor",
    players=("drums", "bass", "rhythm guitar", "lead guitar"),
    stage_seconds={},
)
SETTINGS = "heavy-metal · 160 bpm · r 0.2"


def count(text: str) -> int:
    return len(graphemes(text))


def test_a_reply_says_title_and_take_then_settings_then_remarks():
    reply = phrases.enjoy(REQUEST, ["One.", "Two."], count, 500)

    assert reply == f"Enjoy! #LnHAI Dancing robots – take 2\n{SETTINGS}\nOne.\nTwo."


@pytest.mark.parametrize(
    ("max_length", "reply"),
    [
        (78, f"Enjoy! #LnHAI Dancing robots – take 2\n{SETTINGS}\nOne.\nTwo."),
        (73, f"Enjoy! #LnHAI Dancing robots – take 2\n{SETTINGS}\nOne."),
        (68, f"Enjoy! #LnHAI Dancing robots – take 2\n{SETTINGS}"),
        (65, "Enjoy! #LnHAI Dancing robots – take 2"),
        (36, "Enjoy! #LnHAI Dancing robo… – take 2"),
        (31, "Enjoy! #LnHAI Dancing… – take 2"),
        (24, "Enjoy! #LnHAI … – take 2"),
        (1, "Enjoy! #LnHAI … – take 2"),
    ],
)
def test_the_least_important_goes_first_and_the_take_never(max_length, reply):
    assert phrases.enjoy(REQUEST, ["One.", "Two."], count, max_length) == reply


@given(
    title=TRICKY.map(clean).filter(bool), take=st.integers(1, 10**6), remarks=st.lists(TRICKY.map(clean), max_size=5)
)
def test_every_reply_fits_x_and_adds_no_tag_but_ours(title, take, remarks):
    request = dataclasses.replace(REQUEST, title=title, take=take)

    reply = phrases.enjoy(request, remarks, weighted_length, MAX_WEIGHT)

    assert weighted_length(reply) <= MAX_WEIGHT
    assert reply.startswith(f"Enjoy! {phrases.HASHTAG} ")
    assert f"– take {take}" in reply
    assert_safe(reply.replace("\n", " ").replace(phrases.HASHTAG, "", 1))


@pytest.mark.parametrize("sentence", [
    phrases.took_for("hevy metal", "heavy-metal"),
    phrases.tempo_limited(GENRES["heavy-metal"], 500, 240),
    phrases.randomness_limited(1),
    phrases.repeated("/t"),
    phrases.unknown_flags(["x", "composer", "help-me", "y", "z" * 5000]),
    phrases.unknown_flags(["x", "y", "z", "@bob#compose" * 50]),
    phrases.one_song(),
    phrases.settings_follow_flags(),
    phrases.title_goes_first(),
    phrases.late(),
    phrases.in_line(500),
    phrases.not_this_one(),
    phrases.enough_for_a_day(10),
    phrases.line_is_full(),
    phrases.no_track_here(),
    phrases.no_longer_played(),
    phrases.not_yours(),
    phrases.no_such_genre("@bob /compose #metal " * 50, [f"genre-number-{number}" for number in range(40)]),
    phrases.no_tempo("http://rock.fm/compose", GENRES["heavy-metal"]),
    phrases.no_randomness("$TSLA" * 50),
])  # fmt: skip
def test_every_sentence_is_safe_and_fits_x_with_a_long_handle(sentence):
    assert_safe(sentence)
    assert phrases.refusal(sentence, weighted_length, MAX_WEIGHT - 17) == sentence


def test_a_single_genre_is_never_hidden_behind_a_number():
    seven, eight = (phrases.no_such_genre("polka", [f"g{number}" for number in range(most)]) for most in (7, 8))

    assert seven.endswith("We play g0, g1, g2, g3, g4, g5 and g6.")
    assert eight.endswith("We play g0, g1, g2, g3, g4, g5 and 2 more.")


def test_a_refusal_that_is_too_long_is_cut():
    assert phrases.refusal("Sorry, we cannot.", count, 10) == "Sorry, we…"


def test_help_names_the_flags_and_the_genres_and_calls_no_band():
    text = phrases.help(GENRES, "heavy-metal", weighted_length, MAX_WEIGHT)

    assert weighted_length(text) <= MAX_WEIGHT
    assert all(word in text for word in ("compose", "/g", "/t", "/r", *GENRES))
    assert_safe(text.replace("\n", " "))


def test_help_tells_where_there_is_room_how_to_be_left_alone():
    assert "the word stop" in phrases.help(GENRES, "heavy-metal", count, 434)


def test_help_with_many_genres_still_says_how_to_call():
    genres = {
        f"some-long-genre-{number}": dataclasses.replace(GENRES["heavy-metal"], name=f"some-long-genre-{number}")
        for number in range(60)
    }

    text = phrases.help(genres, "some-long-genre-7", weighted_length, MAX_WEIGHT)

    assert weighted_length(text) <= MAX_WEIGHT
    assert "the word compose" in text
    assert "some-long-genre-7," in text


def test_an_apology_names_the_song_and_fits():
    assert phrases.apology(REQUEST, count, 500).startswith(
        "Sorry! We could not bring to the stage: Dancing robots – take 2"
    )
    assert count(phrases.apology(REQUEST, count, 50)) <= 50


def test_the_alt_text_describes_the_music():
    text = phrases.alt_text(REQUEST, TRACK, "Heavy metal")

    told = (
        "Heavy metal",
        "160 bpm",
        "E minor",
        "48 seconds",
        "drums, bass, rhythm guitar and lead guitar",
        "Dancing robots",
    )
    assert all(words in text for words in told)
    assert len(text) <= 1000


def test_a_band_title_belongs_to_its_seed_and_is_safe():
    seeds = [seed_of(f"console-{number}") for number in range(2000)]

    titles = [phrases.band_title(seed) for seed in seeds]

    assert titles == [phrases.band_title(seed) for seed in seeds]
    assert len(set(titles)) > 1500
    assert phrases.band_title(2**32 - 1)
    assert all(clean(title) == title for title in titles)


def test_a_word_about_the_line_is_known_and_no_title_is_taken_for_it():
    assert phrases.is_about_line(f"@someone@example.social {phrases.in_line(20)}")
    assert phrases.is_about_line(phrases.in_line(1234))
    assert not phrases.is_about_line(f"@someone Enjoy! #LnHAI {phrases.in_line(20)} – take 1")
