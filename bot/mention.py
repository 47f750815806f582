"""Someone called the band."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Visibility = Literal["public", "unlisted", "private", "direct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One post that names the band, as plain text."""

    platform: str  # "mastodon", "x" or "console"
    id: str  # opaque; the post as it stands now, which a reply answers
    root_id: str  # opaque; the post before any edit, which makes it unique
    author_id: str  # opaque
    author_handle: str  # without the leading @: "someone@example.social"
    text: str  # entities and shortened links restored; mentions still in
    visibility: Visibility
    content_warning: str  # "" when there is none
    created_at: datetime  # with time zone
    by_bot: bool  # the author is a bot or asks bots to keep away (#nobot), or is the band itself
    in_reply_to: str = ""  # opaque; id of the post that this one answers, "" when it answers none

    @property
    def key(self) -> str:
        """Names the job, seeds the music, names the files and guards the post: "mastodon-1138"."""
        return f"{self.platform}-{self.root_id}"
