"""The example of docs/adding-a-platform.md runs."""

import re
from pathlib import Path
from typing import Any

from bot.platforms.base import Platform
from model.request import KEY_PATTERN

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adding-a-platform.md"


def run_example() -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    return names


def test_the_adapter_of_the_page_has_every_name_of_the_port():
    guestbook = run_example()["connect"]("me")

    wanted = {name for name in {**vars(Platform), **Platform.__annotations__} if not name.startswith("_")}
    assert {name for name in wanted if not hasattr(guestbook, name)} == set()


def test_the_adapter_of_the_page_is_called_and_answers_once():
    guestbook = run_example()["connect"]("me")
    bookmark = guestbook.newest_bookmark()
    guestbook.calls.append("@lnh_ai Robots /compose")
    (page,) = guestbook.pages(bookmark)

    answers = [guestbook.reply(page.mentions[0], text, "guestbook-1.mp3") for text in ("Enjoy!", "Enjoy again!")]

    assert answers == ["@someone Enjoy! guestbook-1.mp3"] * 2
    assert KEY_PATTERN.fullmatch(page.mentions[0].key)
