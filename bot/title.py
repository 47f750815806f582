"""Other people's words, made safe to repeat: a title, or a quotation in a refusal.

What we post must ping nobody, link to nothing, add no hashtag and call no band. Invisible characters would do that
on one network and fail on the next, so each dangerous sign becomes another one that reads the same to a person and
that no network's rules know: `#` the musical sharp, the dot of `rock.fm` a middle dot, `$` a coin, `@` the word at.
"""

import unicodedata
from itertools import islice

import regex

from bot.fold import SLASHES, fold, visible

LONGEST_TITLE = 80  # graphemes
LONGEST_QUOTATION = 30  # graphemes
LONGEST_GRAPHEME = 20  # code points; the longest emoji has 10
COMMANDS = ("compose", "help", "stop", "start", "delete", "again")  # behind a slash, they call a band
OUR_NAME = "lnh_ai"  # where the account has another one, it stays in a title as anybody's does

_AT = "@＠﹫"
_USER = r"[A-Za-z0-9_]++"
_SERVER = r"(?:\w[\w-]*+\.(?=\w))*+(?:[A-Za-z0-9]++(?:--[A-Za-z0-9]++)*+|\w++)"
# As networks read it: not in an address. Only a name that goes on with its server has dots and dashes.
_ONE = (
    rf"(?<![A-Za-z0-9_/=])(?<![A-Za-z0-9_][.+-])[{_AT}](?P<name>{_USER}(?:(?:[.-]{_USER})++(?=[{_AT}]\w))?+)"
    rf"(?:[{_AT}]{_SERVER})*+"
)
_MENTION = regex.compile(rf"(?P<before>\s?){_ONE}(?P<after>[,:，：]?+)")
_LEADING_MENTIONS = regex.compile(rf"(?:\s*+[.+-]*+{_ONE}[,;:.…，：–—-]*+)++")
_AT_SIGN = regex.compile(rf"[{_AT}]")
_HASH_SIGN = regex.compile("[#＃﹟]")
_CASHTAG_SIGN = regex.compile(r"[$＄﹩](?=\p{L})")
_SCHEME = regex.compile(rf"(?:https?)?[:：﹕][{SLASHES}]{{2,}}+|(?<=magnet)[:：﹕](?=[?？﹖])", regex.IGNORECASE)
# A top-level domain has two letters at least, or one that is not ASCII: R.E.M. keeps its dots. So does "Wait...what".
_LINKING_DOT = regex.compile(r"(?<=[^\s\p{P}])[.．․﹒](?=\p{L})(?![A-Za-z](?![\p{L}\p{N}-]))")
_SHORTCODE = regex.compile(r"(?<![\w:]):[A-Za-z0-9_]{2,}+:(?![\w:])")  # :blobcat: is a picture on its own server alone
_COMMAND_SLASHES = regex.compile(f"(?<!/)/++(?={'|'.join(COMMANDS)})")
_SEPARATORS = ",;:|–—、，；：-"
_LEADING_SEPARATORS = regex.compile(rf"(?:[{_SEPARATORS}]++ )++")
_QUOTES = ('""', "“”", "„“", "„”", "«»", "»«", "‹›", "‘’", "''", "``", "「」", "『』", "＂＂")
_OPENERS = tuple('"“„«‹「『＂')  # not the apostrophe of 'Tis


def clean(text: str, longest: int = LONGEST_TITLE) -> str:
    """Words that are safe to post, on one line.

    Whom it is addressed to is left out, and so are we; of anybody else the bare name is left, without @ and server.
    Cleaning twice changes nothing.

    Returns:
        At most `longest` graphemes, the last one "…" where there was more; "" when nothing is left.
    """
    safe = _disarm(_with_bare_names(visible(text)))
    return _unwrap(_shorten(_unwrap(safe), longest))  # what was cut off may be a quote


def without_mentions(text: str) -> str:
    """What can be seen of a text, and names nobody."""
    plain: str = _MENTION.sub(" ", visible(text))
    return plain


def _with_bare_names(text: str) -> str:
    addressed = _LEADING_MENTIONS.match(text)
    rest = text[addressed.end() :] if addressed else text
    plain: str = _MENTION.sub(
        lambda one: "" if one["name"].casefold() == OUR_NAME else f"{one['before']}{one['name']}{one['after']}", rest
    )
    return plain


def quote(text: str) -> str:
    """A short safe quotation of what someone wrote, in curly quotes."""
    return f"“{clean(text, LONGEST_QUOTATION)}”"


def graphemes(text: str) -> list[str]:
    """What people count as characters."""
    return [found[0] for found in regex.finditer(r"\X", text)]


def _disarm(text: str) -> str:
    text = _HASH_SIGN.sub("♯", _AT_SIGN.sub(" at ", text))
    text = _CASHTAG_SIGN.sub("💲", text)
    text = _LINKING_DOT.sub("·", _SCHEME.sub(" ", text))
    folded, letters = fold(text), list(text)
    for slashes in _COMMAND_SLASHES.finditer(folded.text):
        for slash in range(slashes.start(), slashes.end()):
            letters[folded.positions[slash]] = " "
    plain: str = _SHORTCODE.sub(" ", "".join(letters))
    return plain


def _unwrap(text: str) -> str:
    """Without what stands around a title: spaces, quotes, a dangling colon or dash."""
    text = " ".join(text.split())
    while True:
        bare = _LEADING_SEPARATORS.sub("", text, 1) if _LEADING_SEPARATORS.match(text) else text
        bare = bare.rstrip(f" {_SEPARATORS}").lstrip()
        if bare[:1] in _OPENERS and not set(bare[1:]) & set("".join(_QUOTES)):
            bare = bare[1:].lstrip()
        if bare[:1] + bare[-1:] in _QUOTES and len(bare) > 1 and not set(bare[1:-1]) & {bare[0], bare[-1]}:
            bare = bare[1:-1].strip()
        if bare == text:
            return text
        text = bare


def _shorten(text: str, longest: int) -> str:
    kept = [each[0][:LONGEST_GRAPHEME].rstrip("\u200d") for each in islice(regex.finditer(r"\X", text), longest + 1)]
    if len(kept) <= longest:
        return "".join(kept)
    return "".join(kept[: longest - 1]).rstrip() + "…"


def same_title(title: str) -> str:
    """A title as takes are counted: case, width, spaces and marks at its ends make no difference."""
    words = " ".join(unicodedata.normalize("NFKC", title).casefold().split())
    bare = words.strip(" .,;:!?…\"'“”„‘’«»()[]-–—")
    return bare or words
