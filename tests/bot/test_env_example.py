"""`.env.example` lists what the code reads, no more and no less."""

import re
from pathlib import Path

from dotenv import dotenv_values

from bot.platforms import PLATFORMS, connect

HOUSE = Path(__file__).resolve().parents[2]
EXAMPLE = HOUSE / ".env.example"
VARIABLE = re.compile(r"""["']((?:LNH|REDIS|MASTODON|X)_[A-Z][A-Z_]*)["']""")


def names_in_code() -> set[str]:
    sources = [file for room in ("bot", "worker", "model") for file in (HOUSE / room).rglob("*.py")]
    return {name for file in sources for name in VARIABLE.findall(file.read_text(encoding="utf-8"))}


def names_in_example() -> set[str]:
    return set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_example_names_every_variable_that_the_code_reads():
    assert names_in_example() == names_in_code()


def test_every_variable_of_the_table_of_platforms_is_in_the_example():
    assert {name for names in PLATFORMS.values() for name in names} <= names_in_example()


def test_the_example_as_it_is_switches_nothing_on():
    given = {name: value or "" for name, value in dotenv_values(EXAMPLE).items()}

    assert connect(given) == []
