"""The table of platforms: each is switched on by its variables."""

import importlib
from pathlib import Path

import pytest

from bot.platforms import PLATFORMS, connect
from model.errors import NeedsOperator

MASTODON = {"MASTODON_BASE_URL": "https://home.example", "MASTODON_ACCESS_TOKEN": "secret-token"}
X = {"X_API_KEY": "a", "X_API_SECRET": "b", "X_ACCESS_TOKEN": "1-c", "X_ACCESS_SECRET": "d"}


def test_nothing_set_switches_nothing_on():
    assert connect({"PATH": "/usr/bin", "LNH_CONSOLE": "0", "MASTODON_ACCESS_TOKEN": " "}) == []


def test_each_platform_is_switched_on_by_its_variables():
    platforms = connect({**MASTODON, **X, "LNH_CONSOLE": "1"})

    assert [platform.name for platform in platforms] == list(PLATFORMS)


@pytest.mark.parametrize("missing", [*MASTODON, *X])
def test_a_missing_variable_is_named(missing: str):
    half = {name: value for name, value in {**MASTODON, **X}.items() if name != missing}

    with pytest.raises(NeedsOperator, match=f"but {missing} is not"):
        connect(half)


@pytest.mark.parametrize("value", ["secret token", "secret\ntoken", "sécret-token", "secret-token\x00"])
def test_a_token_that_cannot_be_one_is_refused_unseen(value: str):
    with pytest.raises(NeedsOperator, match="MASTODON_ACCESS_TOKEN") as refusal:
        connect({**MASTODON, "MASTODON_ACCESS_TOKEN": value})

    assert "token" not in str(refusal.value).replace("MASTODON_ACCESS_TOKEN", "")


@pytest.mark.parametrize(
    "address", ["ftp://home.example", "https://", "https://home.example/@lnh", "https://a@b.example"]
)
def test_an_address_that_is_none_is_refused(address: str):
    with pytest.raises(NeedsOperator, match=r"https://mastodon\.example"):
        connect({**MASTODON, "MASTODON_BASE_URL": address})


def test_an_address_to_which_the_token_would_go_in_clear_is_refused():
    with pytest.raises(NeedsOperator, match=r"^MASTODON_BASE_URL is 'http://home\.example'; write https://"):
        connect({**MASTODON, "MASTODON_BASE_URL": "http://home.example"})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:3000", "127.0.0.1:3000", "[::1]:3000"])
def test_a_server_on_this_machine_needs_no_certificate(host: str):
    (platform,) = connect({**MASTODON, "MASTODON_BASE_URL": f"http://{host}"})

    assert platform.name == "mastodon"


@pytest.mark.parametrize("value", ["false", "no", "off", "true", "yes", "01"])
def test_a_console_is_switched_on_by_1_alone(value: str):
    with pytest.raises(NeedsOperator, match=f"^LNH_CONSOLE is '{value}'; write 1, or 0"):
        connect({"LNH_CONSOLE": value})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"MASTODON_ACCESS_TOKEN": ""}, "MASTODON_BASE_URL is set but MASTODON_ACCESS_TOKEN is not"),
        ({"MASTODON_BASE_URL": "ftp://home.example"}, "MASTODON_BASE_URL is 'ftp://home.example'; write"),
        ({"MASTODON_BASE_URL": "home example"}, "MASTODON_BASE_URL holds a space"),
    ],
)
def test_a_variable_is_named_with_the_file_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], told: str
):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NeedsOperator, match=f"^{told}"):
        connect({**MASTODON, **wrong})
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in {**MASTODON, **wrong}.items()))

    with pytest.raises(NeedsOperator, match=f"^.env: {told}"):
        connect({**MASTODON, **wrong})


def test_space_around_a_value_is_forgiven():
    (platform,) = connect({"MASTODON_BASE_URL": " home.example/ ", "MASTODON_ACCESS_TOKEN": "secret-token\n"})

    assert platform.name == "mastodon"


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_of_the_table_has_an_adapter_of_its_name(name: str):
    module = importlib.import_module(f"bot.platforms.{name}")

    assert module.connect.__code__.co_argcount >= len(PLATFORMS[name])


def test_a_token_may_stand_in_a_file_of_its_own(tmp_path: Path):
    (tmp_path / "token").write_text("secret-token\n")

    (platform,) = connect(
        {"MASTODON_BASE_URL": "home.example", "MASTODON_ACCESS_TOKEN_FILE": str(tmp_path / "token")}
    )

    assert platform._api.access_token == "secret-token"


@pytest.mark.parametrize(
    ("content", "also", "told"),
    [
        (None, "", "cannot be read: No such file"),
        (b"", "", "is empty"),
        (b"secret" * 1000, "", "too long"),
        (b"secret\xff", "", "cannot be read: no text"),
        (b"secret", "another-secret", "both set"),
    ],
)
def test_a_file_of_a_secret_that_cannot_be_right_is_one_line_without_it(
    tmp_path: Path, content: bytes | None, also: str, told: str
):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    files = {"MASTODON_ACCESS_TOKEN_FILE": str(tmp_path / "token"), "MASTODON_ACCESS_TOKEN": also}

    with pytest.raises(NeedsOperator, match=told) as refusal:
        connect({"MASTODON_BASE_URL": "home.example", **files})

    assert "MASTODON_ACCESS_TOKEN_FILE" in str(refusal.value)
    assert "secret" not in str(refusal.value).replace(str(tmp_path), "").replace("a secret", "")
    assert "\n" not in str(refusal.value)
