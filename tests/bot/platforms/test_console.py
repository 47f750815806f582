"""The console as a network."""

import io
import os
import time
from pathlib import Path

from bot.platforms.base import Page
from bot.platforms.console import ConsolePlatform


def read(platform: ConsolePlatform, bookmark: str) -> list[Page]:
    return list(platform.pages(bookmark))


def test_a_line_is_a_post_and_an_empty_line_is_none(tmp_path: Path):
    platform = ConsolePlatform(["@lnh_ai one /compose\n", "  \n", "@lnh_ai two /compose\n"], io.StringIO(), tmp_path)

    pages = read(platform, platform.newest_bookmark())

    assert [mention.text for page in pages for mention in page.mentions] == [
        "@lnh_ai one /compose",
        "@lnh_ai two /compose",
    ]
    assert [page.bookmark for page in pages] == ["1", "2"]


def test_an_answer_is_printed_with_the_files_of_its_track(tmp_path: Path):
    made, out = tmp_path / "made", io.StringIO()
    made.mkdir()
    for suffix in ("mp3", "mid", "png"):
        (made / f"console-1.{suffix}").write_bytes(b"x")
    platform = ConsolePlatform(["@lnh_ai Robots /compose"], out, tmp_path / "out")
    (page,) = read(platform, "0")

    media_id = platform.upload(made / "console-1.mp3", made / "console-1.png", "alt")
    platform.reply(page.mentions[0], "Enjoy! #LnHAI Robots – take 1", media_id)

    assert out.getvalue() == (
        f"→ @someone Enjoy! #LnHAI Robots – take 1\n  {tmp_path / 'out'}/ console-1.mid console-1.mp3 console-1.png\n"
    )
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "console-1.mid",
        "console-1.mp3",
        "console-1.png",
    ]


def test_a_console_started_again_uses_no_id_twice(tmp_path: Path):
    platform = ConsolePlatform(["@lnh_ai again /compose"], io.StringIO(), tmp_path)

    (page,) = read(platform, "7")

    assert page.mentions[0].key == "console-8"


def test_a_terminal_that_says_nothing_keeps_nobody_waiting(tmp_path: Path):
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stream, os.fdopen(writing, "w", encoding="utf-8") as terminal:
        platform = ConsolePlatform(stream, io.StringIO(), tmp_path)
        before = read(platform, "0")
        terminal.write("@lnh_ai Robots /compose\n")
        terminal.close()

        after = wait_for_page(platform)

    assert before == []
    assert after.mentions[0].text == "@lnh_ai Robots /compose"


def test_a_byte_that_is_no_text_does_not_cost_the_lines_behind_it(tmp_path: Path):
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stream, os.fdopen(writing, "wb") as terminal:
        platform = ConsolePlatform(stream, io.StringIO(), tmp_path)
        terminal.write(b"caf\xe9\n@lnh_ai Robots /compose\n")
        terminal.close()

        first = wait_for_page(platform)
        second = wait_for_page(platform, first.bookmark)

    assert (first.mentions[0].text, second.mentions[0].text) == ("caf\ufffd", "@lnh_ai Robots /compose")


def wait_for_page(platform: ConsolePlatform, bookmark: str = "0") -> Page:
    for _ in range(500):
        if pages := read(platform, bookmark):
            return pages[0]
        time.sleep(0.01)
    raise AssertionError("nothing was heard")
