"""A Redis elsewhere: with a password, and with TLS."""

import os
import socket
import subprocess
import time
from types import SimpleNamespace

import pytest
from certificates import make_certificate
from processes import started, wait_until
from stub_studio import make_request
from terminator import encrypted

from model.errors import NeedsOperator
from worker.connection import clock_offset, connect, shown
from worker.private_redis import server_path
from worker.queue import Queues, open_queue

PASSWORD = "open-sesame"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def guarded():
    """Port of a Redis with a password, without TLS."""
    port = free_port()
    command = [str(server_path(os.environ)), "--save", "", "--requirepass", PASSWORD, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if "ready to accept connections" in line.lower():
                    break
            else:
                pytest.fail("".join(said))
            yield port
        finally:
            process.kill()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Files of a certificate for localhost and of its key."""
    return make_certificate(tmp_path_factory.mktemp("redis"))


@pytest.fixture(scope="module")
def tls_port(guarded, certificate):
    """Port at which the same Redis is spoken to in TLS alone."""
    with encrypted(guarded, *certificate) as port:
        yield port


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


def test_a_song_is_asked_for_and_played_over_tls(tls_port, certificate, tmp_path):
    url = f"rediss://:{PASSWORD}@localhost:{tls_port}/0?ssl_ca_certs={certificate[0]}"
    with started("stub_studio.py", 0, REDIS_URL=url, LNH_STORE=tmp_path), connect(url) as redis:
        Queues(redis).ask(make_request("console-1"))

        wait_until(lambda: open_queue("deliver", redis).job_ids == ["deliver-console-1"])

    assert (tmp_path / "console-1.mp3").exists()


@pytest.mark.parametrize("known", ["nobody", "another"])
def test_a_certificate_that_nobody_we_know_signed_is_refused(tls_port, tmp_path, known):
    others, _ = make_certificate(tmp_path)
    said = refusal(f"rediss://:{PASSWORD}@localhost:{tls_port}/0" + f"?ssl_ca_certs={others}" * (known == "another"))

    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert said.endswith("in REDIS_URL: rediss://…?ssl_ca_certs=FILE")


def test_a_certificate_of_another_host_is_refused(tls_port, certificate):
    said = refusal(f"rediss://:{PASSWORD}@127.0.0.1:{tls_port}/0?ssl_ca_certs={certificate[0]}")

    assert "not valid for '127.0.0.1'" in said
    assert "call it as its certificate does" in said


def test_nothing_is_said_in_the_clear_to_a_redis_that_wants_tls(tls_port):
    assert "no Redis answers" in refusal(f"redis://:{PASSWORD}@localhost:{tls_port}/0")


@pytest.mark.parametrize("ahead", [30, 4, 0, -4, -30])
def test_how_far_a_clock_is_off_is_told(redis, monkeypatch, ahead):
    monkeypatch.setattr("worker.connection.time", SimpleNamespace(time=lambda: time.time() + ahead))

    assert clock_offset(redis) == pytest.approx(ahead, abs=1)


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
