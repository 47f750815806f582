import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_network import make_mention
from processes import wait_until

from bot import check
from bot.ledger import Ledger
from model.errors import NeedsOperator
from worker.connection import connect
from worker.private_redis import private_redis


@pytest.fixture(autouse=True)
def no_studio(monkeypatch):
    monkeypatch.setattr(check, "find_spec", lambda name: None)


def test_an_installation_can_be_a_bot_without_a_studio(redis_url, tmp_path, capsys):
    sound = check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path), "LNH_CONSOLE": "1"})

    said = capsys.readouterr().out
    assert sound
    assert "✗" not in said
    assert "console" in said


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "no Redis answers"),
        ({"LNH_DEFAULT_GENRE": "polka"}, "LNH_DEFAULT_GENRE is 'polka'"),
        ({"LNH_DEFUALT_GENRE": "heavy-metal"}, "LNH_DEFUALT_GENRE: no such setting; did you mean LNH_DEFAULT_GENRE?"),
        ({"LNH_KEEP_ROWS_DAYS": "0.1"}, "LNH_KEEP_ROWS_DAYS is 0.1; give 1 at least"),
        ({"LNH_STORE": "moon://tracks"}, "LNH_STORE is 'moon://tracks'"),
        ({"LNH_SONGS_A_DAY": "many"}, "LNH_SONGS_A_DAY is 'many'"),
        ({"LNH_METRICS": "abc"}, "LNH_METRICS is 'abc': it names no port"),
        ({"LNH_STORE_FILE": "/run/secrets/store"}, "LNH_STORE_FILE: no such setting; did you mean LNH_STORE?"),
        ({"LNH_BLOCKED": "nowhere.txt"}, "nowhere.txt: cannot be read"),
        ({"MASTODON_BASE_URL": "https://example.social"}, "MASTODON_ACCESS_TOKEN is not"),
    ],
)
def test_what_is_not_sound_is_said(variables, line, redis_url, tmp_path, capsys):
    sound = check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path), **variables})

    said = capsys.readouterr().out
    assert not sound
    assert "✗" in said
    assert line in said


@pytest.fixture
def forgetful(redis):
    """A Redis that throws jobs out when memory is short."""
    redis.config_set("maxmemory", "1gb")
    redis.config_set("maxmemory-policy", "allkeys-lru")
    yield
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", "0")


@pytest.mark.usefixtures("forgetful")
def test_a_redis_that_throws_jobs_out_is_not_sound(redis_url, tmp_path, capsys):
    sound = check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path)})

    assert not sound
    assert "maxmemory-policy is allkeys-lru, so jobs may be thrown out; set noeviction" in capsys.readouterr().out


def test_whether_queues_outlive_a_restart_of_redis_is_said(redis, redis_url, tmp_path, capsys):
    for setting in ("yes", "no"):
        redis.config_set("appendonly", setting)
        check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path)})

    kept, lost = (line for line in capsys.readouterr().out.splitlines() if line.startswith("✓  redis "))
    assert kept.endswith("answers, throws nothing out, keeps queues over a restart")
    assert lost.endswith("answers, throws nothing out, forgets queues at a restart (appendonly no)")


def test_a_redis_that_could_not_write_to_its_disk_is_not_sound(tmp_path, capsys):
    with private_redis({"PATH": os.environ["PATH"]}) as url, connect(url) as redis:
        (Path(redis.config_get("dir")["dir"]) / redis.config_get("dbfilename")["dbfilename"] / "in the way").mkdir(
            parents=True
        )
        redis.bgsave()
        wait_until(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "err")

        sound = check.installation({"REDIS_URL": url, "LNH_DATA": str(tmp_path)})

    assert not sound
    assert "✗  redis             Redis: it could not write to its disk; make room there" in capsys.readouterr().out


def test_a_token_that_the_network_refuses_is_not_sound(redis_url, tmp_path, capsys, httpserver):
    httpserver.expect_request("/api/v1/notifications").respond_with_json({"error": "revoked"}, status=401)
    account = {"MASTODON_BASE_URL": httpserver.url_for("/"), "MASTODON_ACCESS_TOKEN": "revoked"}

    sound = check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path), **account})

    assert not sound
    assert "refused the token in MASTODON_ACCESS_TOKEN (401)" in capsys.readouterr().out


@pytest.fixture
def look(redis_url, tmp_path, capsys, httpserver):
    """What is found of an account on a Mastodon whose server tells such scopes: whether it is sound, and all lines."""

    def found(scopes):
        told = {"name": "lnh", "website": None} | ({} if scopes is None else {"scopes": scopes})
        httpserver.expect_request("/api/v1/notifications").respond_with_json([])
        httpserver.expect_request("/api/v1/apps/verify_credentials").respond_with_json(told)
        account = {"MASTODON_BASE_URL": httpserver.url_for("/"), "MASTODON_ACCESS_TOKEN": "token"}
        sound = check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path), **account})
        return sound, capsys.readouterr().out

    return found


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        (["read"], "write:statuses, write:media"),
        (["read", "write:statuses"], "write:media"),
        (["write"], "read:notifications, read:statuses"),
    ],
)
def test_a_token_that_may_not_write_is_not_sound(look, scopes, missing):
    sound, said = look(scopes)

    assert not sound
    assert f"MASTODON_ACCESS_TOKEN lacks {missing}; make a token with the scopes profile" in said


@pytest.mark.parametrize(
    "scopes",
    [["read", "write"], ["profile", "read:notifications", "read:statuses", "write:statuses", "write:media"]],
)
def test_a_token_that_may_read_and_write_is_sound(look, scopes):
    sound, said = look(scopes)

    assert sound
    assert "✓  mastodon          lets us read and write\n" in said


@pytest.mark.parametrize(
    ("policy", "is_sound", "line"),
    [
        ({"for_private_mentions": "filter"}, False, "let “Unsolicited private mentions” be accepted\n"),
        ({"for_private_mentions": "accept"}, True, "lets us read and write\n"),
        ({"for_new_accounts": "drop"}, True, "read and write; the account's settings keep from us new accounts\n"),
    ],
)
def test_whom_an_account_keeps_from_the_band_is_said(look, httpserver, policy, is_sound, line):
    # Private requests were filtered, as is Mastodon's default, and nobody noticed.
    httpserver.expect_request("/api/v2/notifications/policy").respond_with_json(policy)

    sound, said = look(["read", "write"])

    assert line in said
    assert sound is is_sound


def test_where_nobody_tells_what_a_token_may_do_that_is_said(look):
    sound, said = look(None)

    assert sound
    assert "lets us read; whether it lets us write, the first answer will show" in said


def test_a_server_that_knows_no_scopes_is_sound(redis_url, tmp_path, capsys, httpserver):
    httpserver.expect_request("/api/v1/notifications").respond_with_json([])
    httpserver.expect_request("/api/v1/apps/verify_credentials").respond_with_json({"error": "what?"}, status=404)
    account = {"MASTODON_BASE_URL": httpserver.url_for("/"), "MASTODON_ACCESS_TOKEN": "token"}

    assert check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path), **account})


def test_without_its_address_the_redis_of_bot_and_workers_is_looked_at(tmp_path, capsys, monkeypatch):
    # `lnh check` called it sound, as `lnh play` has its own, and `lnh bot` found no Redis.
    def connect(url):
        raise NeedsOperator(f"{url}: no Redis answers")

    monkeypatch.setattr(check, "connect", connect)

    sound = check.installation({"LNH_DATA": str(tmp_path), "LNH_CONSOLE": "1", "PATH": os.environ["PATH"]})

    assert not sound
    assert "✗  redis             redis://localhost:6379/0: no Redis answers" in capsys.readouterr().out


def test_a_clock_that_is_wrong_is_not_sound(redis_url, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("worker.connection.time", SimpleNamespace(time=lambda: time.time() + 60))

    sound = check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path)})

    assert not sound
    assert "ahead of Redis'; set both right, by NTP" in capsys.readouterr().out


def test_each_network_is_asked_by_itself(redis_url, tmp_path, capsys, httpserver):
    httpserver.expect_request("/api/v1/notifications").respond_with_json({"error": "revoked"}, status=401)
    account = {"MASTODON_BASE_URL": httpserver.url_for("/"), "MASTODON_ACCESS_TOKEN": "revoked", "LNH_CONSOLE": "1"}

    check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path), **account})

    marks = {line.split()[1]: line[0] for line in capsys.readouterr().out.splitlines()}
    assert (marks["console"], marks["mastodon"]) == ("✓", "✗")


def test_every_finding_is_one_line(redis_url, tmp_path, capsys):
    check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path / ("long" * 50))})

    said = capsys.readouterr().out
    assert all(line[0] in "✓✗" for line in said.splitlines())


def test_a_ledger_that_cannot_be_made_is_not_sound(redis_url, tmp_path, capsys):
    (tmp_path / "file").touch()

    sound = check.installation(
        {"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path / "file" / "data"), "LNH_CONSOLE": "1"}
    )

    assert not sound
    assert "mend the rights or set LNH_DATA" in capsys.readouterr().out


def test_a_worker_that_can_write_to_its_store_alone_is_sound(redis_url, tmp_path, capsys):
    (tmp_path / "file").touch()
    places = {"LNH_DATA": str(tmp_path / "file" / "data"), "LNH_STORE": str(tmp_path / "tracks")}

    sound = check.installation({"REDIS_URL": redis_url, **places})

    said = capsys.readouterr().out
    assert sound
    assert "it cannot be made here; only `lnh bot` needs one" in said


def test_a_damaged_ledger_is_not_sound(redis_url, tmp_path, capsys):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.keep("mastodon", [make_mention(root_id=str(number)) for number in range(500)], "500")
    ledger.close()
    with (tmp_path / "ledger.sqlite").open("r+b") as file:
        file.seek(100_000)
        file.write(b"\xff" * 20_000)

    sound = check.installation({"REDIS_URL": redis_url, "LNH_DATA": str(tmp_path)})

    said = capsys.readouterr().out
    assert not sound
    assert "it is damaged" in said
    assert "`lnh ledger restore` a back-up" in said


@pytest.mark.parametrize("needed", [True, False])
def test_a_ledger_that_this_user_may_not_see_is_one_line(redis_url, tmp_path, capsys, monkeypatch, needed):
    # The bot's folder is for its user alone: `lnh check` by another was a traceback.
    data, exists = tmp_path / "data", Path.exists
    data.mkdir()

    def see(path):
        if path.parent == data:
            raise PermissionError(13, "Permission denied")
        return exists(path)

    monkeypatch.setattr(Path, "exists", see)
    monkeypatch.setattr(check.os, "access", lambda place, asks: Path(place) != data or asks == os.F_OK)
    places = {"LNH_DATA": str(data), "LNH_STORE": str(tmp_path / "tracks")}

    sound = check.installation({"REDIS_URL": redis_url, "LNH_CONSOLE": "1" if needed else "0", **places})

    assert sound != needed
    told = f"✗  ledger            {data}: this user cannot keep a ledger here" if needed else "only `lnh bot` needs one"
    assert told in capsys.readouterr().out
