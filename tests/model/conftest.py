"""What the tests of the composer share: one thread, since a small network gains nothing from more."""

from collections.abc import Iterator

import pytest
import torch

from model.genre import Genre, load_genres


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def genre() -> Genre:
    return load_genres()["heavy-metal"]
