"""Networks on which people call the band."""

import importlib
from collections.abc import Mapping
from typing import cast

from bot.platforms.base import Platform
from model.errors import NeedsOperator
from worker.settings import named, with_secrets

# Name of the adapter's module: the variables that switch it on, in the order in which its `connect` takes them.
PLATFORMS: dict[str, tuple[str, ...]] = {
    "console": ("LNH_CONSOLE",),
    "mastodon": ("MASTODON_BASE_URL", "MASTODON_ACCESS_TOKEN"),
    "x": ("X_API_KEY", "X_API_SECRET", "X_ACCESS_TOKEN", "X_ACCESS_SECRET"),
}
OFF = ("", "0")


def connect(environment: Mapping[str, str]) -> list[Platform]:
    """Every platform whose variables are set, each by itself or as NAME_FILE; opens no connection yet.

    Raises:
        NeedsOperator: Some variables of a platform are set and others are not, or one cannot be right.
    """
    environment = with_secrets(environment, [name for names in PLATFORMS.values() for name in names])
    return [_adapter(name, environment) for name, names in PLATFORMS.items() if _switched_on(names, environment)]


def _switched_on(names: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    missing = [name for name in names if environment.get(name, "").strip() in OFF]
    if missing and len(missing) < len(names):
        there = ", ".join(named(name) for name in names if name not in missing)
        raise NeedsOperator(f"{there} is set but {', '.join(missing)} is not; set all of them, or none")
    return not missing


def _adapter(name: str, environment: Mapping[str, str]) -> Platform:
    """A client library is imported only when its platform is switched on."""
    values = [environment[variable].strip() for variable in PLATFORMS[name]]
    for variable, value in zip(PLATFORMS[name], values, strict=True):
        if not value.isascii() or not value.isprintable() or " " in value:
            raise NeedsOperator(f"{named(variable)} holds a space or a sign that cannot be in it; copy it once more")
    return cast(Platform, importlib.import_module(f"bot.platforms.{name}").connect(*values))
