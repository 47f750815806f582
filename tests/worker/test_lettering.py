import numpy as np
import pytest

from worker.lettering import set_title

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
    long = set_title("Dancing robots in the night", width=600, height=150, sizes=(100, 50), colour="#ffffff")

    assert short.height == 140
    assert long.height < 140
