"""X, fact by fact."""

import inspect
import logging
import time
from pathlib import Path

import pytest
import requests
import tweepy.errors
from fake_x import problem
from werkzeug import Response
from worlds import XWorld

from bot.mention import Mention
from bot.platforms import x as adapter
from bot.platforms import x_client
from bot.platforms.base import Gone, Rejected, TryLater
from model.errors import NeedsOperator


@pytest.fixture(params=["x_world", "older_x_world"])
def world(request: pytest.FixtureRequest) -> XWorld:
    return request.getfixturevalue(request.param)


def hear_all(world: XWorld) -> list[Mention]:
    return [mention for page in world.connect().pages("1") for mention in page.mentions]


def make_film(folder: Path, size: int = 10) -> tuple[Path, Path]:
    (folder / "a.mp4").write_bytes(bytes(range(256)) * (size // 256) + b"m" * (size % 256))
    return folder / "a.mp4", folder / "a.png"


def test_a_mention_that_is_listed_behind_a_younger_one_is_read(world: XWorld):
    now = int(time.time() * 1000) - adapter.FIRST_MS << 22  # ids tell the time
    world.fake._last = now - (3600_000 << 22)
    old = world.call("@lnh_ai hello")
    world.fake._last = now
    late, young = world.call("@lnh_ai hello"), world.call("@lnh_ai hello")
    hidden = world.fake.posts.pop(late)
    platform = world.connect()
    *_, page = platform.pages("1")

    world.fake.posts[late] = hidden
    again = [mention.id for page in platform.pages(page.bookmark) for mention in page.mentions]

    assert again == [late, young]
    assert int(page.bookmark) >= int(old)


def link(short: str, long: str, **more: str) -> dict[str, object]:
    return {"start": 0, "end": 23, "url": short, "expanded_url": long, **more}


def test_entities_and_links_are_restored(world: XWorld):
    urls = [link("https://t.co/abc", "https://example.com/?a=1&lt=2")]
    world.fake.call("@lnh_ai Rock &amp; roll &lt;3 https://t.co/abc /compose", entities={"urls": urls})

    (mention,) = hear_all(world)

    assert mention.text == "@lnh_ai Rock & roll <3 https://example.com/?a=1&lt=2 /compose"


def test_links_that_nobody_typed_are_dropped(world: XWorld):
    urls = [
        link("https://t.co/pic", "https://x.com/someone/status/5/photo/1", media_key="3_1"),
        link("https://t.co/quo", "https://x.com/other/status/77"),
    ]
    refs = [{"type": "quoted", "id": "77"}]
    world.fake.call("@lnh_ai Robots /compose https://t.co/quo https://t.co/pic", entities={"urls": urls}, refs=refs)

    (mention,) = hear_all(world)

    assert mention.text == "@lnh_ai Robots /compose"


def test_a_long_post_is_read_to_its_end(world: XWorld):
    note = {"text": "@lnh_ai " + "la " * 200 + "&amp; /compose /t 160"}
    world.fake.call("@lnh_ai la la la…", note=note)

    (mention,) = hear_all(world)

    assert mention.text.endswith("& /compose /t 160")


def test_every_version_of_an_edited_post_has_one_key(world: XWorld):
    first = world.fake.call("@lnh_ai Dancing robots /compose")
    second = world.fake.call("@lnh_ai Walking robots /compose", edits=[first])

    mentions = hear_all(world)

    assert [mention.id for mention in mentions] == [first, second]
    assert {mention.key for mention in mentions} == {f"x-{first}"}


def test_an_answer_to_one_version_answers_them_all(world: XWorld):
    first = world.fake.call("@lnh_ai Dancing robots /compose")
    world.fake.call("@lnh_ai Walking robots /compose", edits=[first])
    before, after = hear_all(world)

    answers = {world.connect().reply(before, "Enjoy!", None), world.connect().reply(after, "Enjoy once more!", None)}

    assert len(answers) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [("RT @someone: @lnh_ai Dancing robots /compose", "retweeted"), ("look at this /compose", "quoted")],
)
def test_reposts_and_quotes_of_a_command_are_no_commands(world: XWorld, text: str, kind: str):
    old = world.fake.call("@lnh_ai Dancing robots /compose")
    world.fake.call(text, {"id": "2", "name": "Two", "username": "two"}, refs=[{"type": kind, "id": old}])

    assert [mention.id for mention in hear_all(world)] == [old]


def test_a_quote_that_calls_us_itself_is_a_command(world: XWorld):
    number = world.fake.call("@LnH_AI slower /compose /t 60", refs=[{"type": "quoted", "id": "77"}])

    assert [mention.id for mention in hear_all(world)] == [number]


def test_a_post_whose_author_is_hidden_is_left_out(world: XWorld):
    world.fake.call("@lnh_ai /compose")
    del world.fake.users["1"]

    (page,) = world.connect().pages("1")

    assert page.mentions == ()


def test_all_names_of_fields_are_asked_for(x_world: XWorld):
    x_world.connect().newest_bookmark()

    asked = x_world.fake.requests[-1].args
    assert "note_post" in asked["post.fields"]
    assert "referenced_posts" in asked["expansions"]
    assert {"note_tweet", "referenced_tweets", "edit_history_tweet_ids"} <= set(asked["tweet.fields"].split(","))


def test_a_film_goes_up_in_pieces_and_gets_its_alt_text(x_world: XWorld, tmp_path: Path):
    media, cover = make_film(tmp_path, size=2 * adapter.CHUNK_BYTES + 1000)

    media_id = x_world.connect().upload(media, cover, "x" * 1200)

    kept = x_world.fake.media[media_id]
    assert kept["body"] == {
        "media_type": "video/mp4",
        "media_category": "tweet_video",
        "total_bytes": media.stat().st_size,
    }
    assert len(kept["pieces"]) == 3
    assert x_world.fake.film(media_id) == media.read_bytes()
    assert kept["alt"] == "x" * 1000


def test_a_film_is_waited_for(x_world: XWorld, tmp_path: Path):
    x_world.fake.progress = [
        {"state": "pending", "check_after_secs": 1},
        {"state": "in_progress", "check_after_secs": 5, "progress_percent": 40},
        {"state": "succeeded", "progress_percent": 100},
    ]
    pauses: list[float] = []
    client = x_client.XClient(*x_world.secrets, base_url=x_world.url)

    adapter.XPlatform(client, sleep=pauses.append).upload(*make_film(tmp_path), "alt")

    assert pauses == [1, 5]


def test_a_film_that_cannot_be_processed_is_rejected(x_world: XWorld, tmp_path: Path):
    x_world.fake.progress = [{"state": "failed"}]

    with pytest.raises(Rejected, match="process"):
        x_world.connect().upload(*make_film(tmp_path), "alt")


def test_a_film_that_is_never_ready_is_left_for_later(x_world: XWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapter, "MEDIA_DEADLINE_S", -1.0)
    x_world.fake.progress = [{"state": "pending"}]

    with pytest.raises(TryLater, match="still processing"):
        x_world.connect().upload(*make_film(tmp_path), "alt")


def test_a_piece_that_is_refused_says_why(x_world: XWorld, tmp_path: Path):
    x_world.fake.troubles.plan("POST", "/append", problem(400, "segment out of order"))

    with pytest.raises(Rejected, match="segment out of order"):
        x_world.connect().upload(*make_film(tmp_path), "alt")


@pytest.mark.parametrize("path", ["/initialize", "/append", "/finalize", "/metadata"])
def test_a_film_that_x_forbids_at_any_step_is_rejected(x_world: XWorld, tmp_path: Path, path: str):
    x_world.fake.troubles.plan("POST", path, problem(403, "Forbidden"))

    with pytest.raises(Rejected, match="403"):
        x_world.connect().upload(*make_film(tmp_path), "alt")


def test_an_app_that_may_not_upload_needs_the_operator(x_world: XWorld, tmp_path: Path):
    x_world.fail_uploading(problem(403, "no", "https://api.twitter.com/2/problems/oauth1-permissions"))

    with pytest.raises(NeedsOperator, match="read and write"):
        x_world.connect().upload(*make_film(tmp_path), "alt")


@pytest.mark.parametrize(("method", "path"), [("POST", "/append"), ("GET", "/media/upload"), ("POST", "/metadata")])
def test_a_film_that_x_does_not_find_is_left_for_later(x_world: XWorld, tmp_path: Path, method: str, path: str):
    """The network was shut for a quarter of an hour, and the rights of the app were blamed."""
    x_world.fake.progress = [{"state": "pending", "check_after_secs": 1}]
    x_world.fake.troubles.plan(method, path, problem(404, "Not Found"))

    with pytest.raises(TryLater, match="does not find our film"):
        x_world.connect().upload(*make_film(tmp_path), "alt")


def test_an_x_that_takes_no_films_any_more_needs_the_operator(x_world: XWorld, tmp_path: Path):
    x_world.fail_uploading(problem(404, "Not Found"))

    with pytest.raises(NeedsOperator, match="rights"):
        x_world.connect().upload(*make_film(tmp_path), "alt")


@pytest.mark.parametrize("code", [144, 385])
def test_a_post_that_x_says_is_gone_is_as_good_as_taken_down(x_world: XWorld, code: int):
    x_world.fail_deleting(Response(f'{{"errors": [{{"code": {code}, "message": "no such post"}}]}}', 403))

    x_world.connect().delete("7")


def test_a_song_is_posted_as_made_with_ai(x_world: XWorld, tmp_path: Path):
    x_world.call("@lnh_ai /compose")
    (mention,) = hear_all(x_world)
    platform = x_world.connect()

    platform.reply(mention, "Enjoy!", platform.upload(*make_film(tmp_path), "alt"))

    body = x_world.fake.answers()[0]["body"]
    assert body["made_with_ai"] is True
    assert body["reply"] == {"in_reply_to_tweet_id": mention.id}


def test_a_duplicate_that_is_our_answer_is_no_failure(x_world: XWorld, monkeypatch: pytest.MonkeyPatch):
    """X took the post, lost the connection, and did not list the post yet when we looked for it."""
    x_world.call("@lnh_ai /compose")
    (mention,) = hear_all(x_world)
    first = x_world.connect().reply(mention, "Enjoy!", None)
    empty = Response('{"meta": {"result_count": 0}}', content_type="application/json")
    x_world.fake.troubles.plan("GET", "/tweets", empty)

    again = x_world.connect().reply(mention, "Enjoy!", None)

    assert again == first
    assert len(x_world.fake.answers()) == 1


@pytest.fixture
def just_called(x_world: XWorld) -> Mention:
    """On an X whose ids tell the time."""
    x_world.fake._last = int(time.time() * 1000) - adapter.FIRST_MS << 22
    x_world.call("@lnh_ai /compose")
    (mention,) = hear_all(x_world)
    return mention


def connect_before(world: XWorld, seconds: float) -> adapter.XPlatform:
    """A process that has run for so long."""
    platform = world.connect()
    platform._began -= seconds
    return platform


def looks(world: XWorld) -> int:
    """How often our own posts were looked through."""
    return sum(request.path.endswith("/users/900/tweets") for request in world.fake.requests)


def test_an_answer_that_nobody_can_have_given_is_not_looked_for(x_world: XWorld, just_called: Mention):
    """Each look costs a read of every post of ours since the call: in a burst, of all its answers."""
    connect_before(x_world, 3600).reply(just_called, "Enjoy!", None)

    assert (looks(x_world), len(x_world.fake.answers())) == (0, 1)


def test_an_answer_that_was_tried_before_is_looked_for(x_world: XWorld, just_called: Mention):
    platform = connect_before(x_world, 3600)
    x_world.fail_posting(Response("<html>Bad gateway</html>", 502), after_the_deed=True)
    with pytest.raises(TryLater):
        platform.reply(just_called, "Enjoy!", None)

    platform.reply(just_called, "Enjoy, in other words!", None)

    assert (looks(x_world), len(x_world.fake.answers())) == (1, 1)


@pytest.mark.parametrize("running_for", [0, 200, adapter.CLOCKS_DIFFER_SECONDS + 3600])
def test_an_answer_of_a_process_that_was_killed_is_looked_for(
    x_world: XWorld, just_called: Mention, monkeypatch: pytest.MonkeyPatch, running_for: float
):
    """It posted, and was gone before the ledger knew; whether or not the ledger is still the same."""
    connect_before(x_world, 3600).reply(just_called, "Enjoy!", None)
    monkeypatch.setattr(adapter.time, "time", lambda real=time.time: real() + running_for + 1)

    connect_before(x_world, running_for).reply(just_called, "Enjoy, in other words!", None)

    assert (looks(x_world), len(x_world.fake.answers())) == (1, 1)


def test_a_song_that_x_has_and_does_not_show_is_looked_for_later(x_world: XWorld):
    """It was taken for refused, and its author got an apology besides the song."""
    x_world.call("@lnh_ai /compose")
    (mention,) = hear_all(x_world)
    x_world.connect().reply(mention, "Enjoy!", "7")
    for _ in range(1 + len(adapter.RECONCILE_PAUSES_S)):
        empty = Response('{"meta": {"result_count": 0}}', content_type="application/json")
        x_world.fake.troubles.plan("GET", "/tweets", empty)

    with pytest.raises(TryLater, match="does not show it yet"):
        x_world.connect().reply(mention, "Enjoy!", "7")

    assert len(x_world.fake.answers()) == 1


def test_a_duplicate_of_another_answer_is_rejected(x_world: XWorld):
    for _ in range(2):
        x_world.call("@lnh_ai /help")
    first, second = hear_all(x_world)
    x_world.connect().reply(first, "Try /compose", None)

    with pytest.raises(Rejected, match="already"):
        x_world.connect().reply(second, "Try /compose", None)


@pytest.mark.parametrize(
    ("response", "ours"),
    [
        (problem(401, "Unauthorized"), NeedsOperator),
        (problem(402, "You have no credits"), NeedsOperator),
        (problem(403, "Reply to this conversation is not allowed"), Gone),
        (problem(403, "not permitted", "https://api.twitter.com/2/problems/oauth1-permissions"), NeedsOperator),
        (Response('{"errors": [{"code": 326, "message": "locked"}]}', 403), NeedsOperator),
        (Response('{"errors": [{"code": 385, "message": "deleted"}]}', 403), Gone),
        (problem(404, "Not Found"), Gone),
        (problem(400, "You attempted to reply to a Tweet that is deleted or not visible to you."), Gone),
        (problem(400, "text is too long"), Rejected),
        (problem(429, "Too Many Requests"), TryLater),
        (problem(500, "Internal"), TryLater),
        (Response("<html>Over capacity</html>", 503), TryLater),
        (Response("{}", 201, content_type="application/json"), TryLater),
    ],
)
def test_an_answer_that_is_refused_says_who_must_act(x_world: XWorld, response: Response, ours: type[Exception]):
    x_world.call("@lnh_ai /compose")
    (mention,) = hear_all(x_world)
    x_world.fail_posting(response, after_the_deed=False)

    with pytest.raises(ours):
        x_world.connect().reply(mention, "Enjoy!", None)


@pytest.mark.parametrize(("status", "words"), [(402, "credits"), (403, "rights"), (404, "rights")])
def test_reading_that_is_refused_needs_the_operator(x_world: XWorld, status: int, words: str):
    x_world.fail_reading(problem(status, "refused"))

    with pytest.raises(NeedsOperator, match=words):
        list(x_world.connect().pages("1"))


def test_a_rate_limit_lasts_until_its_reset(x_world: XWorld):
    reset = str(int(time.time()) + 400)
    x_world.fail_reading(problem(429, "Too Many Requests", **{"x-rate-limit-reset": reset}))

    with pytest.raises(TryLater) as later:
        list(x_world.connect().pages("1"))

    assert 300 < later.value.seconds <= 400


def test_a_rate_limit_without_a_reset_lasts_a_window(x_world: XWorld):
    x_world.fail_reading(problem(429, "Too Many Requests"))

    with pytest.raises(TryLater) as later:
        list(x_world.connect().pages("1"))

    assert later.value.seconds == 900


@pytest.mark.parametrize("call", ["newest_bookmark", "upload"])
def test_no_request_waits_without_end(x_world: XWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    monkeypatch.setattr(x_client, "TIMEOUTS_S", (1.0, 0.05))
    answer = x_world.fake._answer
    slow = "/append" if call == "upload" else "/me"
    monkeypatch.setattr(
        x_world.fake, "_answer", lambda request: (slow in request.path and time.sleep(0.2)) or answer(request)
    )
    platform = x_world.connect()

    with pytest.raises(TryLater, match="ReadTimeout"):
        platform.newest_bookmark() if call == "newest_bookmark" else platform.upload(*make_film(tmp_path), "alt")


def test_requests_are_signed_for_the_host_that_they_go_to(x_world: XWorld):
    x_world.connect().newest_bookmark()

    authorization = x_world.fake.requests[-1].headers["Authorization"]
    assert authorization.startswith("OAuth ")
    assert "oauth_signature=" in authorization
    assert not any(secret in authorization for secret in (x_world.secrets[1], x_world.secrets[3]))


def test_loggers_that_tell_secrets_are_kept_quiet(x_world: XWorld):
    x_world.connect()

    for name in ("tweepy.client", "requests_oauthlib.oauth1_auth", "oauthlib.oauth1.rfc5849"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("hello", 5),
        ("日本", 4),
        ("👨‍👩‍👧‍👦", 2),
        ("https://example.com/a/very/long/path/indeed", 23),
        ("go to rock.fm", 6 + 23),
    ],
)
def test_length_is_weighed_as_x_does(x_world: XWorld, text: str, length: int):
    assert x_world.connect().count(text) == length


def test_every_error_of_the_library_has_a_meaning():
    classes = [each for _, each in inspect.getmembers(tweepy.errors, inspect.isclass)]
    raised = {each for each in classes if issubclass(each, tweepy.errors.TweepyException)}

    assert raised | {requests.RequestException} == set(x_client.MEANINGS)


@pytest.mark.parametrize(
    "answer",
    [
        {"data": 5},
        {"data": [{"id": "2", "author_id": "1"}], "includes": {"users": [{}]}},
        {"data": [{"id": "2", "author_id": "1"}], "includes": [1]},
        {"data": [], "meta": [1]},
    ],
)
def test_an_answer_out_of_shape_is_a_server_in_trouble(
    world: XWorld, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]
):
    platform = world.connect()
    monkeypatch.setattr(platform, "_mentions", lambda **_: answer)

    with pytest.raises(TryLater, match="out of shape"):
        list(platform.pages("1"))


def test_a_name_that_only_begins_like_ours_calls_somebody_else(world: XWorld):
    world.call("@lnh_ai_fans /compose")
    world.call("@LNH_AI, /compose")

    assert [mention.text for mention in hear_all(world)] == ["@LNH_AI, /compose"]
