"""Whatever a network hands over becomes a mention that can be read and answered, or is left out."""

import dataclasses
import json
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safe_words import ANY_TEXT

from bot.mention import Mention
from bot.parse import NotUnderstood, parse
from bot.platforms.mastodon import MastodonPlatform
from bot.platforms.x import XPlatform
from bot.platforms.x_client import XClient
from model.genre import load_genres

GENRES = load_genres()
SLOWLY = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])

MARKUP = st.lists(
    st.one_of(
        st.sampled_from([
            "<p>", "</p>", "<br>", "<a href='", "'>", "</a>", "<blockquote>", "<![CDATA[", "<!--", "&#47;compose ",
            "@lnh_ai ", "&gt; ", "<span class=invisible>", "/compose ", "/stop", "#nobot", "<script>", "&#0;",
            "\u202e", "\ud800",
        ]),
        ANY_TEXT,
    ),
    max_size=12,
).map("".join)  # fmt: skip
OR_NOTHING = st.one_of(st.none(), MARKUP)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
NUMBERS = st.integers(1, 2**63).map(str)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Beautiful Soup thinks that some posts are file names
        yield


def mastodon() -> MastodonPlatform:
    platform = MastodonPlatform("https://home.example", "token")
    platform.__dict__["_own_id"] = "900"
    return platform


def x() -> XPlatform:
    platform = XPlatform(XClient("a", "b", "900-c", "d"))
    platform.__dict__["_own"] = {"id": "900", "username": "lnh_ai"}
    return platform


def assert_can_be_kept_and_read(mention: Mention) -> None:
    assert json.loads(json.dumps({**dataclasses.asdict(mention), "created_at": ""}))["text"] == mention.text
    assert mention.created_at.tzinfo is not None
    assert mention.visibility in ("public", "unlisted", "private", "direct")
    try:
        parse(mention.text, GENRES, "heavy-metal")
    except NotUnderstood as refusal:
        assert str(refusal)


@SLOWLY
@given(
    content=OR_NOTHING, note=OR_NOTHING, name=OR_NOTHING, warning=OR_NOTHING, acct=ANY_TEXT, visibility=JSON, when=JSON,
    bot=JSON, fields=st.one_of(st.none(), st.lists(st.fixed_dictionaries({"name": OR_NOTHING, "value": OR_NOTHING}))),
    mentions=st.one_of(st.none(), st.lists(st.fixed_dictionaries({"acct": OR_NOTHING, "url": OR_NOTHING}), max_size=3)),
    answers=st.one_of(st.none(), NUMBERS),
)  # fmt: skip
def test_any_status_of_mastodon(**given_: Any):
    account = {"id": "1", "acct": given_["acct"], "note": given_["note"], "display_name": given_["name"]}
    account |= {"bot": given_["bot"], "fields": given_["fields"]}
    status = {"id": "7", "account": account, "content": given_["content"], "visibility": given_["visibility"]}
    status |= {"spoiler_text": given_["warning"], "created_at": given_["when"], "mentions": given_["mentions"]}
    status |= {"in_reply_to_id": given_["answers"]}

    page = mastodon()._page([{"id": "8", "type": "mention", "status": status}], "0")

    (mention,) = page.mentions
    assert_can_be_kept_and_read(mention)


@SLOWLY
@given(rows=st.lists(st.one_of(JSON, st.fixed_dictionaries({"type": st.just("mention"), "status": JSON}))))
def test_a_row_of_mastodon_that_nobody_can_read_does_not_hide_the_next(rows: list[Any]):
    status = {"id": "7", "account": {"id": "1", "acct": "a"}, "content": "/help"}
    good = {"id": "9", "type": "mention", "status": status}

    page = mastodon()._page([good, *rows], "0")

    assert page.bookmark == "9"
    assert page.mentions[-1].text == "/help"


@SLOWLY
@given(
    text=ANY_TEXT, note=st.one_of(st.none(), st.fixed_dictionaries({"text": OR_NOTHING})), name=OR_NOTHING,
    bio=OR_NOTHING, when=st.one_of(st.none(), ANY_TEXT),
    urls=st.lists(st.fixed_dictionaries({"url": OR_NOTHING, "expanded_url": OR_NOTHING}), max_size=3),
)  # fmt: skip
def test_any_post_of_x(**given_: Any):
    post = {"id": "7", "author_id": "1", "text": f"@lnh_ai {given_['text']}", "note_post": given_["note"]}
    post |= {"created_at": given_["when"], "entities": {"urls": given_["urls"]}}
    author = {"id": "1", "username": "someone", "name": given_["name"], "description": given_["bio"]}

    for mention in x()._called({"data": [post], "includes": {"users": [author]}}):
        assert_can_be_kept_and_read(mention)


@SLOWLY
@given(posts=st.lists(st.one_of(JSON, st.fixed_dictionaries({"id": NUMBERS, "author_id": st.just("1"), "text": JSON}))))
def test_a_post_of_x_that_nobody_can_read_does_not_hide_the_next(posts: list[Any]):
    good = {"id": str(2**64), "author_id": "1", "text": "@lnh_ai /help"}
    author = {"id": "1", "username": "someone"}

    mentions = list(x()._called({"data": [*posts, good], "includes": {"users": [author]}}))

    assert mentions[-1].text == "@lnh_ai /help"
