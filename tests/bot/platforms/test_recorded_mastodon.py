"""Mastodon 4.6 as it answered for real, where the recordings are at hand."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot.mention import Mention
from bot.platforms.base import Gone, Page, Rejected
from bot.platforms.html_text import Named, to_text
from bot.platforms.mastodon import HANDLE_ROOM, MastodonPlatform
from model.errors import NeedsOperator

Exchange = dict[str, Any]
Play = Callable[..., MastodonPlatform]


def read_exchanges(recorded: Path, name: str) -> list[Exchange]:
    text = (recorded / "mastodon" / f"{name}.yaml").read_text()
    return yaml.load(text, Loader=yaml.CSafeLoader)["interactions"]


def body_of(exchange: Exchange) -> Any:
    return json.loads(exchange["response"]["body"]["string"])


@pytest.fixture
def play(recorded: Path, httpserver: HTTPServer) -> Play:
    """A server that answers from recordings: by method and path, each answer once and the last one for good."""

    def start(*names: str, but: dict[str, Any] | None = None) -> MastodonPlatform:
        answers: dict[tuple[str, str], list[Response]] = {}
        for exchange in [each for name in names for each in read_exchanges(recorded, name)]:
            method, path = exchange["request"]["method"], urlsplit(exchange["request"]["uri"]).path
            response = Response(exchange["response"]["body"]["string"], exchange["response"]["status"]["code"])
            for header in ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "content-type", "link"):
                if header in exchange["response"]["headers"]:
                    response.headers[header] = exchange["response"]["headers"][header][0]
            answers.setdefault((method, path), []).append(response)
        for path, body in (but or {}).items():
            answers["GET", path] = [Response(json.dumps(body), content_type="application/json")]

        def answer(request: Request) -> Response:
            found = answers.get((request.method, request.path)) or [Response('{"error":"Record not found"}', 404)]
            return found.pop(0) if len(found) > 1 else found[0]

        httpserver.expect_request(re.compile(".*")).respond_with_handler(answer)
        return MastodonPlatform(httpserver.url_for("").rstrip("/"), "token", sleep=lambda _: None)

    return start


def me_in(recorded: Path, acct: str) -> dict[str, Any]:
    """What Mastodon says of an account, without the flag of a bot."""
    found = [body_of(each) for each in read_exchanges(recorded, "test_status_reply")]
    return next(body for body in found if body.get("acct") == acct)


def hear(platform: MastodonPlatform) -> tuple[Page, Mention]:
    page = next(platform.pages("0"))
    return page, page.mentions[0]


def test_a_recorded_mention_is_understood(play: Play, recorded: Path):
    verify = {"/api/v1/accounts/verify_credentials": {**me_in(recorded, "admin"), "id": "117020565966271181"}}
    platform = play("test_notifications_mentions_only", but=verify)

    page, mention = hear(platform)

    assert page.bookmark == "21"
    assert mention.key == "mastodon-117020577157693549"
    assert (mention.author_handle, mention.text) == ("admin", "@mastodonpy_test hello!")
    assert (mention.visibility, mention.content_warning, mention.by_bot) == ("public", "", False)
    assert mention.created_at.isoformat() == "2026-08-01T13:51:42.823000+00:00"


def test_a_mention_from_elsewhere_gets_its_host_back(recorded: Path):
    (exchange,) = read_exchanges(recorded, "test_entity_statusmention")
    status = body_of(exchange)
    named = [Named(url=one["url"], username=one["username"], acct=one["acct"]) for one in status["mentions"]]

    text = to_text(status["content"], named)

    assert all(f"@{one['acct']}" in text for one in status["mentions"])
    assert "<" not in text


def test_the_newest_recorded_mention_is_the_first_bookmark(play: Play):
    assert play("test_notifications_mentions_only").newest_bookmark() == "21"


def test_the_recorded_server_says_its_limits(play: Play):
    platform = play("test_entity_instancev2")

    assert platform.max_length == 500 - HANDLE_ROOM
    assert platform.count("https://example.com/a/long/path/to/somewhere/else") == 23


def test_a_recorded_film_is_processing_at_first_and_then_ready(play: Play, tmp_path: Path):
    media = tmp_path / "a.mp3"
    media.write_bytes(b"music")

    assert play("test_media_post[True]").upload(media, media, "alt") == "117020575776246986"


def test_a_recorded_answer_is_found_again(play: Play, recorded: Path):
    """Mastodon's own status of a reply, as the context shows it."""
    asked, answer = (body_of(each) for each in read_exchanges(recorded, "test_status_reply") if _is_post(each))
    platform = play(
        "test_status_reply",
        but={
            f"/api/v1/statuses/{asked['id']}": asked,
            f"/api/v1/statuses/{asked['id']}/context": {"ancestors": [], "descendants": [answer]},
            "/api/v1/notifications": [{"id": "1", "type": "mention", "account": asked["account"], "status": asked}],
        },
    )
    _, mention = hear(platform)

    assert platform.still_there(mention)
    assert platform.reply(mention, "Enjoy!", None) == answer["id"]


@pytest.mark.parametrize("name", ["test_lang_for_errors", "test_status_empty"])
def test_a_recorded_refusal_is_understood_in_any_language(play: Play, recorded: Path, name: str):
    asked = body_of(read_exchanges(recorded, "test_status_reply")[0])
    platform = play(
        name,
        but={
            f"/api/v1/statuses/{asked['id']}": asked,
            f"/api/v1/statuses/{asked['id']}/context": {"ancestors": [], "descendants": []},
            "/api/v1/notifications": [{"id": "1", "type": "mention", "account": asked["account"], "status": asked}],
            "/api/v1/accounts/verify_credentials": me_in(recorded, "admin"),
        },
    )
    _, mention = hear(platform)

    with pytest.raises(Rejected, match="422"):
        platform.reply(mention, "", None)


def test_a_recorded_edit_keeps_its_id(recorded: Path):
    exchanges = read_exchanges(recorded, "test_status_edit")
    before, after = (body_of(each) for each in exchanges if each["request"]["method"] in ("POST", "PUT"))

    assert before["id"] == after["id"]
    assert to_text(before["content"]) == "the best editor? why, of course it is VS Code"
    assert "Kate" in to_text(after["content"])


def test_a_recorded_missing_post_cannot_be_answered(play: Play, recorded: Path):
    asked = body_of(read_exchanges(recorded, "test_status_reply")[0])
    notifications = [{"id": "1", "type": "mention", "account": asked["account"], "status": {**asked, "id": "0"}}]
    verify = {"/api/v1/accounts/verify_credentials": me_in(recorded, "admin")}
    platform = play("test_status_missing", but={"/api/v1/notifications": notifications, **verify})
    _, mention = hear(platform)

    assert not platform.still_there(mention)
    with pytest.raises(Gone):
        platform.reply(mention, "Enjoy!", None)


def test_a_recorded_refused_token_needs_the_operator(recorded: Path, httpserver: HTTPServer):
    refused = read_exchanges(recorded, "test_unauthed_home_tl_throws")[1]["response"]
    httpserver.expect_request(re.compile(".*")).respond_with_data(refused["body"]["string"], refused["status"]["code"])

    with pytest.raises(NeedsOperator, match="MASTODON_ACCESS_TOKEN"):
        MastodonPlatform(httpserver.url_for(""), "bad-token").newest_bookmark()


def _is_post(exchange: Exchange) -> bool:
    return exchange["request"]["method"] == "POST"
