"""A post is read as a kind person would read it."""

import dataclasses
import json
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safe_words import PIECES, assert_safe

from bot.parse import Again, Compose, Delete, Help, NotUnderstood, Start, Stop, parse
from model.genre import Genre, load_genres

HEAVY_METAL = load_genres()["heavy-metal"]
SLOWEST, FASTEST = HEAVY_METAL.tempo.slowest_bpm, HEAVY_METAL.tempo.fastest_bpm


def make_genre(name: str, title: str, *aliases: str) -> Genre:
    return dataclasses.replace(HEAVY_METAL, name=name, title=title, aliases=aliases)


GENRES = {
    genre.name: genre
    for genre in (
        make_genre("heavy-metal", "Heavy metal", "metal", "heavy", "hm"),
        make_genre("jazz", "Jazz", "swing", "bop"),
        make_genre("rock", "Rock", "punk"),
        make_genre("bossa-nova", "Bossa nova", "bossa"),
        make_genre("drum-and-bass", "Drum and bass", "dnb"),
    )
}


def read(text: str) -> Compose:
    command = parse(text, GENRES, "heavy-metal")
    assert isinstance(command, Compose)
    return command


def refusal(text: str) -> str:
    with pytest.raises(NotUnderstood) as refused:
        parse(text, GENRES, "heavy-metal")
    return str(refused.value)


def test_the_post_that_everybody_knows():
    asked = read("@lnh_ai Dancing robots /compose /g heavy-metal /t 160 /r 0.2")

    assert asked == Compose(title="Dancing robots", genre="heavy-metal", tempo_bpm=160, randomness=0.2, remarks=())


def test_what_is_not_said_comes_from_the_genre_and_the_default_genre():
    asked = parse("Dancing robots /compose", GENRES, "jazz")

    assert asked == Compose(
        title="Dancing robots",
        genre="jazz",
        tempo_bpm=GENRES["jazz"].tempo.default_bpm,
        randomness=GENRES["jazz"].randomness,
        remarks=(),
    )


@pytest.mark.parametrize(
    "text",
    [
        "Robots /COMPOSE /G Jazz /T 160 /R 0.2",
        "Robots ／ｃｏｍｐｏｓｅ ／g jazz ∕t 160 ⁄r 0.2",
        "Robots /com\u200bp\u2060ose /\u200dg ja\ufeffzz /t 1\u200b60 /r 0.2",
        "Robots\n/compose\r\n/g\njazz\n/t\n160\n\n/r\t0.2\n",
        "Robots &#47;compose &sol;g jazz /t&nbsp;160 /r&#x20;0.2",
        "Robots /compose /genre jazz /tempo 160 /randomness 0.2",
        "Robots /compose /genre=jazz /tempo:160 /randomness = 0.2",
        "Robots /compose /g：jazz /t＝160 /r: 0.2",
        "Robots /compose, /g jazz, /t 160; /r 0.2.",
        "Robots /compose! (/g jazz) [/t 160] [/r 0.2]",
        "Robots /compose /g “jazz” /t '160' /r \"0.2\"",
        '"Robots" /compose /g "jazz", /t "160", /r "0.2"!',
        '"Robots /compose /g jazz /t 160 /r 0.2"',
        "Robots /compose /g jazz /t 160bpm /r 0,2",
        "Robots /compose /g jazz /t 160 BPM /r 20%",
        "Robots /compose /g jazz /t １６０ /r ０．２",
        "Robots /compose /g jazz /t ١٦٠ /r ٠٫٢",
        "Robots /compose /g jazz /t १६० /r 20 %",
        "Robots /compose /g jazz /t 𝟏𝟔𝟎 /r ⁰.²",
        "Robots /compose /g jazz /t ①⑥⓪ /r .2",
        "Robots /compose /g jazz /t 1️⃣6️⃣0️⃣ /r +0.20",
        "Robots /compose /g jazz please /t 160 or so /r 0.2 thanks a lot, love you",
        "Robots /compose /g jazz /t160 /r0.2",
        "Robots /compose/g jazz/t 160/r 0.2",
        "Robots /compose /t160/r.2/gjazz",
        "Robots /compose/r0.2/t160bpm/g jazz",
        "Robots /compose /g jazzでお願いします /t 160で /r 0。2",
        "Robots /composeお願いします/t 160拍/r 0.2くらい/g jazzで。",
        "Robots /compose /g jazz으로 /t 160으로 /r 0.2로",
        "/g jazz /t 160 Robots /r 0.2 /compose",
        "/r 0.2 @lnh_ai Robots /compose /g jazz @lnh_ai /t 160",
        "Robots /compose /compose /g jazz /t 160 /r 0.2",
        "Robots /compose @bob@far.example /g jazz #fun /t 160 https://rock.fm/compose /r 0.2",
    ],
)
def test_however_it_is_spelled_it_is_the_same_song(text):
    asked = read(text)

    assert asked == Compose(title="Robots", genre="jazz", tempo_bpm=160, randomness=0.2, remarks=())


@pytest.mark.parametrize(
    ("written", "genre"),
    [
        ("heavy-metal", "heavy-metal"),
        ("Heavy Metal", "heavy-metal"),
        ("heavymetal", "heavy-metal"),
        ("heavy_metal", "heavy-metal"),
        ("#HeavyMetal", "heavy-metal"),
        ("“heavy metal” for my mum", "heavy-metal"),
        ("Drum and Bass", "drum-and-bass"),
        ("bossanova tonight", "bossa-nova"),
    ],
)
def test_a_genre_by_its_own_name_needs_no_remark(written, genre):
    asked = read(f"Robots /compose /g {written} /t 160")

    assert (asked.genre, asked.tempo_bpm, asked.remarks) == (genre, 160, ())


@pytest.mark.parametrize(
    ("written", "genre", "quoted"),
    [
        ("metal", "heavy-metal", "“metal”"),
        ("swing please", "jazz", "“swing”"),
        ("hevy metal", "heavy-metal", "“hevy metal”"),
        ("heavymetl", "heavy-metal", "“heavymetl”"),
        ("heavy mtal", "heavy-metal", "“heavy mtal”"),
        ("jaz", "jazz", "“jaz”"),
        ("jazzz", "jazz", "“jazzz”"),
        ("bosa nova", "bossa-nova", "“bosa nova”"),
    ],
)
def test_an_alias_or_a_misspelling_is_understood_with_a_remark(written, genre, quoted):
    asked = read(f"Robots /compose /g {written}")

    assert asked.genre == genre
    assert [quoted in remark and genre in remark for remark in asked.remarks] == [True]


@pytest.mark.parametrize(
    ("flags", "tempo_bpm", "randomness", "said"),
    [
        ("/t -5", SLOWEST, None, "no slower"),
        ("/t −5", SLOWEST, None, "no slower"),
        ("/t 0", SLOWEST, None, "no slower"),
        ("/t 10000", FASTEST, None, "no faster"),
        ("/t " + "9" * 5000, FASTEST, None, "no faster"),
        ("/r 2", None, 1.0, "r 1"),
        ("/r 200%", None, 1.0, "r 1"),
        ("/r -0.5", None, 0.0, "r 0"),
    ],
)
def test_a_number_out_of_range_is_played_at_the_nearest_limit_with_a_remark(flags, tempo_bpm, randomness, said):
    asked = read(f"Robots /compose {flags}")

    assert tempo_bpm in (None, asked.tempo_bpm)
    assert randomness in (None, asked.randomness)
    assert len(asked.remarks) == 1
    assert said in asked.remarks[0]


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("/g heavy-metal My dream /compose", "My dream"),
        ("/g heavymetal A dream /compose", "A dream"),
        ("/g bossa nova a dream /compose", "a dream"),
        ("/g jazz in my dreams /compose", "in my dreams"),
        ("/g hevy metal of dreams /compose", "of dreams"),
    ],
)
def test_a_genre_takes_no_word_that_it_does_not_need(written, title):
    # "heavy-metal a bit slower" was read as "heavy-metal a", misspelt.
    assert read(written).title == title


@pytest.mark.parametrize(
    ("written", "genre", "quoted"),
    [
        ("ジャズでお願いします", "jazz", "“ジャズ”"), ("「メタル」で", "heavy-metal", "“メタル”"),
        ("ヘヴィ・メタル", "heavy-metal", "“ヘヴィ・メタル”"), ("ゲーム音楽で", "video-game", "“ゲーム音楽”"),
        ("재즈로 부탁해요", "jazz", "“재즈”"), ("록", "rock", "“록”"), ("爵士乐谢谢", "jazz", "“爵士乐”"),
        ("хеви метал", "heavy-metal", "“хеви метал”"), ("Метал", "heavy-metal", "“метал”"),
        ("регги", "reggae", "“регги”"),
        ("musica clasica", "baroque", "“musica clasica”"), ("jeux vidéo", "video-game", "“jeux vidéo”"),
        ("Klassik bitte", "baroque", "“klassik”"), ("black metal", "heavy-metal", "“black metal”"),
        ("smooth jazz", "jazz", "“smooth jazz”"), ("Bach", "baroque", "“bach”"), ("dub", "reggae", "“dub”"),
    ],
)  # fmt: skip
def test_a_genre_is_known_by_what_people_call_it(written, genre, quoted):
    asked = parse(f"Robots /compose /g {written}", load_genres(), "folk")

    assert isinstance(asked, Compose)
    assert (asked.genre, asked.remarks) == (genre, (f"We took {quoted} for {genre}.",))


def test_a_genre_by_its_own_name_is_not_quoted_with_the_next_word():
    assert read("Robots /compose /g heavy-metal a bit slower").remarks == ()


def test_the_limits_themselves_need_no_remark():
    asked = read(f"Robots /compose /t {FASTEST:g} /r 1")

    assert (asked.tempo_bpm, asked.randomness, asked.remarks) == (FASTEST, 1, ())


def test_of_a_repeated_flag_the_last_wins_with_a_remark():
    asked = read("/t 100 Robots /compose /t fast /tempo 150 /r 0.1")

    assert asked.tempo_bpm == 150
    assert [("/t" in remark and "last" in remark) for remark in asked.remarks] == [True]


def test_unknown_flags_are_left_out_with_one_remark():
    asked = read("Robots /compose /key E minor /g jazz /x /composer /y /z 5 /t 160 /x")

    assert (asked.genre, asked.tempo_bpm) == ("jazz", 160)
    assert len(asked.remarks) == 1
    assert "/key, /x, composer and 2 more" in asked.remarks[0]


@pytest.mark.parametrize(
    "text", ["AC/DC /s w/o you /r/metal and/or /compose", "AC/DC /s w/o you /r/metal and/or/compose"]
)
def test_other_slashes_before_the_command_are_part_of_the_title(text):
    command = parse(text, GENRES, "jazz")

    assert command is None or (command.title, command.remarks) == ("AC/DC /s w/o you /r/metal and/or", ())


def test_of_two_songs_in_a_post_the_first_is_played_with_its_own_flags():
    # "Robots" was played as jazz, which was asked of "Pigeons".
    asked = read("Robots /compose /t 160\nPigeons /compose /g jazz /x Wolves /compose")

    assert (asked.title, asked.genre, asked.tempo_bpm) == ("Robots", "heavy-metal", 160)
    assert asked.remarks == ("One song a post: this is the first.",)


def test_a_second_command_without_words_of_its_own_is_no_other_song():
    asked = read("Robots /compose /t 160 /compose @bob /compose! /g jazz")

    assert (asked.genre, asked.tempo_bpm, asked.remarks) == ("jazz", 160, ())


@pytest.mark.parametrize(
    "words",
    [
        "rock 120", "rock", "heavy metal please", "metal 140", "120", "120 bpm please", "0.2", "-g rock -t 120",
        "--genre rock", "—tempo 120", "genre=rock tempo=120", "t: 120 thanks", "jazzでお願い", "rock /t 120",
    ],
)  # fmt: skip
def test_settings_without_their_flags_are_answered(words):
    assert "We read settings after /g, /t and /r only." in read(f"Robots /compose {words}").remarks


@pytest.mark.parametrize(
    "words",
    [
        "please", "thanks!", "heavy stuff", "swing low", "4 me", "- thank you", "to all", "- good night", "jazzy one",
        "genre", "rockets", "t", "/g rock 120", "お願いします",
    ],
)  # fmt: skip
def test_small_talk_after_the_command_needs_no_remark(words):
    assert read(f"Robots /compose {words}").remarks == ()


def test_a_chain_of_flags_in_an_address_is_none():
    asked = read("AC/DC 24/guitars on x.example/t160/gjazz and 1/r2/t2 /compose")

    assert asked.title == "AC/DC 24/guitars on x·example/t160/gjazz and 1/r2/t2"


def test_words_after_the_command_of_an_untitled_post_are_no_title_but_are_answered():
    asked = read("@lnh_ai /compose Dancing robots /t 160")

    assert (asked.title, asked.tempo_bpm) == ("", 160)
    assert ["title goes before" in remark for remark in asked.remarks] == [True]


@pytest.mark.parametrize(
    "text", ["/compose", "@lnh_ai /compose", "@a@b.example\n/compose :", "\u200b\u3164/compose", "(/compose)"]
)
def test_a_post_may_be_untitled(text):
    assert (read(text).title, read(text).remarks) == ("", ())


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("踊るロボット/compose", "踊るロボット"),
        ("踊るダンサー/composeお願いします", "踊るダンサー"),
        ("🤖💃/compose", "🤖💃"),
        ("רובוטים רוקדים /compose /t 160", "רובוטים רוקדים"),
        ("Dancing robots,/compose", "Dancing robots"),
        ("<p>Robots</p> /compose", "<p>Robots</p>"),
        ("../../etc/passwd /compose", "../../etc/passwd"),
        ("Robots\x00\x1b[31m /compose", "Robots[31m"),
        ("Robots of @bob and $TSLA on rock.fm /compose", "Robots of bob and 💲TSLA on rock·fm"),
        ("/t 150 hevy robots /g hevy metal of doom /compose", "hevy robots of doom"),
    ],
)
def test_the_title_is_what_stands_before_the_command(text, title):
    assert read(text).title == title


@pytest.mark.parametrize(
    "value",
    [
        "fast",
        "nan",
        "inf",
        "-inf",
        "0x50",
        "1e9",
        "1_60",
        "160-170",
        "1.2.3",
        "160%",
        "½",
        "12:30",
        "",
        "/r 0.2",
        "@bob",
    ],
)
def test_a_tempo_that_is_no_plain_number_is_kindly_refused(value):
    message = refusal(f"Robots /compose /t {value}")

    assert message.startswith("Sorry, /t ")
    assert "nothing after it" in message or f"“{value}”" in message
    assert f"{SLOWEST:g} to {FASTEST:g} bpm" in message


@pytest.mark.parametrize("value", ["wild", "NaN", "infinity", "0x1", "1e-1", "0_2", "1/2", ""])
def test_a_randomness_that_is_no_plain_number_is_kindly_refused(value):
    message = refusal(f"Robots /compose /r {value}")

    assert message.startswith("Sorry, /r ")
    assert "from 0" in message
    assert "to 1" in message


@pytest.mark.parametrize(
    ("value", "nearest"), [("jass band", "jazz"), ("bosnia", "bossa-nova"), ("drumming", "drum-and-bass")]
)
def test_a_genre_that_cannot_be_guessed_is_refused_with_the_nearest_first(value, nearest):
    message = refusal(f"Robots /compose /g {value}, please! /t 160")

    assert message.startswith("Sorry, /g ")
    assert f"“{value}" in message
    assert f"We play {nearest}," in message
    assert all(name in message for name in GENRES)


@pytest.mark.parametrize("other", ["funk", "pop", "hop"])
def test_another_genre_is_not_taken_for_a_misspelt_short_alias(other):
    message = refusal(f"Robots /compose /g {other}")

    assert f"“{other}”" in message


@pytest.mark.parametrize(
    "text", ["Robots /compose /g", "Robots /compose /g /t 160", "/g /compose", "Robots /compose /g: ."]
)
def test_a_genre_flag_without_a_value_is_refused(text):
    assert refusal(text).startswith("Sorry, /g ")


def test_a_refusal_repeats_only_what_is_safe_and_short():
    message = refusal("Robots /compose /g @bob#metal$tsla.rock.fm/compose\u202e" + "x" * 20_000)

    assert_safe(message)
    assert len(message) < 250


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lol thanks",
        "compose",
        "/composer",
        "/composed",
        "/decompose",
        "/compose-me",
        "/compose_me",
        "/compose.py",
        "/composé",
        "re/compose",
        "./compose",
        "../compose",
        "~/compose",
        "//compose",
        "/usr/bin/compose",
        "/usr/bin,/compose",
        "/compose/file.txt",
        "see https://example.com/compose",
        "see https://example.com/?q=/compose",
        "see https://example.com/a,/compose",
        "see example.com/compose/",
        "C:/compose",
        "\\compose",
        "0/compose",
        "@/compose",
        "/recompose /comp ose /c",
        "/helper https://example.com/help",
    ],
)
def test_without_a_command_there_is_no_answer(text):
    assert parse(text, GENRES, "jazz") is None


@pytest.mark.parametrize("text", ["/help", "@lnh_ai ／HELP!", "how? &#47;help", "Robots /compose /help", "“/help”"])
def test_help_anywhere_asks_for_help(text):
    assert parse(text, GENRES, "jazz") == Help()


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/stop", Stop()), ("@lnh_ai ／ＳＴＯＰ!", Stop()), ("never again, /stop it", Stop()),
        ("Robots /compose /stop", Stop()), ("/help /stop", Stop()),
        ("@lnh_ai stop", Stop()), ("@lnh_ai@band.example\nplease stop!", Stop()), ("STOP", Stop()),
        ("st\u200bop.", Stop()), (".@lnh_ai stop", Stop()), ("-@lnh_ai: stop", Stop()),
        ("stop the music", None), ("don't stop", None), ("/stopped", None), ("full/stop", None),
        ("/start", Start()), ("/delete", Delete()), ("@lnh_ai /delete please", Delete()), ("/delete /again", Delete()),
        ("/again", Again()), ("once more /again!", Again()), ("/again /start", Again()), ("/help /again", Help()),
        ("/againでお願い", Again()),
        ("/again/x", None), ("/deleted", None), ("https://a.example/delete", None), ("go/again", None),
    ],
)  # fmt: skip
def test_the_other_commands(text, command):
    assert parse(text, GENRES, "jazz") == command


def test_flags_around_an_again_are_kept():
    asked = parse("/t 100 once more /again /g jazz /x", GENRES, "jazz")

    assert isinstance(asked, Again)
    assert [flag.name for flag in asked.flags] == ["t", "g", "x"]


def test_a_song_outweighs_what_may_be_part_of_its_title():
    assert read("Ready /start again /again and /delete /compose /t 160").title == "Ready start again again and delete"
    assert read("Robots /compose /again /t 160").tempo_bpm == 160


@pytest.mark.parametrize(
    "text",
    [
        "> Robots /compose", "@lnh_ai\n> Robots /compose\nlol", "@lnh_ai\n>Robots /help", ">> @lnh_ai Robots /compose",
        "&gt; Robots /compose", "RT @someone: Robots /compose", "MT: @someone Robots /stop", "hm\n > /stop\nhm",
    ],
)  # fmt: skip
def test_what_is_quoted_from_somebody_asks_for_nothing(text):
    assert parse(text, GENRES, "jazz") is None


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("> Robots /compose\nWolves /compose", "Wolves"), (">_< /compose", ">_<"), ("a > b /compose", "a > b"),
        ("RTFM /compose", "RTFM"), (">:( /compose", ">:("),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_quotation_is_read(text, title):
    assert read(text).title == title


FLAG_PIECES = (
    *PIECES,
    " /compose ",
    " /g ",
    " /t ",
    "/r",
    "=",
    "metal",
    "160",
    "0.2",
    "%",
    "bpm",
    "1e9",
    "-5",
    "/help-",
    "/stop",
    "\n> ",
    "/again",
    "١٦٠",
    "。",
    "で",
    "@bob",
    ":cat:",
    "/t160/gjazz",
)
POSTS = st.one_of(st.lists(st.sampled_from(FLAG_PIECES), max_size=40).map("".join), st.text(max_size=200))


@given(POSTS)
@example("x /compose /t 1" + "0" * 400)
def test_whatever_is_posted_is_read_or_kindly_refused_and_all_we_say_is_safe(text):
    try:
        command = parse(f"{text} /compose {text}", GENRES, "jazz")
    except NotUnderstood as refused:
        assert_safe(str(refused))
        return

    if isinstance(command, Compose):
        tempo = GENRES[command.genre].tempo
        assert tempo.slowest_bpm <= command.tempo_bpm <= tempo.fastest_bpm
        assert 0 <= command.randomness <= 1
        for said in (command.title, *command.remarks):
            assert_safe(said)


@given(tempo=st.integers(70, 240), hundredths=st.integers(0, 100), genre=st.sampled_from(sorted(GENRES)))
def test_every_plain_request_is_read_exactly(tempo, hundredths, genre):
    asked = read(f"Robots /compose /g {genre} /t {tempo} /r {hundredths / 100:.2f}")

    assert asked == Compose(title="Robots", genre=genre, tempo_bpm=tempo, randomness=hundredths / 100, remarks=())


@pytest.mark.parametrize(
    "piece",
    [
        "/compose ", ",/compose", "@a", "\u0301", "- ", "a.", "/t 1 ", "/x", "/g a ", '"', "“‘«", "😀\u200d", "&#47;",
        "http://", "#$@", "/compose x ", ":aa:", "/t1/g", "@a-b.", "。1", "重",
        "\u1100", "=", "/t=", "1", "%", "/g metal ", "//", ":", "(", "a,",
        "".join(map(chr, range(0x300, 0x345))),
    ],
)  # fmt: skip
def test_a_post_of_25_000_characters_is_read(piece):
    long = piece * (25_000 // len(piece))

    for text in (long, f"{long} /compose /t {long}", f"Robots /compose /g {long}"):
        try:
            command = parse(text, GENRES, "jazz")
        except NotUnderstood as refused:
            assert len(str(refused)) < 400
        else:
            assert command is None or isinstance(command, Compose)


def test_what_stands_after_5000_characters_calls_nobody():
    assert isinstance(parse("a " * 2400 + "/compose", GENRES, "jazz"), Compose)
    assert parse("a " * 2500 + "/compose", GENRES, "jazz") is None


def test_lnh_parse_answers_line_by_line_and_names_what_is_no_json_string():
    posts = [
        "Robots /compose /g heavy metal /t 160 /r 0.2",
        "lol thanks",
        "/help",
        "Robots /compose /t fast",
        "\ud800 /compose",
        "/again",
    ]
    lines = [json.dumps(post) for post in posts]

    done = subprocess.run(
        [sys.executable, "-m", "bot", "parse", "--jsonl"],
        input="\n".join([*lines, "", "5", "nope"]), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    assert answers[0] == {
        "command": "compose",
        "title": "Robots",
        "genre": "heavy-metal",
        "tempo_bpm": 160,
        "randomness": 0.2,
        "remarks": [],
    }
    assert answers[1:3] == [{"command": None}, {"command": "help"}]
    assert set(answers[3]) == {"command", "refusal"}
    assert answers[4]["title"] == ""
    assert answers[5] == {"command": "again"}
    assert ["line 8" in answers[6]["error"], "line 9" in answers[7]["error"]] == [True, True]
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_reading_a_post_needs_no_torch():
    script = "import sys, bot.commands, bot.parse; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
