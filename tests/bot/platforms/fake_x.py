"""A small X: enough of its API v2 for one account that is called and answers.

Every request, and every answer, is held against the vendor's description of the API where that file is at hand.
"""

import json
from datetime import UTC, datetime
from typing import Any

from trouble import Troubles
from werkzeug import Request, Response
from x_description import Description

KEYS = ("consumer-key-1234", "consumer-secret-5678", "900-access-token-9012", "access-secret-3456")
OWN = "900"
LARGEST_CHUNK = 5 * 1024 * 1024

Json = dict[str, Any]


class FakeX:
    """Speaks the field names of before or after they were renamed."""

    def __init__(self, description: Description | None, *, renamed: bool = True) -> None:
        self.troubles = Troubles()
        self.faults: list[str] = []
        self.requests: list[Request] = []
        self.posts: dict[str, Json] = {}
        self.users: dict[str, Json] = {OWN: {"id": OWN, "name": "LnH", "username": "lnh_ai"}}
        self.media: dict[str, Json] = {}
        self.progress: list[Json] = []  # what STATUS will say, one after the other
        self.description, self.renamed = description, renamed
        self._last = 10**18

    def call(self, text: str, user: Json | None = None, **more: Any) -> str:
        """Someone posts; returns the id."""
        user = user or {"id": "1", "name": "Someone", "username": "someone"}
        self.users[user["id"]] = user
        return str(self.keep(author_id=user["id"], text=text, **more)["id"])

    def keep(self, **post: Any) -> Json:
        number = str(self._last + 1)
        self._last += 1
        history = [*post.pop("edits", []), number]
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.posts[number] = {"id": number, "created_at": created, "edit_history": history, "refs": [], **post}
        return self.posts[number]

    def delete(self, number: str) -> None:
        del self.posts[number]

    def answers(self) -> list[Json]:
        return [post for post in self.posts.values() if post["author_id"] == OWN]

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        if f'oauth_token="{KEYS[2]}"' not in request.headers.get("Authorization", ""):
            return problem(401, "Unauthorized")
        return self.troubles.meet(request, self._checked)

    def _checked(self, request: Request) -> Response:
        response = self._answer(request)
        if self.description is not None:
            self.faults += self.description.faults(request, response)
        return response

    def _answer(self, request: Request) -> Response:  # noqa: PLR0911 - a route a line
        match [request.method, *request.path.strip("/").split("/")[1:]]:
            case ["GET", "users", "me"]:
                return reply({"data": self.users[OWN]})
            case ["GET", "users", "900", "mentions"]:
                called = [post for post in self.posts.values() if post["author_id"] != OWN or "@lnh_ai" in post["text"]]
                return self._timeline(request, called)
            case ["GET", "users", "900", "tweets"]:
                return self._timeline(request, self.answers())
            case ["GET", "tweets", number]:
                found = number in self.posts
                return reply({"data": self._shown(request, number)} if found else {"errors": [not_found(number)]})
            case ["DELETE", "tweets", number]:
                return reply({"data": {"deleted": self.posts.pop(number, None) is not None}})
            case ["POST", "tweets"]:
                return self._post(request.get_json())
            case ["POST", "media", "upload", "initialize"]:
                return self._initialize(request.get_json())
            case ["POST", "media", "upload", number, "append"]:
                return self._append(number, request)
            case ["POST", "media", "upload", number, "finalize"]:
                return self._state(number)
            case ["GET", "media", "upload"]:
                return self._state(request.args["media_id"])
            case ["POST", "media", "metadata"]:
                metadata = request.get_json()
                self.media[metadata["id"]]["alt"] = metadata["metadata"]["alt_text"]["text"]
                return reply({"data": {"id": metadata["id"]}})
        return problem(404, "Not Found")

    def _timeline(self, request: Request, posts: list[Json]) -> Response:
        since = int(request.args.get("since_id", 0))
        newest_first = [
            post["id"] for post in sorted(posts, key=lambda post: -int(post["id"])) if int(post["id"]) > since
        ]
        start = int(request.args.get("pagination_token", 0))
        page = newest_first[start : start + int(request.args["max_results"])]
        meta: Json = {"result_count": len(page)}
        if start + len(page) < len(newest_first):
            meta["next_token"] = str(start + len(page))
        if not page:
            return reply({"meta": meta})
        users = {self.posts[number]["author_id"] for number in page} & set(self.users)
        data = [self._shown(request, number) for number in page]
        return reply({"data": data, "includes": {"users": [self.users[one] for one in users]}, "meta": meta})

    def _shown(self, request: Request, number: str) -> Json:
        """A post with only those fields that were asked for by the names that this X knows."""
        post = self.posts[number]
        wanted = request.args.get("post.fields" if self.renamed else "tweet.fields", "").split(",")
        wanted += request.args.get("expansions", "").split(",")
        names = ("edit_history_post_ids", "referenced_posts", "note_post")
        if not self.renamed:
            names = ("edit_history_tweet_ids", "referenced_tweets", "note_tweet")
        hidden = {
            "created_at": post["created_at"],
            "author_id": post["author_id"],
            "entities": post.get("entities"),
            names[0]: post["edit_history"],
            names[1]: post["refs"],
            names[2]: post.get("note"),
        }
        return {"id": number, "text": post["text"]} | {n: v for n, v in hidden.items() if n in wanted and v}

    def _post(self, body: Json) -> Response:
        to = body["reply"]["in_reply_to_tweet_id"]
        if to not in self.posts:
            return problem(403, "You attempted to reply to a Tweet that is deleted or not visible to you.")
        if any(post["text"] == body["text"] for post in self.answers()):
            return problem(403, "You are not allowed to create a Tweet with duplicate content.")
        post = self.keep(author_id=OWN, text=body["text"], refs=[{"type": "replied_to", "id": to}], body=body)
        return reply({"data": {"id": post["id"], "text": post["text"]}}, 201)

    def _initialize(self, body: Json) -> Response:
        number = str(self._last + 1)
        self._last += 1
        self.media[number] = {"body": body, "pieces": {}}
        return reply({"data": {"id": number, "media_key": f"7_{number}", "expires_after_secs": 86400}})

    def _append(self, number: str, request: Request) -> Response:
        piece = request.files["media"].read()
        if len(piece) > LARGEST_CHUNK:
            return problem(413, "Too large")
        self.media[number]["pieces"][int(request.form["segment_index"])] = piece
        return reply({"data": {"expires_at": 1}})

    def _state(self, number: str) -> Response:
        progress = {"processing_info": self.progress.pop(0)} if self.progress else {}
        return reply({"data": {"id": number, "media_key": f"7_{number}", **progress}})

    def film(self, number: str) -> bytes:
        pieces = self.media[number]["pieces"]
        return b"".join(pieces[index] for index in range(len(pieces)))


def not_found(number: str) -> Json:
    return {
        "type": "https://api.x.com/2/problems/resource-not-found",
        "title": "Not Found Error",
        "detail": f"Could not find tweet with id: [{number}].",
        "resource_type": "tweet",
        "resource_id": number,
        "parameter": "id",
        "value": number,
    }


def reply(body: Any, status: int = 200, **headers: str) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/json")


def problem(status: int, detail: str, kind: str = "about:blank", **headers: str) -> Response:
    return reply({"title": "Problem", "detail": detail, "type": kind, "status": status}, status, **headers)
