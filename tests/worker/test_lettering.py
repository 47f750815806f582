import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.cover import TITLE_SIZES
from worker.lettering import DISPLAY, FONTS_FOLDER, fonts_of, set_line, set_title

TITLES = [
    "Dancing robots",
    "الروبوتات الراقصة",
    "踊るロボット",
    "नाचते हुए रोबोट",
    "👨‍👩‍👧‍👦" * 80,
    "W" * 80,
    "a" * 2000,
    "'; rm -rf / [v] \\ %{pts} :x=0",
    "𓀀 ᚠᚢᚦ \ufdfa e\u0301\u0302\u0303",
    "\u202egnicnad\x00\x1b[31m",
    "",
]


@pytest.mark.parametrize("title", TITLES)
def test_any_title_can_be_set_within_its_box(title):
    image = set_title(title, width=600, height=200, sizes=(100, 60, 40), colour="#ffffff")

    assert image.width <= 600 * 1.02
    assert image.height <= 200


def test_a_title_leaves_ink_and_control_characters_do_not():
    plain = set_title("Ox", width=600, height=200, sizes=(100,), colour="#ffffff")
    hidden = set_title("\u200b\u202eOx\x07", width=600, height=200, sizes=(100,), colour="#ffffff")

    assert np.asarray(plain)[..., 3].any()
    assert np.array_equal(np.asarray(plain), np.asarray(hidden))


def test_a_long_title_is_set_smaller_before_it_is_cut():
    short = set_title("Ox", width=600, height=150, sizes=(100, 50), colour="#ffffff")
    long = set_title("Dancing robots in a long night", width=600, height=150, sizes=(100, 50), colour="#ffffff")

    assert short.height == pytest.approx(70, abs=3)
    assert long.height < 50


def line(text: str) -> np.ndarray:
    return np.asarray(set_line(text, 60, "#ffffff"))[..., 3]


@pytest.mark.parametrize(
    ("joined", "apart"),
    [("سلام", "س ل ا م"), ("नमस्ते", "न म स ् त े"), ("น้ำ", "น ้ ำ")],
    ids=["Arabic", "Devanagari", "Thai"],
)
def test_letters_are_joined_and_marks_set_above_their_letters(joined, apart):
    assert line(joined).shape[1] < 0.8 * line(apart).shape[1]


def test_hebrew_is_set_from_right_to_left():
    title, first_letter = line("של"), line("ש")

    height, width = first_letter.shape
    ends = title[-height:, -width:], title[-height:, :width]
    right, left = (np.abs(end.astype(int) - first_letter).mean() for end in ends)
    assert right < left / 2
    assert line("של").shape == line("לש").shape
    assert not np.array_equal(line("של"), line("לש"))


@pytest.mark.parametrize("text", ["Зима", "Ωδή", "عربي", "עברית", "ไทย", "हिन्दी", "日本語", "简体字", "한국어", "♥"])
def test_the_fonts_of_this_house_have_the_letters_of_many_scripts(text):
    letters = regex.findall(r"\X", text)

    assert all(font is not None and font.parent == FONTS_FOLDER for font in fonts_of(letters, DISPLAY))


def test_no_word_is_split_while_a_smaller_size_has_room_for_it():
    whole = set_title("Schmetterlinge", width=300, height=200, sizes=(150, 48), colour="#ffffff")
    split = set_title("Schmetterlinge", width=300, height=200, sizes=(150,), colour="#ffffff")

    assert whole.height < 60
    assert split.height > 100


@pytest.mark.parametrize(
    ("text", "lowest", "highest"), [("Constantinople 東京", 48, 96), ("東京東京東京東京", 200, 300)]
)
def test_only_a_word_of_a_script_without_spaces_is_split_at_a_larger_size(text, lowest, highest):
    title = set_title(text, width=300, height=300, sizes=(100, 48), colour="#ffffff")

    assert lowest < title.height < highest


@given(st.lists(st.sampled_from("わいーっ！漢、เแกabW  אב1$سل🤖♥"), min_size=1, max_size=8), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_no_title_is_wider_than_its_box(pieces, times):
    text = "".join(piece * times for piece in pieces)

    title = set_title(text, width=504, height=180, sizes=(140, 104, 66), colour="#ffffff")

    assert title.width <= 504


@pytest.mark.parametrize("text", ["わ" + "ー" * 37, "すごい" + "！" * 40, "เ" * 40 + "ก"])
def test_a_sound_held_on_and_on_stays_on_the_page(text):
    title = set_title(text, width=504, height=180, sizes=(140, 104, 66), colour="#ffffff")

    assert title.width <= 504


def word(text: str) -> np.ndarray:
    return np.asarray(set_title(text, width=2000, height=400, sizes=(100,), colour="#ffffff"))[..., 3]


def inked_rows(picture: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(picture.any(axis=1))
    return picture[rows[0] : rows[-1] + 1]


@pytest.mark.parametrize("text", ["Spın̈k", "Замо́k", "s̶k", "ė́k", "1\u20e3k"])
def test_a_mark_that_the_display_font_lacks_hides_no_letter(text):
    title, last_letter = word(text), word("k")

    assert np.array_equal(inked_rows(title[:, -last_letter.shape[1] :]), inked_rows(last_letter))


@pytest.mark.parametrize("text", ["Tiếng Việt", "n̈", "Замо́к", "ə", "ǰ"])
def test_letters_that_the_display_font_lacks_are_capitals_as_its_own(text):
    assert np.array_equal(word(text), word(text.upper()))


def test_greek_keeps_its_small_letters():
    assert not np.array_equal(word("Ωδή"), word("ΩΔΉ"))


def test_eighty_emoji_fit_a_cover():
    title = set_title("🤖" * 80, width=1088, height=196, sizes=TITLE_SIZES, colour="#ffffff")

    assert title.width <= 1088
    assert 100 < title.height <= 196
