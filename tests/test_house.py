"""What the papers on the wall say is so."""

import re
import shlex
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from click import Context
from click.testing import CliRunner
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bot.__main__ import COMMANDS, lnh
from model.genre import load_genre
from model.tokens import CORPORA

HOUSE = Path(__file__).resolve().parent.parent
PAPERS = sorted([*HOUSE.glob("*.md"), *HOUSE.glob("docs/*.md"), *HOUSE.glob("weights/*.md")])


def targets_of_make() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (HOUSE / "Makefile").read_text(), re.MULTILINE))


def test_the_readme_has_the_commands_that_lnh_has():
    told = re.findall(r"^\| `lnh (\w+)", (HOUSE / "README.md").read_text(), re.MULTILINE)

    shown = CliRunner().invoke(lnh, ["--help"]).output.partition("Commands:")[2]

    assert told == re.findall(r"^  (\w+)", shown, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str):
    said = CliRunner().invoke(lnh, [command, "--help"])

    assert said.exit_code == 0, said.output
    assert f"Usage: lnh {command}" in said.output


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(paper: Path):
    links = re.findall(r"\]\(([^)\s]+)\)", paper.read_text())

    nowhere = [link for link in links if "://" not in link and not (paper.parent / link.partition("#")[0]).exists()]

    assert not nowhere


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_every_make_target_that_is_told_of_exists(paper: Path):
    told = set(re.findall(r"(?:`|^ +)make ([a-z-]+)", paper.read_text(), re.MULTILINE))

    assert told <= targets_of_make()


def test_the_example_of_a_genre_can_be_read(tmp_path: Path):
    example = re.search(r"```toml\n(.*?)```", (HOUSE / "docs/adding-a-genre.md").read_text(), re.DOTALL)
    assert example
    path = tmp_path / "polka.toml"
    path.write_text(example[1])

    polka = load_genre(path)

    assert polka.player("bass").name == "tuba"
    assert set(polka.archives) <= set(CORPORA)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_every_lnh_command_that_is_told_of_is_understood(paper: Path):
    lines = re.findall(r"^    (?:\.venv/bin/)?lnh (.*?)(?: +#.*)?$", paper.read_text(), re.MULTILINE)

    for name, *arguments in map(shlex.split, lines):
        command = lnh.get_command(Context(lnh), name)
        assert command, name
        words = command.make_parser(Context(command)).parse_args(args=arguments)
        corpora = words[0].get("corpora") or ""
        assert {corpus.partition("=")[0] for corpus in corpora.split(",") if corpus} <= set(CORPORA)


def test_every_package_is_pinned_with_those_that_it_brings():
    lines = (HOUSE / "constraints.txt").read_text().splitlines()
    constraints = [Requirement(line) for line in lines if line and line[0] != "#"]
    pinned = {canonicalize_name(each.name): str(each.specifier) for each in constraints}

    asked = asked_for()
    installed = brought_by(asked)

    assert all(str(each.specifier) == pinned[canonicalize_name(each.name)] for each in asked)
    assert sorted(installed - pinned.keys()) == []


def test_every_package_runs_on_the_python_of_debian_12():
    # A package that wanted 3.11.5 was found on every machine but a fresh Debian 12.
    packages = [distribution(name) for name in brought_by(asked_for())]

    too_new = [each.name for each in packages if "3.11.2" not in SpecifierSet(each.metadata["Requires-Python"] or "")]

    assert too_new == []


def asked_for() -> list[Requirement]:
    """What pyproject.toml names."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in sum(project["optional-dependencies"].values(), project["dependencies"])]


def brought_by(asked: list[Requirement]) -> set[str]:
    """Names of the installed packages that these need, with theirs."""
    seen: set[tuple[str, ...]] = set()
    rest = [(each, "") for each in asked]
    while rest:
        requirement, extra = rest.pop()
        name, extras = canonicalize_name(requirement.name), sorted(requirement.extras)
        if requirement.marker and not requirement.marker.evaluate({**default_environment(), "extra": extra}):
            continue
        if (name, *extras) in seen:
            continue
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        seen.add((name, *extras))
        rest += [(Requirement(need), each) for need in needs for each in extras or [""]]
    return {name for name, *_ in seen}
