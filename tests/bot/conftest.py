"""What the tests of the bot share: a network that needs no network, and a ledger."""

import pytest
from fake_network import FakeNetwork

from bot.ledger import Ledger


@pytest.fixture
def network(tmp_path):
    return FakeNetwork(tmp_path)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")
