"""A Redis elsewhere: with a password, and with TLS where its server can do that."""

import os
import socket
import subprocess
from contextlib import contextmanager

import pytest
from certificates import make_certificate
from processes import started, wait_until
from stub_studio import make_request

from model.errors import NeedsOperator
from worker.connection import connect, shown
from worker.private_redis import server_path
from worker.queue import Queues, open_queue

PASSWORD = "open-sesame"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def server(*options):
    command = [str(server_path(os.environ)), "--save", "", "--requirepass", PASSWORD, *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if not any("ready to accept connections" in line.lower() for line in process.stdout):
                pytest.skip("this redis-server was built without TLS")
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def guarded():
    """Port of a Redis with a password, without TLS."""
    port = free_port()
    with server("--port", port):
        yield port


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    """Port of a Redis with a password that speaks TLS alone, and the file of its certificate."""
    port = free_port()
    certificate, key = make_certificate(tmp_path_factory.mktemp("redis"))
    tls = {"tls-port": port, "tls-cert-file": certificate, "tls-key-file": key, "tls-auth-clients": "no"}
    with server("--port", 0, *(word for name, value in tls.items() for word in (f"--{name}", value))):
        yield port, certificate


def refusal(url):
    with pytest.raises(NeedsOperator) as error:
        connect(url)
    assert PASSWORD not in str(error.value)
    assert "wrong" not in str(error.value)
    return str(error.value)


def test_no_redis_is_one_sentence_without_the_password():
    said = refusal(f"redis://someone:{PASSWORD}@127.0.0.1:1/0")

    assert said.startswith("redis://127.0.0.1:1/0: no Redis answers (")
    assert said.endswith("set REDIS_URL")


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_password_that_is_refused_is_said_to_be(guarded, password):
    said = refusal(f"redis://:{password}@localhost:{guarded}/0")

    assert said.startswith(f"redis://localhost:{guarded}/0: Redis refuses us (")
    assert said.endswith("mend the password in REDIS_URL")


def test_a_song_is_asked_for_and_played_over_tls(encrypted, tmp_path):
    port, certificate = encrypted
    url = f"rediss://:{PASSWORD}@localhost:{port}/0?ssl_ca_certs={certificate}"
    with started("stub_studio.py", 0, REDIS_URL=url, LNH_STORE=tmp_path), connect(url) as redis:
        Queues(redis).ask(make_request("console-1"))

        wait_until(lambda: open_queue("deliver", redis).job_ids == ["deliver-console-1"])

    assert (tmp_path / "console-1.mp3").exists()


def test_a_certificate_that_nobody_we_know_signed_is_refused(encrypted):
    said = refusal(f"rediss://:{PASSWORD}@localhost:{encrypted[0]}/0")

    assert "self-signed certificate" in said
    assert said.endswith("in REDIS_URL: rediss://…?ssl_ca_certs=FILE")


def test_a_certificate_of_another_host_is_refused(encrypted):
    port, certificate = encrypted

    said = refusal(f"rediss://:{PASSWORD}@127.0.0.1:{port}/0?ssl_ca_certs={certificate}")

    assert "not valid for '127.0.0.1'" in said
    assert "call it as its certificate does" in said


def test_nothing_is_said_in_the_clear_to_a_redis_that_wants_tls(encrypted):
    assert "no Redis answers" in refusal(f"redis://:{PASSWORD}@localhost:{encrypted[0]}/0")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        f"redis://:{PASSWORD}/wrong@localhost:6379/0",
        f"redis://:wrong#{PASSWORD}@localhost:6379/0",
        f"redis://:{PASSWORD}@localhost:6379/0?no_such_option=1",
    ],
)
def test_what_is_no_address_says_how_one_is_written(url):
    assert refusal(url).endswith(
        "write redis://HOST:6379/0, or rediss://:PASSWORD@HOST:6379/0 with password and TLS (in a password, %2F for /)"
    )


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("unix:///tmp/redis.sock", "unix:///tmp/redis.sock"),
        ("data/tracks", "data/tracks"),
        ("redis://:secret@host:6379/0", "redis://host:6379/0"),
        ("rediss://me:sec@ret@host:6379/0?ssl_ca_certs=ca.pem", "rediss://host:6379/0"),
        ("redis://:sec/r#et@host/0", "redis://host/0"),
        ("redis://:sec?ret@host/0", "redis://…"),
        ("redis://host/0?password=secret", "redis://host/0"),
        ("redis://host/0?password=sec@ret", "redis://…"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, seen):
    assert shown(url) == seen
