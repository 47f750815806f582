import os

import pytest

from model.errors import NeedsOperator
from worker.settings import StudioSettings, read_environment


def test_the_address_of_redis_may_stand_in_a_file_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "redis").write_text("redis://:secret@redis.example:6379/0\n")
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "redis"))

    settings = StudioSettings.from_environment(read_environment(tmp_path / ".env"))

    assert settings.redis_url == "redis://:secret@redis.example:6379/0"


def test_a_file_beside_a_variable_is_one_too_many(tmp_path, monkeypatch):
    (tmp_path / "redis").write_text("redis://:secret@redis.example:6379/0")
    monkeypatch.setenv("REDIS_URL", "redis://:other-secret@localhost")
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "redis"))

    with pytest.raises(NeedsOperator, match="REDIS_URL and REDIS_URL_FILE are both set") as refusal:
        read_environment(tmp_path / ".env")

    assert "secret" not in str(refusal.value)


def test_the_credentials_of_the_store_may_stand_in_the_file_too(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the process")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / ".env").write_text("AWS_ACCESS_KEY_ID=band\nAWS_SECRET_ACCESS_KEY=secret\n")

    read_environment(tmp_path / ".env")

    assert (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]) == ("of the process", "secret")
