"""Mastodon, fact by fact."""

import inspect
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Event, Thread

import mastodon.errors
import pytest
from fake_mastodon import as_event, make_account, problem
from werkzeug import Response
from worlds import MastodonWorld

from bot import phrases
from bot.mention import Mention
from bot.platforms import mastodon as adapter
from bot.platforms import mastodon_client
from bot.platforms.base import Gone, Rejected, TryLater
from bot.platforms.mastodon_client import MEANINGS
from model.errors import NeedsOperator

AT_BAND = (
    '<span class="h-card"><a href="https://home.example/@lnh_ai" class="u-url mention">@<span>lnh_ai</span></a></span>'
)


def hear(world: MastodonWorld) -> Mention:
    return [mention for page in world.connect().pages("0") for mention in page.mentions][-1]


def make_files(folder: Path) -> tuple[Path, Path]:
    (folder / "a.mp3").write_bytes(b"music")
    (folder / "a.png").write_bytes(b"picture")
    return folder / "a.mp3", folder / "a.png"


def test_a_post_of_html_becomes_the_text_that_was_typed(mastodon_world: MastodonWorld):
    named = [{"url": "https://home.example/@lnh_ai", "username": "lnh_ai", "acct": "lnh_ai@home.example"}]
    mastodon_world.fake.call(f"<p>{AT_BAND} Rock &amp; roll<br>/compose</p><p>/t 160</p>", mentions=named)

    mention = hear(mastodon_world)

    assert mention.text == "@lnh_ai@home.example Rock & roll\n/compose\n/t 160"


def test_a_notification_without_its_post_moves_the_bookmark_only(mastodon_world: MastodonWorld):
    mastodon_world.call("first")
    mastodon_world.fake.rows[0]["status"] = None
    mastodon_world.fake.rows.append(
        {"id": "01JLNH9", "type": "favourite", "account": make_account("1", "a"), "status": {}}
    )

    (page,) = mastodon_world.connect().pages("0")

    assert page.mentions == ()
    assert page.bookmark == "01JLNH9"


def age(world: MastodonWorld, index: int, seconds: float) -> None:
    created = datetime.now(UTC) - timedelta(seconds=seconds)
    world.fake.rows[index]["created_at"] = created.isoformat()


def test_a_mention_that_comes_to_light_behind_a_younger_one_is_read(mastodon_world: MastodonWorld):
    """A server gives a number first and shows the row when it is written, while others write theirs."""
    for _ in range(3):
        mastodon_world.call("hello")
    for index, seconds in enumerate((60, 0.2, 0.1)):
        age(mastodon_world, index, seconds)
    _, late, _ = rows = list(mastodon_world.fake.rows)
    mastodon_world.fake.rows.remove(late)
    platform = mastodon_world.connect()
    *_, page = platform.pages("0")

    mastodon_world.fake.rows = rows
    again = [mention.id for page in platform.pages(page.bookmark) for mention in page.mentions]

    assert again == [row["status"]["id"] for row in rows[1:]]


def test_what_is_no_longer_young_is_read_once(mastodon_world: MastodonWorld):
    mastodon_world.call("hello")
    age(mastodon_world, 0, adapter.SETTLED_SECONDS + 1)
    platform = mastodon_world.connect()
    *_, page = platform.pages("0")

    assert list(platform.pages(page.bookmark)) == []


def test_a_boost_of_an_old_command_is_no_command(mastodon_world: MastodonWorld):
    mastodon_world.fake.call("<p>/compose</p>", reblog={"id": "7"})

    (page,) = mastodon_world.connect().pages("0")

    assert page.mentions == ()


def test_an_edited_post_keeps_its_key(mastodon_world: MastodonWorld):
    number = mastodon_world.call("Dancing robots /compose")
    before = hear(mastodon_world)
    mastodon_world.fake.statuses[number]["content"] = "<p>Walking robots /compose</p>"

    after = hear(mastodon_world)

    assert (before.key, after.key) == (f"mastodon-{number}", f"mastodon-{number}")
    assert after.text == "Walking robots /compose"


@pytest.mark.parametrize(
    ("account", "by_bot"),
    [
        ({}, False),
        ({"bot": True}, True),
        ({"note": '<p>hi <a href="/tags/nobot" class="mention hashtag">#<span>NoBot</span></a></p>'}, True),
        ({"note": None}, False),
        ({"group": True}, True),
        ({"display_name": "Five #NoBot"}, True),
        ({"fields": [{"name": "bots", "value": "<p>#nobot</p>"}, {"name": "site", "value": None}]}, True),
        ({"fields": None}, False),
    ],
)
def test_who_is_a_bot_or_wants_none_is_marked(mastodon_world: MastodonWorld, account: dict[str, object], by_bot: bool):
    mastodon_world.fake.call("<p>hi</p>", make_account("5", "five", **account))

    assert hear(mastodon_world).by_bot is by_bot


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("public", "unlisted"),
        ("unlisted", "unlisted"),
        ("private", "direct"),  # its author's followers are not ours
        ("direct", "direct"),
        ("mutuals_only", "direct"),
    ],
)
def test_an_answer_is_never_wider_than_its_post(mastodon_world: MastodonWorld, asked: str, answered: str):
    mastodon_world.fake.call("<p>/compose</p>", visibility=asked)

    mastodon_world.connect().reply(hear(mastodon_world), "Enjoy!", None)

    assert mastodon_world.fake.answers()[0]["visibility"] == answered


def test_an_answer_carries_the_warning_of_its_post(mastodon_world: MastodonWorld):
    mastodon_world.fake.call("<p>/compose</p>", spoiler_text="loud")

    mastodon_world.connect().reply(hear(mastodon_world), "Enjoy!", None)

    assert mastodon_world.fake.answers()[0]["spoiler_text"] == "loud"


def test_a_long_warning_leaves_room_for_the_answer(mastodon_world: MastodonWorld):
    mastodon_world.fake.call("<p>/compose</p>", spoiler_text="w" * 490)
    mention, platform = hear(mastodon_world), mastodon_world.connect()

    platform.reply(mention, "e" * 100, None)

    answer = mastodon_world.fake.answers()[0]
    assert platform.count(answer["content"]) + len(answer["spoiler_text"]) == 500


def test_an_answer_names_nobody_but_its_author(mastodon_world: MastodonWorld):
    others = [{"id": "7", "url": "", "username": "other", "acct": "other@example.com"}]
    mastodon_world.fake.call("<p>/compose</p>", mentions=others)

    mastodon_world.connect().reply(hear(mastodon_world), "Enjoy!", None)

    assert mastodon_world.fake.answers()[0]["content"] == "@someone@example.social Enjoy!"


def test_what_a_post_answers_is_known(mastodon_world: MastodonWorld):
    number = mastodon_world.fake.call("<p>/again</p>", in_reply_to_id="01JLNH9")

    assert hear(mastodon_world).in_reply_to == "01JLNH9"
    assert number != "01JLNH9"


@pytest.mark.parametrize("remembers_keys", [True, False])
def test_a_word_about_the_line_is_no_answer(mastodon_world: MastodonWorld, remembers_keys: bool):
    mastodon_world.fake.remembers_keys = remembers_keys
    mastodon_world.call("/compose")
    mention, platform = hear(mastodon_world), mastodon_world.connect()
    aside = replace(mention, root_id=f"{mention.root_id}-line")

    platform.reply(aside, phrases.in_line(20), None)
    for _ in range(2):
        platform.reply(mention, "Enjoy!", None)

    answers = [one["content"].partition(" ")[2] for one in mastodon_world.fake.answers()]
    assert answers == [phrases.in_line(20), "Enjoy!"]


@pytest.mark.parametrize("answer", [{"error": "busy"}, [None], [{"type": "mention"}], "text", None, 5])
def test_an_answer_out_of_shape_is_a_server_in_trouble(
    mastodon_world: MastodonWorld, monkeypatch: pytest.MonkeyPatch, answer: object
):
    platform = mastodon_world.connect()
    monkeypatch.setattr(platform._api, "notifications", lambda **_: answer)

    with pytest.raises(TryLater, match="out of shape"):
        list(platform.pages("1"))


def test_a_server_that_forgets_idempotency_keys_gets_one_answer_too(mastodon_world: MastodonWorld):
    mastodon_world.fake.remembers_keys = False
    mastodon_world.call("/compose")
    mention = hear(mastodon_world)
    mastodon_world.fail_posting(Response("", 504), after_the_deed=True)

    with pytest.raises(TryLater):
        mastodon_world.connect().reply(mention, "Enjoy!", None)
    mastodon_world.connect().reply(mention, "Enjoy!", None)

    assert len(mastodon_world.fake.answers()) == 1


def test_the_key_of_the_post_goes_with_the_answer(mastodon_world: MastodonWorld):
    mastodon_world.call("/compose")
    mention = hear(mastodon_world)

    mastodon_world.connect().reply(mention, "Enjoy!", None)

    assert mastodon_world.fake.requests[-1].headers["Idempotency-Key"] == mention.key


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_a_track_is_posted_only_when_the_server_has_processed_it(
    mastodon_world: MastodonWorld, tmp_path: Path, polls: int
):
    mastodon_world.call("/compose")
    mastodon_world.fake.polls_until_ready = polls
    platform = mastodon_world.connect()

    media_id = platform.upload(*make_files(tmp_path), "x" * 2000)
    platform.reply(hear(mastodon_world), "Enjoy!", media_id)

    kept = mastodon_world.fake.media[media_id]
    assert (kept["file"], kept["mime"], kept["cover"]) == (b"music", "audio/mpeg", b"picture")
    assert kept["description"] == "x" * 1500
    assert mastodon_world.fake.answers()[0]["media"] == [media_id]


def test_processing_without_end_is_left_for_later(
    mastodon_world: MastodonWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adapter, "MEDIA_DEADLINE_S", 0.0)
    mastodon_world.fake.polls_until_ready = 10**6

    with pytest.raises(TryLater, match="still processing"):
        mastodon_world.connect().upload(*make_files(tmp_path), "")


def test_a_track_that_the_server_cannot_process_is_rejected(mastodon_world: MastodonWorld, tmp_path: Path):
    mastodon_world.fake.polls_until_ready = 3
    mastodon_world.fake.troubles.plan("GET", "/media/", problem(422, "Erreur de traitement"))

    with pytest.raises(Rejected, match="422"):
        mastodon_world.connect().upload(*make_files(tmp_path), "")


def test_a_track_that_the_server_does_not_find_while_it_processes_it_is_left_for_later(
    mastodon_world: MastodonWorld, tmp_path: Path
):
    """One of its machines may not know yet what another was given; the network was shut for a quarter of an hour."""
    mastodon_world.fake.polls_until_ready = 3
    mastodon_world.fake.troubles.plan("GET", "/media/", problem(404, "Record not found"))

    with pytest.raises(TryLater, match="does not find our track"):
        mastodon_world.connect().upload(*make_files(tmp_path), "")


def test_a_token_without_the_scope_to_upload_needs_the_operator(mastodon_world: MastodonWorld, tmp_path: Path):
    challenge = {"WWW-Authenticate": 'Bearer realm="Doorkeeper", error="insufficient_scope"'}
    mastodon_world.fail_uploading(problem(403, "Hors du périmètre", **challenge))

    with pytest.raises(NeedsOperator, match="write:media"):
        mastodon_world.connect().upload(*make_files(tmp_path), "")


def test_a_token_without_the_scope_to_delete_needs_the_operator(mastodon_world: MastodonWorld):
    challenge = {"WWW-Authenticate": 'Bearer realm="Doorkeeper", error="insufficient_scope"'}
    mastodon_world.fail_deleting(problem(403, "Hors du périmètre", **challenge))

    with pytest.raises(NeedsOperator, match="write:statuses"):
        mastodon_world.connect().delete("1")


@pytest.mark.parametrize("word", ["filter", "drop"])
def test_an_account_that_keeps_private_calls_back_needs_the_operator(mastodon_world: MastodonWorld, word: str):
    """Mastodon filters them by default, and nobody noticed that the band never heard them."""
    mastodon_world.fake.policy = {"for_private_mentions": word}

    with pytest.raises(NeedsOperator, match="Unsolicited private mentions"):
        mastodon_world.connect().unheard()


@pytest.mark.parametrize(
    ("policy", "unheard"),
    [
        ({"for_private_mentions": "accept", "for_limited_accounts": "filter"}, ""),
        ({"for_not_following": "accept", "for_new_accounts": "filter"}, "new accounts"),
        (
            {"for_not_following": "drop", "for_not_followers": "filter"},
            "people whom it does not follow, people who do not follow it",
        ),
        (None, ""),
    ],
)
def test_whom_an_account_keeps_back_is_told(mastodon_world: MastodonWorld, policy: dict[str, str] | None, unheard: str):
    mastodon_world.fake.policy = policy

    assert mastodon_world.connect().unheard() == unheard


@pytest.mark.parametrize(
    "answer",
    [problem(501, "Not implemented"), problem(400, "what?"), Response("<html>A page</html>", 200), Response("[1]")],
    ids=["501", "400", "HTML", "list"],
)
def test_a_server_without_such_settings_may_answer_anything(mastodon_world: MastodonWorld, answer: Response):
    mastodon_world.fake.troubles.plan("GET", "/policy", answer)

    assert mastodon_world.connect().unheard() == ""


def send_on(world: MastodonWorld, method: str, path: str, to: str) -> None:
    world.fake.troubles.plan(method, path, Response("", 301, {"Location": to}))


def test_a_server_that_sends_us_on_to_another_needs_the_operator(mastodon_world: MastodonWorld):
    """The token was left out there, so it seemed to be refused."""
    send_on(mastodon_world, "GET", "/notifications", f"{mastodon_world.url.replace('localhost', '127.0.0.1')}/api")

    with pytest.raises(NeedsOperator, match=r"sends us on to http://127\.0\.0\.1:\d+; .* MASTODON_BASE_URL"):
        mastodon_world.connect().newest_bookmark()

    assert len(mastodon_world.fake.requests) == 1


def test_a_server_that_sends_us_on_to_another_gets_no_answer_as_a_question(mastodon_world: MastodonWorld):
    """A POST that is sent on becomes a GET, and what we said was lost."""
    mastodon_world.call("/compose")
    mention, platform = hear(mastodon_world), mastodon_world.connect()
    send_on(mastodon_world, "POST", "/statuses", "https://home.example/api/v1/statuses")

    with pytest.raises(NeedsOperator, match="sends us on to https://home"):
        platform.reply(mention, "Enjoy!", None)


def test_a_stream_is_not_followed_to_another_server(mastodon_world: MastodonWorld):
    send_on(mastodon_world, "GET", "/streaming", "https://home.example/api/v1/streaming")

    with pytest.raises(NeedsOperator, match="sends us on"):
        mastodon_world.connect().stream(lambda _: None, Event())


def test_a_server_that_sends_us_on_within_itself_is_followed(mastodon_world: MastodonWorld):
    mastodon_world.call("hello")
    send_on(mastodon_world, "GET", "/notifications", "/api/v1/notifications?types[]=mention")

    assert mastodon_world.connect().newest_bookmark() == mastodon_world.fake.rows[-1]["id"]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("hello", 5),
        ("👨‍👩‍👧‍👦 é", 3),
        ("see https://example.com/a/very/long/path/that/goes/on?and=on.", 4 + 23 + 1),
        ("for @someone@example.social", 4 + 8),
        ("mail a@b.example", 16),
    ],
)
def test_length_is_counted_as_the_server_counts(mastodon_world: MastodonWorld, text: str, length: int):
    assert mastodon_world.connect().count(text) == length


@pytest.mark.parametrize(
    ("instance", "characters"),
    [
        ({"v2": {"configuration": {"statuses": {"max_characters": 5000}}}}, 5000),
        ({"v1": {"max_toot_chars": 1000}}, 1000),
        ({"v1": {"configuration": {"statuses": {"max_characters": 777}}}}, 777),
        ({}, 500),
    ],
)
def test_the_limit_comes_from_the_server(mastodon_world: MastodonWorld, instance: dict, characters: int):
    mastodon_world.fake.instance = instance

    assert mastodon_world.connect().max_length == characters - adapter.HANDLE_ROOM


def test_a_date_says_when_to_come_back(mastodon_world: MastodonWorld):
    back = format_datetime(datetime.fromtimestamp(time.time() + 120, UTC), usegmt=True)
    mastodon_world.fail_reading(problem(503, "maintenance", **{"Retry-After": back}))

    with pytest.raises(TryLater) as later:
        list(mastodon_world.connect().pages("5"))

    assert 100 < later.value.seconds <= 120


def test_the_reset_of_a_rate_limit_says_when_to_come_back(mastodon_world: MastodonWorld):
    reset = datetime.fromtimestamp(time.time() + 200, UTC).isoformat()
    mastodon_world.fail_reading(problem(429, "Too many requests", **{"X-RateLimit-Reset": reset}))

    with pytest.raises(TryLater) as later:
        list(mastodon_world.connect().pages("5"))

    assert 150 < later.value.seconds < 205  # the library allows for a second that Date leaves out


def test_a_server_that_takes_too_long_is_tried_later(mastodon_world: MastodonWorld, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mastodon_client, "REQUEST_TIMEOUT_S", 0.05)
    original = mastodon_world.fake._answer
    monkeypatch.setattr(mastodon_world.fake, "_answer", lambda request: time.sleep(0.2) or original(request))

    with pytest.raises(TryLater, match="ReadTimeout"):
        mastodon_world.connect().newest_bookmark()


def test_a_post_whose_author_lets_nobody_answer_stops_nothing(mastodon_world: MastodonWorld):
    mastodon_world.call("/compose")
    mention = hear(mastodon_world)
    mastodon_world.fail_posting(problem(403, "Forbidden"), after_the_deed=False)

    with pytest.raises(Gone):
        mastodon_world.connect().reply(mention, "Enjoy!", None)


def test_a_token_without_the_scope_to_write_needs_the_operator(mastodon_world: MastodonWorld):
    mastodon_world.call("/compose")
    mention = hear(mastodon_world)
    challenge = {"WWW-Authenticate": 'Bearer realm="Doorkeeper", error="insufficient_scope"'}
    mastodon_world.fail_posting(problem(403, "Hors du périmètre", **challenge), after_the_deed=False)

    with pytest.raises(NeedsOperator, match="write:statuses"):
        mastodon_world.connect().reply(mention, "Enjoy!", None)


def test_an_address_without_the_api_needs_the_operator(mastodon_world: MastodonWorld):
    mastodon_world.fail_reading(problem(404, "Not found"))

    with pytest.raises(NeedsOperator, match="MASTODON_BASE_URL"):
        list(mastodon_world.connect().pages("5"))


def test_words_that_the_server_does_not_take_are_rejected(mastodon_world: MastodonWorld):
    mastodon_world.call("/compose")
    mention = hear(mastodon_world)

    with pytest.raises(Rejected, match="422"):
        mastodon_world.connect().reply(mention, "e" * 600, None)


def test_every_error_of_the_library_has_a_meaning():
    classes = [each for _, each in inspect.getmembers(mastodon.errors, inspect.isclass)]
    raised = {each for each in classes if issubclass(each, mastodon.errors.MastodonError)}

    assert raised == set(MEANINGS)


@pytest.mark.parametrize("is_marked", [True, False])
def test_an_account_that_is_not_marked_as_automated_is_warned_about(
    mastodon_world: MastodonWorld, caplog: pytest.LogCaptureFixture, is_marked: bool
):
    mastodon_world.fake.marked_as_bot = is_marked
    mastodon_world.call("/compose")

    hear(mastodon_world)

    assert ("not marked as automated" in caplog.text) is not is_marked


def test_what_one_thread_hears_does_not_make_another_wait(mastodon_world: MastodonWorld):
    platform = mastodon_world.connect()
    mastodon_world.fail_reading(problem(503, "maintenance", **{"Retry-After": "3000"}))

    def listen() -> None:
        with pytest.raises(TryLater):
            platform.newest_bookmark()

    listening = Thread(target=listen)
    listening.start()
    listening.join()
    mastodon_world.fail_reading(problem(503, "maintenance"))

    with pytest.raises(TryLater) as later:
        platform.newest_bookmark()

    assert later.value.seconds == 60


def listen(world: MastodonWorld, stop: Event | None = None) -> list[Mention]:
    heard: list[Mention] = []
    with pytest.raises(TryLater, match="ended it"):
        world.connect().stream(heard.append, stop or Event())
    return heard


def test_the_stream_tells_the_same_of_a_mention_as_the_list(mastodon_world: MastodonWorld):
    mastodon_world.fake.call(f"<p>{AT_BAND} Rock &amp; roll /compose</p>", visibility="direct", spoiler_text="loud")
    mastodon_world.fake.streamed = ":)\n\n" + as_event(mastodon_world.fake.rows[-1])

    (heard,) = listen(mastodon_world)

    assert heard == hear(mastodon_world)


def test_the_stream_passes_over_what_is_no_call(mastodon_world: MastodonWorld):
    fake = mastodon_world.fake
    mastodon_world.call("first /compose")
    row = fake.rows[-1]
    boost = {**row["status"], "reblog": row["status"]}
    fake.streamed = "".join(
        [
            as_event({**row, "type": "favourite"}), as_event({**row, "status": None}),
            as_event({**row, "status": boost}), as_event({"id": "1"}),
            "event: never_heard_of\ndata: {}\n\n", "event: filters_changed\n\n", as_event(row),
        ]
    )  # fmt: skip

    (heard,) = listen(mastodon_world)

    assert heard.text == "first /compose"


@pytest.mark.parametrize(
    "events", ["a secret\n\n", 'event: notification\ndata: {"a": "secret"\n\n', "data: secret\n\n"]
)
def test_a_stream_that_nobody_can_read_is_opened_again_later(mastodon_world: MastodonWorld, events: str):
    mastodon_world.fake.streamed = events

    with pytest.raises(TryLater) as later:
        mastodon_world.connect().stream(lambda _: None, Event())

    assert "secret" not in str(later.value)


def test_a_server_without_a_stream_is_left_to_polling(mastodon_world: MastodonWorld):
    with pytest.raises(TryLater, match="NOT FOUND"):
        mastodon_world.connect().stream(lambda _: None, Event())


def test_a_server_that_is_not_there_has_no_stream():
    with pytest.raises(TryLater):
        adapter.connect("http://127.0.0.1:1", "token").stream(lambda _: None, Event())


def test_a_stream_ends_with_the_first_heartbeat_after_we_were_told_to_stop(mastodon_world: MastodonWorld):
    mastodon_world.call("first /compose")
    mastodon_world.fake.streamed = ":thump\n" + as_event(mastodon_world.fake.rows[-1])
    stop, heard = Event(), []
    stop.set()

    mastodon_world.connect().stream(heard.append, stop)

    assert heard == []
