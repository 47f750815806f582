import pytest

from worker.bidi import in_order_of_sight, levels, opens_right_to_left


def seen(text: str, *, right_to_left: bool) -> str:
    """Capitals stand for Hebrew letters, as in the Unicode report; a run to the left is turned round."""
    hebrew = {chr(ord("A") + place): chr(0x5D0 + place) for place in range(26)}
    back = {letter: capital for capital, letter in hebrew.items()}
    letters = [hebrew.get(letter, letter) for letter in text]
    runs = list(zip(levels(letters, right_to_left=right_to_left), letters, strict=True))
    return "".join(back.get(letter, letter) for _, letter in in_order_of_sight(runs))


@pytest.mark.parametrize(
    ("written", "right_to_left", "read"),
    [
        ("car MEANS CAR.", False, "car RAC SNAEM."),
        ("car MEANS CAR.", True, ".RAC SNAEM car"),
        ("ROBOTS DANCE at night", True, "at night ECNAD STOBOR"),
        ("DANCE 2026", True, "2026 ECNAD"),
        ("DANCE 1,000", True, "1,000 ECNAD"),
        ("hello DANCE 12 now", False, "hello 12 ECNAD now"),
        ("DANCE $100", True, "$100 ECNAD"),
        ("€50 DANCE", True, "ECNAD €50"),
        ("DANCE ₪30 OR 5%", True, "5% RO ₪30 ECNAD"),
        ("DANCE $ NOW", True, "WON $ ECNAD"),
        ("hello DANCE $12 now", False, "hello $12 ECNAD now"),
        ("plain words 12", False, "plain words 12"),
    ],
)
def test_a_line_of_two_directions_is_seen_as_unicode_says(written, right_to_left, read):
    assert seen(written, right_to_left=right_to_left) == read


@pytest.mark.parametrize(
    ("text", "expected"), [("«ש» hello", True), ("hello ש", False), ("12 🤖 سلام", True), ("", False)]
)
def test_a_text_runs_as_its_first_letter_does(text, expected):
    assert opens_right_to_left(text) is expected
