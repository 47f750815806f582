"""Other people's words become safe to repeat, and stay readable."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from safe_words import ANY_TEXT, assert_safe

from bot.fold import fold, unescape, visible
from bot.title import LONGEST_TITLE, clean, graphemes, quote
from model.request import ComposeRequest

REQUEST = ComposeRequest(key="console-1", title="", take=1, genre="heavy-metal", tempo_bpm=160, randomness=0.2, seed=1)


@given(ANY_TEXT)
@example("x" * 25_000)
@example("Z\u0351\u0352" * 3000)
@example("👩\u200d" * 3000)
def test_whatever_is_cleaned_is_safe_short_and_on_one_line(text):
    title = clean(text)

    assert_safe(title)
    assert len(graphemes(title)) <= LONGEST_TITLE
    assert len(title) <= 2000
    assert title == " ".join(title.split())


@given(ANY_TEXT)
def test_whatever_is_cleaned_can_be_a_tag_an_argument_and_a_request(text):
    title = clean(text) or "untitled"

    assert b"\x00" not in title.encode()
    assert ComposeRequest.from_json(replace(REQUEST, title=title).to_json()).title == title


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text):
    once = clean(text)

    assert clean(once) == once


@given(ANY_TEXT)
def test_a_quotation_is_safe_too(text):
    assert_safe(f"We read {quote(text)}.")


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("@lnh_ai Dancing robots", "Dancing robots"),
        ("＠lnh_ai, Dancing robots:", "Dancing robots"),
        ("踊るロボット：", "踊るロボット"),
        ("踊るロボット、", "踊るロボット"),
        ("跳舞的机器人，", "跳舞的机器人"),
        ("  Dancing\n\n\trobots  ", "Dancing robots"),
        ("“Dancing robots”", "Dancing robots"),
        ('"Dancing robots', "Dancing robots"),
        ("'Tis the season", "'Tis the season"),
        ("Say “hello” and “goodbye”", "Say “hello” and “goodbye”"),
        ("Dancing robots –", "Dancing robots"),
        ("Party @ home", "Party at home"),
        ("#metal in C# is my #1", "♯metal in C♯ is my ♯1"),
        ("$AAPL for $5", "💲AAPL for $5"),
        ("Live on rock.fm", "Live on rock·fm"),
        ("https://evil.example/x?y=1", "evil·example/x?y=1"),
        ("R.E.M. and version 2.0...", "R.E.M. and version 2.0..."),
        ("Wait...what", "Wait...what"),
        ("Wait...what.is this", "Wait...what·is this"),
        ("Robots :blobcat:", "Robots"),
        ("Robots :blobcat: rising :3", "Robots rising :3"),
        ("magnet:?xt=urn", "magnet ?xt=urn"),
        ("The /composer and the／COMPOSE", "The composer and the COMPOSE"),
        ("AC/DC <3 ../../etc/passwd", "AC/DC <3 ../../etc/passwd"),
        ("<b>loud</b>", "<b>loud</b>"),
        ("nu\x00ll \u202eevil\u202c \u200bspace\ufeff", "null evil space"),
        ("\u3164\u2800", ""),
        ("", ""),
    ],
)
def test_a_title_stays_readable(written, title):
    assert clean(written) == title


@pytest.mark.parametrize(
    "written",
    [
        "@lnh_ai Dancing robots", ".@lnh_ai Dancing robots", "@lnh_ai...Dancing robots", "@lnh_ai-Dancing robots",
        "@lnh_ai@band.example Dancing robots", "@lnh_ai@band.example...Dancing robots", "@lnh_ai: Dancing robots",
        "@lnh_ai @bob, @carol.c@far-away.example Dancing robots", "Dancing robots @lnh_ai", "Dancing @lnh_ai, robots",
    ],
)  # fmt: skip
def test_whom_a_post_is_addressed_to_is_no_part_of_the_title_and_no_other_word_is_lost(written):
    assert clean(written) == "Dancing robots"


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("Happy birthday @alice!", "Happy birthday alice!"),
        ("@lnh_ai A song for @alice, @bob and @carol", "A song for alice, bob and carol"),
        ("@lnh_ai For @bob@other.example and @c.d@other.example...", "For bob and c.d..."),
        ("Hey @lnh_ai, could you play Robots for .@bob", "Hey could you play Robots for .bob"),
        ("@lnh_ai踊るロボット、@bobさんへ", "踊るロボット、bobさんへ"),
        ("RT @foo: Robots", "RT foo: Robots"),
        ("@@bob", "at bob"),
    ],
)
def test_a_dedication_keeps_the_name_and_pings_nobody(written, title):
    assert clean(written) == title


@pytest.mark.parametrize(
    "title",
    [
        "👨‍👩‍👧‍👦 family", "👩🏽‍🚀", "❤️‍🔥", "🏳️‍🌈", "🏴󠁧󠁢󠁥󠁮󠁧󠁿 England", "1️⃣ hit", "🇧🇷",
        "Motörhead", "café", "Tiếng Việt", "שִׁיר שָׁלוֹם", "مرحبا بالعالم", "می‌خواهم", "क्‍ष", "踊るロボット", "댄싱 로봇",
    ],
)  # fmt: skip
def test_emoji_accents_and_scripts_stay_intact(title):
    assert clean(title) == title


def test_decomposed_accents_are_composed():
    assert clean("cafe\u0301") == "café"


def test_a_long_title_ends_in_an_ellipsis_after_whole_graphemes():
    family = "👨‍👩‍👧‍👦"

    title = clean(family * 100)

    assert title == family * 79 + "…"


def test_zalgo_is_tamed():
    title = clean("Z" + "\u0351" * 20_000 + "algo")

    assert title == "Z" + "\u0351" * 4 + "algo"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("&#47;compose", "/compose"),
        ("&sol;compose &lt;3", "/compose <3"),
        ("Salt&pepper &copy AT&T", "Salt&pepper &copy AT&T"),
        ("&#" + "9" * 9000 + ";", "&#" + "9" * 9000 + ";"),
    ],
)
def test_entities_are_unescaped_once(written, meant):
    assert unescape(written) == meant


@given(ANY_TEXT)
def test_a_folded_text_knows_the_way_back(text):
    folded = fold(visible(text))

    assert folded.written(0, len(folded.text)) == folded.source[folded.positions[0] :]
    assert len(folded.positions) == len(folded.text) + 1
