"""A store in s3://, on a real server that speaks its protocol."""

import logging
import time

import pytest
import requests
from moto.server import ThreadedMotoServer
from test_store import TRACK, make_files

from worker.store import CannotReach, Store
from worker.track import MP3

SECRET = "open-sesame"


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def account(server, monkeypatch, tmp_path):
    """An empty server, whose address and credentials stand where boto looks for them."""
    ask(server, "reset")
    for name, value in {
        "AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "band", "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs = pytest.importorskip("s3fs").S3FileSystem
    monkeypatch.setattr(s3fs, "retries", 1)
    yield server
    s3fs.clear_instance_cache()


@pytest.fixture
def refusing(account):
    """The same, once it asks everybody who they are."""
    ask(account, "reset-auth", b"0")
    yield
    ask(account, "reset-auth", b"inf")


def ask(server, what, data=b""):
    requests.post(f"{server}/moto-api/{what}", data, headers={"Content-Type": "text/plain"}, timeout=10)


@pytest.mark.usefixtures("account")
def test_what_one_machine_put_another_fetches(tmp_path):
    Store("s3://band/tracks").put(make_files(tmp_path / "made"), TRACK)
    (tmp_path / "got").mkdir()

    path = Store("s3://band/tracks").fetch(TRACK, MP3, tmp_path / "got")

    assert path.read_text() == "music"
    assert [file.name for file in (tmp_path / "got").iterdir()] == ["console-1.mp3"]


@pytest.mark.usefixtures("account")
def test_a_track_put_twice_is_there_once_and_nothing_beside_it(tmp_path):
    store = Store("s3://band/tracks")
    store.put(make_files(tmp_path / "made", "first"), TRACK)

    store.put(make_files(tmp_path / "made", "second"), TRACK)

    assert store.fetch(TRACK, MP3, tmp_path).read_text() == "second"
    assert store._files.ls("band/tracks", refresh=True) == ["band/tracks/console-1.mid", "band/tracks/console-1.mp3"]


@pytest.mark.usefixtures("account")
def test_a_track_looked_for_too_early_is_found_later(tmp_path):
    store = Store("s3://band/tracks")
    with pytest.raises(FileNotFoundError):
        store.fetch(TRACK, MP3, tmp_path)

    Store("s3://band/tracks").put(make_files(tmp_path / "made"), TRACK)

    assert store.fetch(TRACK, MP3, tmp_path).read_text() == "music"


@pytest.mark.usefixtures("account")
def test_old_tracks_are_swept_but_those_that_are_still_wanted(tmp_path):
    store = Store("s3://band/tracks")
    store.put(make_files(tmp_path / "made"), TRACK)
    store._files.pipe_file("band/tracks/holiday.jpg", b"not ours")

    too_young = store.sweep(time.time() - 60, ())
    wanted = store.sweep(time.time() + 60, {"console-1"})
    swept = store.sweep(time.time() + 60, ())

    assert (too_young, wanted, swept) == (0, 0, len(TRACK.media_types))
    assert store._files.ls("band/tracks", refresh=True) == ["band/tracks/holiday.jpg"]


@pytest.mark.usefixtures("account")
def test_a_track_that_is_taken_down_is_gone(tmp_path):
    store = Store("s3://band/tracks")
    store.put(make_files(tmp_path / "made"), TRACK)

    store.remove(TRACK)

    with pytest.raises(FileNotFoundError):
        store.fetch(TRACK, MP3, tmp_path)


@pytest.mark.usefixtures("account")
def test_a_store_is_examined_and_left_as_it_was():
    store = Store("s3://band/tracks")

    assert store.examine() == "s3://band/tracks takes files and gives them back"

    assert store._files.find("band") == []


@pytest.mark.usefixtures("refusing")
def test_credentials_that_are_refused_are_the_operators_matter():
    with pytest.raises(CannotReach, match=r"^LNH_STORE s3://band/tracks: PermissionError: .*credentials") as error:
        Store("s3://band/tracks").examine()

    assert SECRET not in str(error.value)


def test_credentials_that_are_missing_are_the_operators_matter(account, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(CannotReach, match="Unable to locate credentials; mend its address"):
        Store("s3://band/tracks").examine()


def test_a_sessions_token_is_in_no_log(account, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-a-session")
    for name in ("botocore", "aiobotocore", "s3fs"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    caplog.set_level(logging.DEBUG)

    Store("s3://band/tracks").put(make_files(tmp_path / "made"), TRACK)

    assert "token-of-a-session" not in caplog.text


def test_a_server_that_is_away_is_waited_for_and_not_blamed_on_the_song(account, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = Store("s3://band/other-tracks")

    with pytest.raises(CannotReach, match="EndpointConnectionError"):
        store.put(make_files(tmp_path / "made"), TRACK)
    with pytest.raises(CannotReach, match="EndpointConnectionError"):
        store.fetch(TRACK, MP3, tmp_path)


def test_a_full_disk_here_is_not_blamed_on_the_store_there(account, monkeypatch, tmp_path):
    store = Store("s3://band/tracks")

    def fill_up(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store._files, "get_file", fill_up)

    with pytest.raises(Exception, match=f"^{tmp_path}: no space left on this disk"):
        store.fetch(TRACK, MP3, tmp_path)
