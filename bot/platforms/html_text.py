"""From the HTML of a post to the text that its author wrote."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag
from bs4.exceptions import ParserRejectedMarkup

BREAKS = ("br", "p", "div", "li", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Someone whom a post names."""

    url: str  # profile page
    username: str  # "someone"
    acct: str  # "someone@example.social", or "someone" on our own server


def to_text(markup: str, named: Sequence[Named] = ()) -> str:
    """Paragraphs and breaks as line breaks, mentions with their host, links in full; never raises.

    Servers hide the host of a mention and the ends of a long link from the eye; both come back here. The "RE: …"
    line that some servers put on top of a quoting post is left out, and so is what was quoted: somebody else typed it.
    """
    try:
        page = BeautifulSoup(f"<div>{markup}</div>", "html.parser")
        _restore(page, named)
        text = "".join(_pieces(page))
    except (ParserRejectedMarkup, AssertionError, RecursionError):  # no HTML at all: keep the words
        text = html.unescape(re.sub(r"<[^<>]*>", " ", markup))
    return re.sub(r"\n{3,}", "\n\n", text.replace("\r", "")).strip()


def _restore(page: BeautifulSoup, named: Sequence[Named]) -> None:
    for quote in page.select(".quote-inline, blockquote"):
        quote.decompose()
    for link in page.find_all("a"):
        _restore_link(link, named)


def _pieces(page: BeautifulSoup) -> Iterator[str]:
    """One walk over the tree: changing it instead takes seconds for a post of ten thousand open tags."""
    for node in page.descendants:
        if isinstance(node, Tag) and node.name in BREAKS:
            yield "\n"
        elif type(node) is NavigableString:  # no comment, script or style
            yield str(node)


def _restore_link(link: Tag, named: Sequence[Named]) -> None:
    shown = link.get_text()
    target = str(link.get("href") or "")
    if shown.startswith(("@", "＠")):
        link.string = _mention(shown, target, named)
    elif link.select(".invisible, .ellipsis") and target:
        link.string = target


def _mention(shown: str, target: str, named: Sequence[Named]) -> str:
    """`@someone@example.social` for a mention that shows `@someone` only; as shown when nobody fits."""
    name = shown[1:].strip()
    by_url = [one for one in named if one.url == target]
    by_name = [one for one in named if name.casefold() in (one.username.casefold(), one.acct.casefold())]
    found = by_url or by_name
    return f"@{found[0].acct}" if found else shown
