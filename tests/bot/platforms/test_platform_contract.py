"""What every network promises behind the port, through its real client library."""

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response
from worlds import NetworkWorld, World

from bot.mention import Mention
from bot.platforms.base import Gone, Platform, Rejected, TryLater
from model.errors import NeedsOperator
from model.request import KEY_PATTERN
from worker.track import SUFFIXES

CALL = "@lnh_ai Dancing robots /compose"
FIREWALL = Response("<html>Sorry, you have been blocked</html>", 403, content_type="text/html")


def read_all(platform: Platform, bookmark: str) -> list[Mention]:
    return [mention for page in platform.pages(bookmark) for mention in page.mentions]


def hear_one(world: World | NetworkWorld, platform: Platform) -> Mention:
    bookmark = platform.newest_bookmark()
    world.call(CALL)
    return read_all(platform, bookmark)[-1]


def make_track(platform: Platform, folder: Path) -> tuple[Path, Path]:
    media, cover = folder / f"console-1{SUFFIXES[platform.media_type]}", folder / "console-1.png"
    media.write_bytes(b"music")
    cover.write_bytes(b"picture")
    return media, cover


def test_a_backlog_of_several_pages_arrives_complete_and_oldest_first(world: World):
    platform = world.connect()
    bookmark = platform.newest_bookmark()
    world.call(CALL)
    read_all(platform, bookmark)
    calls = [world.call(f"{CALL} {number}") for number in range(130)]

    mentions = read_all(platform, bookmark)

    assert [mention.id for mention in mentions][1:] == calls


def test_a_bookmark_stands_behind_its_page(world: World):
    platform = world.connect()
    bookmark = platform.newest_bookmark()
    for number in range(130):
        world.call(f"{CALL} {number}")
    first, *others = platform.pages(bookmark)

    again = list(platform.pages(first.bookmark))

    assert [m.id for page in again for m in page.mentions] == [m.id for page in others for m in page.mentions]
    assert list(platform.pages(others[-1].bookmark)) == []


def test_a_mention_says_who_called_and_what(world: World):
    platform = world.connect()

    mention = hear_one(world, platform)

    assert mention.platform == platform.name
    assert mention.text == CALL
    assert mention.author_handle.startswith("someone")
    assert not mention.by_bot
    assert mention.created_at - datetime.now(UTC) < timedelta(seconds=5)
    assert KEY_PATTERN.fullmatch(mention.key)


def test_an_answer_goes_to_its_author_once_for_a_key(world: World):
    platform = world.connect()
    mention = hear_one(world, platform)

    first = platform.reply(mention, "Enjoy! #LnHAI", None)
    second = platform.reply(mention, "Enjoy! #LnHAI", None)

    assert first == second
    assert [answer.text for answer in world.answers()] == [f"@{mention.author_handle} Enjoy! #LnHAI"]


def test_two_posts_of_one_author_get_an_answer_each(world: World):
    platform = world.connect()
    mentions = [hear_one(world, platform), hear_one(world, platform)]

    answers = {platform.reply(mention, f"Enjoy take {take}", None) for take, mention in enumerate(mentions, start=1)}

    assert len(answers) == 2
    assert len(world.answers()) == 2


def test_an_answer_carries_what_was_uploaded(world: World, tmp_path: Path):
    platform = world.connect()
    mention = hear_one(world, platform)

    media_id = platform.upload(*make_track(platform, tmp_path), "Heavy metal at 160 beats a minute")
    platform.reply(mention, "Enjoy!", media_id)

    assert world.answers()[0].media_id is not None


def test_an_answer_of_the_greatest_length_is_taken(world: World):
    platform = world.connect()
    mention = hear_one(world, platform)
    text = "é" * platform.max_length

    platform.reply(mention, text, None)

    assert platform.count(text) == platform.max_length
    assert world.answers()[0].text.endswith(text)


def test_an_empty_text_has_no_length(world: World):
    assert world.connect().count("") == 0


def test_a_post_stays_there_until_it_is_deleted(network: NetworkWorld):
    platform = network.connect()
    mention = hear_one(network, platform)

    before = platform.still_there(mention)
    network.delete(mention.id)

    assert before
    assert not platform.still_there(mention)


def test_a_deleted_post_cannot_be_answered(network: NetworkWorld):
    platform = network.connect()
    mention = hear_one(network, platform)
    network.delete(mention.id)

    with pytest.raises(Gone):
        platform.reply(mention, "Enjoy!", None)

    assert network.answers() == []


def test_what_was_said_before_the_first_start_is_behind_the_bookmark(network: NetworkWorld):
    for _ in range(3):
        network.call(CALL)
    platform = network.connect()

    bookmark = platform.newest_bookmark()

    assert read_all(platform, bookmark) == []


def test_bots_and_the_band_itself_are_known_as_such(network: NetworkWorld):
    platform = network.connect()
    bookmark = platform.newest_bookmark()
    network.call_from_bot(CALL)
    network.call_from_ourselves(CALL)

    mentions = read_all(platform, bookmark)

    assert [mention.by_bot for mention in mentions] == [True, True]


def test_an_answer_whose_confirmation_was_lost_is_not_given_again(network: NetworkWorld):
    platform = network.connect()
    mention = hear_one(network, platform)
    network.fail_posting(Response("<html>Bad gateway</html>", 502), after_the_deed=True)

    with pytest.raises(TryLater):
        platform.reply(mention, "Enjoy!", None)
    again = network.connect().reply(mention, "Enjoy, again!", None)  # a new process, which may word it otherwise

    assert again
    assert [answer.text for answer in network.answers()] == [f"@{mention.author_handle} Enjoy!"]


def test_an_answer_can_be_taken_down_and_once_more(network: NetworkWorld):
    platform = network.connect()
    reply_id = platform.reply(hear_one(network, platform), "Enjoy!", None)

    platform.delete(reply_id)
    platform.delete(reply_id)

    assert network.answers() == []


@pytest.mark.parametrize("status", [404, 410])
def test_an_answer_that_is_gone_already_is_as_good_as_taken_down(network: NetworkWorld, status: int):
    network.fail_deleting(Response('{"error": "gone"}', status, content_type="application/json"))

    network.connect().delete("1")


def test_an_answer_that_we_are_not_let_take_down_is_tried_later(network: NetworkWorld):
    """It counted as done, and the post still stood."""
    platform = network.connect()
    reply_id = platform.reply(hear_one(network, platform), "Enjoy!", None)
    network.fail_deleting(FIREWALL)

    with pytest.raises(TryLater):
        platform.delete(reply_id)
    stands = len(network.answers())
    platform.delete(reply_id)

    assert (stands, network.answers()) == (1, [])


def test_a_track_that_a_firewall_dislikes_is_rejected(network: NetworkWorld, tmp_path: Path):
    """It counted as a refused token, and the network was shut for everybody."""
    platform = network.connect()
    network.fail_uploading(FIREWALL)

    with pytest.raises(Rejected):
        platform.upload(*make_track(platform, tmp_path), "1 UNION SELECT password")


def test_an_upload_by_an_account_that_is_let_do_nothing_needs_the_operator(network: NetworkWorld, tmp_path: Path):
    platform = network.connect()
    network.fail_uploading(FIREWALL)
    network.fail_asking_who_we_are(FIREWALL)

    with pytest.raises(NeedsOperator):
        platform.upload(*make_track(platform, tmp_path), "alt")


def test_a_call_that_answers_ours_says_so(network: NetworkWorld):
    platform = network.connect()
    first = hear_one(network, platform)
    reply_id = platform.reply(first, "Enjoy!", None)
    network.call_in_answer("@lnh_ai /again", reply_id)

    again = read_all(platform, platform.newest_bookmark()) or read_all(platform, first.id)

    assert (first.in_reply_to, again[-1].in_reply_to) == ("", reply_id)


def test_a_refused_token_names_its_variable_and_not_itself(network: NetworkWorld, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    platform = network.connect(good_token=False)

    with pytest.raises(NeedsOperator) as refusal:
        list(platform.pages("5"))

    assert any(name in str(refusal.value) for name in network.variables)
    assert not any(secret in str(refusal.value) + caplog.text for secret in ("another-token", *network.secrets))


def test_no_secret_is_logged_even_in_detail(network: NetworkWorld, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    platform = network.connect()
    platform.reply(hear_one(network, platform), "Enjoy!", None)
    with suppress(TryLater):
        platform.stream(lambda _: None, Event())

    assert "Authorization" not in caplog.text
    assert "oauth_signature" not in caplog.text
    assert not any(secret in caplog.text for secret in network.secrets)


@pytest.mark.parametrize("status", [429, 503])
def test_a_network_that_says_when_to_come_back_is_obeyed(network: NetworkWorld, status: int):
    platform = network.connect()
    network.fail_reading(Response("{}", status, {"Retry-After": "77"}))

    with pytest.raises(TryLater) as later:
        list(platform.pages("5"))

    assert later.value.seconds == 77


@pytest.mark.parametrize(
    "response",
    [
        Response("{}", 429),
        Response("<html>Over capacity</html>", 502, content_type="text/html"),
        Response("[]", 500, content_type="application/json"),
        Response('"gone fishing"', 504, content_type="application/json"),
        Response("<html>A proxy</html>", 200, content_type="text/html"),
        Response('{"error": "Request Timeout"}', 408, content_type="application/json"),
        Response("{}", 429, {"x-rate-limit-reset": "tomorrow"}),
    ],
    ids=["429", "502 HTML", "500 list", "504 string", "200 HTML", "408", "429 odd reset"],
)
def test_a_network_in_trouble_is_tried_later(network: NetworkWorld, response: Response):
    platform = network.connect()
    network.fail_reading(response)

    with pytest.raises(TryLater) as later:
        list(platform.pages("5"))

    assert 1 <= later.value.seconds <= 3600


def test_a_network_that_cannot_be_reached_is_tried_later(network: NetworkWorld, httpserver: HTTPServer):
    platform = network.connect()
    httpserver.stop()
    try:
        with pytest.raises(TryLater):
            platform.newest_bookmark()
    finally:
        httpserver.start()
