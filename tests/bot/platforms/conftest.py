"""The networks that the tests play, and the recorded traffic where it is at hand."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from fake_x import FakeX
from pytest_httpserver import HTTPServer
from worlds import ConsoleWorld, MastodonWorld, NetworkWorld, World, XWorld
from x_description import Description

# Kept beside the project, as its files are not ours to pass on; the tests that need them are skipped without.
RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "recorded"


@cache
def description() -> Description | None:
    path = RECORDED / "x" / "openapi.json"
    return Description(path) if path.exists() else None


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded traffic at {RECORDED}")
    return RECORDED


@pytest.fixture
def mastodon_world(httpserver: HTTPServer) -> Iterator[MastodonWorld]:
    yield MastodonWorld(httpserver)
    httpserver.check()


@pytest.fixture
def x_world(httpserver: HTTPServer) -> Iterator[XWorld]:
    yield from _x_world(httpserver, renamed=True)


@pytest.fixture
def older_x_world(httpserver: HTTPServer) -> Iterator[XWorld]:
    yield from _x_world(httpserver, renamed=False)


@pytest.fixture(params=["mastodon_world", "x_world", "older_x_world"])
def network(request: pytest.FixtureRequest) -> NetworkWorld:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["console", "mastodon_world", "x_world", "older_x_world"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return ConsoleWorld(tmp_path / "out") if request.param == "console" else request.getfixturevalue(request.param)


def _x_world(httpserver: HTTPServer, *, renamed: bool) -> Iterator[XWorld]:
    world = XWorld(httpserver, FakeX(description(), renamed=renamed))
    yield world
    httpserver.check()
    assert world.fake.faults == []
