"""What docker-compose.yml gives to the containers."""

import re
from pathlib import Path

import pytest
import yaml

from worker.settings import StudioSettings, with_secrets

COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yml"


def services(**variables):
    """The services as Compose reads them with these variables in `.env`."""
    text = COMPOSE.read_text()
    while (filled := re.sub(r"\$\{(\w+):-([^${}]*)\}", lambda one: variables.get(one[1]) or one[2], text)) != text:
        text = filled
    return yaml.safe_load(text)["services"]


def variables_of(service, **given):
    """Its environment; a variable without a value comes as it was given, or not at all."""
    told = {name: given.get(name) if value is None else value for name, value in service["environment"].items()}
    return {name: value for name, value in told.items() if value is not None}


@pytest.mark.parametrize("name", ["bot", "worker"])
@pytest.mark.parametrize("way", ["neither", "REDIS_URL", "REDIS_URL_FILE"])
def test_the_address_of_redis_comes_to_a_container_either_way(tmp_path, way, name):
    # Named by a file, it stood beside the one of the redis container, which is an error.
    file = tmp_path / "redis"
    file.write_text("rediss://:secret@redis.example:6379/0\n")
    given = {"REDIS_URL": {"REDIS_URL": file.read_text().strip()}, "REDIS_URL_FILE": {"REDIS_URL_FILE": str(file)}}
    variables = given.get(way, {})

    environment = with_secrets(variables_of(services(**variables)[name], **variables), ("REDIS_URL",))

    told = StudioSettings.from_environment(environment).redis_url
    assert told == ("redis://redis:6379/0" if way == "neither" else "rediss://:secret@redis.example:6379/0")


def test_the_log_of_no_container_grows_for_ever():
    logs = [service["logging"] for service in services().values()]

    assert all(set(log["options"]) == {"max-size", "max-file"} for log in logs)


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE", "AWS_ROLE_ARN"])
@pytest.mark.parametrize("service", ["bot", "worker"])
def test_whatever_credentials_the_stores_library_knows_reach_both(service, name):
    assert variables_of(services()[service], **{name: "given"})[name] == "given"
