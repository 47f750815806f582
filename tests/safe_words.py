"""What words must be like before the band says them, and pieces of which nasty ones are made."""

import importlib
import unicodedata

import regex
from hypothesis import strategies as st

from bot.fold import fold
from bot.platforms.x_length import weighted_length

weighted_length("")  # imports twitter-text-parser in the one way that works
extract_urls = importlib.import_module("twitter_text.extract_urls").extract_urls

# The networks' own rules, restated: what Mastodon and X take for a mention, a tag and a cashtag.
MENTION = regex.compile(r"[@＠]")
TAG = regex.compile(r"[#＃]")
CASHTAG = regex.compile(r"\$[A-Za-z]")
DOMAIN = regex.compile(r"[^\s\p{P}]\.(?:\p{L}{2}|(?![A-Za-z])\p{L})|:[/／]{2}")
JOINERS = "\u200c\u200d"

PIECES = (
    "@", "＠", "#", "＃", "$", "/", "／", "compose", "Help", "STOP", "again", ".", "．", ":", "//", "http",
    "rock.fm", "magnet:?",
    "a", "É", "7", "_", "-", "–", "'", '"', "“", "”", " ", "\n", "...", "…", "&amp;", "\u0301", "م", "ی", "क", "्",
    "가", "ᄀ", "\x00", "\u200b", "\u200d", "\u200c", "\u202e", "\ufeff", "\ufe0f", "\ud800", "\u3164",
    "👩", "🏽", "❤️‍🔥", "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
)  # fmt: skip
TRICKY = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
ANY_TEXT = st.one_of(TRICKY, st.text(max_size=200))


def assert_safe(text: str) -> None:
    """Pings nobody, links to nothing, tags nothing, calls no band, hides nothing."""
    assert not MENTION.search(text)
    assert not TAG.search(text)
    assert not CASHTAG.search(text)
    assert not DOMAIN.search(text)
    assert extract_urls(text) == []
    assert not regex.search("/(?:compose|help|stop|start|delete|again)", fold(text).text)
    hidden = [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in JOINERS]
    assert all("\U000e0020" <= c <= "\U000e007f" for c in hidden), hidden
