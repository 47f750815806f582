"""From HTML to text."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.platforms.html_text import Named, to_text

LINK = (
    '<a href="https://example.com/a/very/long/path"><span class="invisible">https://</span>'
    '<span class="ellipsis">example.com/a/very</span><span class="invisible">/long/path</span></a>'
)
BAND = Named(url="https://home.example/@lnh_ai", username="lnh_ai", acct="lnh_ai@home.example")
FRIEND = Named(url="https://far.example/@lnh_ai", username="lnh_ai", acct="lnh_ai@far.example")


def mention_of(named: Named) -> str:
    return f'<span class="h-card"><a class="u-url mention" href="{named.url}">@<span>{named.username}</span></a></span>'


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<p>one<br>two<br/>three</p>", "one\ntwo\nthree"),
        ("<p>one<br><br>two</p>", "one\n\ntwo"),
        ("<p>Tom &amp; Jerry &lt;3 &quot;x&quot; &#39;y&#39;</p>", "Tom & Jerry <3 \"x\" 'y'"),
        (LINK, "https://example.com/a/very/long/path"),
        ('<p class="quote-inline">RE: <a href="https://x.example/1">x</a></p><p>mine</p>', "mine"),
        ("<blockquote><p>Robots /compose</p></blockquote><p>lol</p>", "lol"),
        ('<span class="quote-inline"><br/>RE: https://x.example/1</span>mine', "mine"),
        ('<a href="https://tags.example/metal" class="mention hashtag">#<span>metal</span></a>', "#metal"),
        ("<!-- hidden --><script>alert(1)</script>shown", "shown"),
        ("no markup at all", "no markup at all"),
        ("", ""),
    ],
)
def test_markup_becomes_text(markup: str, text: str):
    assert to_text(markup) == text


def test_a_mention_gets_its_host_back():
    text = to_text(f"<p>{mention_of(BAND)} and {mention_of(FRIEND)}</p>", [BAND, FRIEND])

    assert text == "@lnh_ai@home.example and @lnh_ai@far.example"


def test_a_mention_of_nobody_known_stays_as_it_is():
    assert to_text(mention_of(BAND)) == "@lnh_ai"


def test_a_post_of_ten_thousand_open_tags_is_read():
    assert to_text("<div>" * 10_000 + "deep") == "deep"


def test_whom_a_name_alone_means_is_the_first_who_has_it():
    link = '<a href="https://elsewhere.example/@lnh_ai">@LNH_AI</a>'

    assert to_text(link, [FRIEND, BAND]) == "@lnh_ai@far.example"


def test_a_post_of_ten_thousand_mentions_is_read():
    named = [Named(url=f"https://y.example/@n{i}", username=f"n{i}", acct=f"n{i}@y.example") for i in range(10_000)]

    text = to_text("".join(mention_of(one) for one in named), named)

    assert text == "".join(f"@n{i}@y.example" for i in range(10_000))


def test_of_links_within_links_the_innermost_counts():
    within = [f'<a href="https://x.example/{i}"><span class="invisible">' for i in range(2000)]

    assert to_text("".join(within)) == "https://x.example/1999"


@settings(deadline=None)  # the two cores may be busy with music
@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<br>", "<a href='", "'>", "@", "<![", "<!--", "&#", ";", "<span class=invisible>"]
        )
        | st.text(max_size=20)
    )
)
def test_reading_never_fails(pieces: list[str]):
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert isinstance(to_text("".join(pieces), [BAND]), str)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="<>&\r\n", exclude_categories=["Cs", "Cc"])))
def test_plain_words_come_back_unchanged(words: str):
    assert to_text(f"<p>{words}</p>") == words.strip()
