"""From the HTML of a post to the text that its author wrote."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
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
    first_wins = named[::-1]
    by_url = {one.url: one.acct for one in first_wins}
    by_name = {name.casefold(): one.acct for one in first_wins for name in (one.username, one.acct)}
    for quote in page.select(".quote-inline, blockquote"):
        quote.decompose()
    for link in page.find_all("a"):
        if link.find("a") is None:  # one around others is no link to a browser; reading them all would take minutes
            _restore_link(link, by_url, by_name)


def _pieces(page: BeautifulSoup) -> Iterator[str]:
    """One walk over the tree: changing it instead takes seconds for a post of ten thousand open tags."""
    for node in page.descendants:
        if isinstance(node, Tag) and node.name in BREAKS:
            yield "\n"
        elif type(node) is NavigableString:  # no comment, script or style
            yield str(node)


def _restore_link(link: Tag, by_url: Mapping[str, str], by_name: Mapping[str, str]) -> None:
    """`@someone@example.social` for a mention that shows `@someone` only; as shown when nobody fits."""
    shown = link.get_text()
    target = str(link.get("href") or "")
    if shown.startswith(("@", "＠")):
        acct = by_url.get(target) or by_name.get(shown[1:].strip().casefold())
        link.string = f"@{acct}" if acct else shown
    elif link.select(".invisible, .ellipsis") and target:
        link.string = target
