"""Lists of the operator: whom the band does not answer, and which words it does not repeat."""

import pytest
from hypothesis import given
from safe_words import ANY_TEXT

from bot.blocks import Blocks, Lists, Words
from bot.manners import Manners
from bot.spelling import compiled, found_in
from model.errors import NeedsOperator

LISTED = ("badword", "ass", "kak*", "*foo", "heil you", "死ね", "1488", "🖕", "éclair", "idiot")
WORDS = [compiled(word) for word in LISTED]


def read_words(tmp_path, *lines):
    (tmp_path / "words.txt").write_text("\n".join(lines), encoding="utf-8")
    return Words.from_file(tmp_path / "words.txt")


@pytest.mark.parametrize(
    "text",
    [
        "badword", "BADWORD!", "my bádwörd.", "b4dw0rd", "B4DW0RD!!!", "b@dword", "baaaadwooord", "b a d w o r d",
        "b.a.d-w_o*r,d", "bad.word", "bаdwоrd", "bad\u200bwo\u00adrd", "ｂａｄｗｏｒｄ", "𝐛𝐚𝐝𝐰𝐨𝐫𝐝", "&#98;adword",
        "badword88", "a$$", "a.s.s", "id10t", "id!ot", "1d1ot", "kakao", "xfoo", "HEIL,\nyou", "h3il y0u", "お前死ねよ",
        "1488", "🖕🏽", "ECLAIR", "éclair",
    ],
)  # fmt: skip
def test_a_listed_word_is_found_however_it_is_spelled(text):
    assert found_in(text, WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "", "good word", "class", "assume", "as sure", "this has said", "455", "/t 455", "foox", "makak", "14880",
        "heil", "bad wording", "the goodword", "Dancing robots", "ba dword",
    ],
)  # fmt: skip
def test_what_only_looks_like_one_is_left_in_peace(text):
    assert not found_in(text, WORDS)


@given(ANY_TEXT)
def test_whatever_is_written_can_be_looked_through(text):
    assert found_in(text, WORDS) in (True, False)


@pytest.mark.parametrize("piece", ["a", "s", "a.", "a s ", "1", "!", "b.a.d.", "heil ", "🖕 ", "a\u0301", "b4", "k*"])
def test_a_post_of_25_000_characters_is_looked_through(piece):
    # A search that grows with the square of the length would take minutes, and run out of the test's time.
    assert found_in((piece * 25_000)[:25_000], WORDS) in (True, False)


def test_the_names_of_people_are_not_looked_through_as_they_are_never_repeated(tmp_path):
    words = read_words(tmp_path, "badword")

    assert not words.hold("@badword@example.social Robots /compose")
    assert words.hold("@someone badword /compose")


def test_a_list_may_have_remarks_and_empty_lines(tmp_path):
    words = read_words(tmp_path, "\ufeff# remark", "", "  badword  ", "#other")

    assert len(words.patterns) == 1


@pytest.mark.parametrize("line", ["*", "ba*d", "x" * 101, "* *"])
def test_a_line_that_is_no_word_is_named(tmp_path, line):
    with pytest.raises(NeedsOperator, match=r"words\.txt, line 2: .*\*|words\.txt, line 2: .*is no word"):
        read_words(tmp_path, "badword", line)


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "words.txt").write_bytes(b"\xff\xfe")

    for path in (tmp_path / "words.txt", tmp_path / "nothing.txt", tmp_path):
        with pytest.raises(NeedsOperator, match="cannot be read"):
            Words.from_file(path)


@pytest.mark.parametrize(
    ("handle", "blocked"),
    [
        ("someone@example.social", True), ("SomeOne@Example.Social", True), ("else@example.social", False),
        ("someone", False), ("local", True), ("local@example.social", False),
        ("anyone@bad.example", True), ("anyone@very.bad.example", True), ("anyone@notbad.example", False),
        ("bad.example@good.example", False), ("anyone@bücher.example", True), ("anyone@xn--bcher-kva.example", True),
    ],
)  # fmt: skip
def test_accounts_and_servers_are_blocked(tmp_path, handle, blocked):
    entries = ["@someone@example.social", "# remark", "@Local", "bad.example", "bücher.example"]
    (tmp_path / "blocked.txt").write_text("\n".join(entries), encoding="utf-8")

    assert Blocks.from_file(tmp_path / "blocked.txt").hold(handle) is blocked


@pytest.mark.parametrize("entry", ["someone", "https://bad.example", "@a@b@c", "@", "bad .example"])
def test_an_entry_that_blocks_nobody_is_named(tmp_path, entry):
    (tmp_path / "blocked.txt").write_text(f"good.example\n{entry}\n")

    with pytest.raises(NeedsOperator, match=r"blocked\.txt, line 2: .* is neither @someone@example\.social"):
        Blocks.from_file(tmp_path / "blocked.txt")


def test_manners_come_from_the_environment(tmp_path):
    (tmp_path / "words.txt").write_text("badword")
    numbers = {"LNH_SONGS_A_DAY": "3", "LNH_LONGEST_LINE": "", "LNH_LATE_HOURS": "0.5"}

    manners = Manners.from_environment({**numbers, "LNH_WORDS": f"{tmp_path}/words.txt"})

    assert (manners.songs_a_day, manners.longest_line, manners.late_seconds) == (3, Manners().longest_line, 1800)
    assert manners.lists.words.hold("badword")


def test_lists_are_read_again_both_or_neither(tmp_path):
    blocked, words = tmp_path / "blocked.txt", tmp_path / "words.txt"
    blocked.write_text("bad.example")
    words.write_text("badword")
    lists = Lists.from_files(blocked, words)

    blocked.write_text("worse.example")
    words.write_text("***")
    with pytest.raises(NeedsOperator, match=r"words\.txt, line 1"):
        lists.read_again()
    assert lists.blocks.hold("a@bad.example")

    words.write_text("worseword")
    lists.read_again()
    assert (lists.blocks.hold("a@bad.example"), lists.blocks.hold("a@worse.example")) == (False, True)
    assert (lists.words.hold("badword"), lists.words.hold("worseword")) == (False, True)


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf"])
@pytest.mark.parametrize("name", ["LNH_SONGS_A_DAY", "LNH_LONGEST_LINE", "LNH_LATE_HOURS", "LNH_LEFT_HOURS"])
def test_a_number_that_cannot_be_right_is_named(name, value):
    with pytest.raises(NeedsOperator, match=f"{name} is '{value}'; write a"):
        Manners.from_environment({name: value})
