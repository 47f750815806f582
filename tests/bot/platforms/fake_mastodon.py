"""A small Mastodon: enough of its API for one account that is called and answers."""

import json
from datetime import UTC, datetime
from typing import Any

from trouble import Troubles
from werkzeug import Request, Response

TOKEN = "mastodon-token-1234"
OWN = "900"


def make_account(number: str, acct: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "username": acct.split("@", maxsplit=1)[0],
        "acct": acct,
        "url": f"https://elsewhere.example/@{acct}",
        "note": "",
        "bot": False,
        **more,
    }


class FakeMastodon:
    """Ids are ULID-like strings, rows come newest first, media are processed for a while."""

    def __init__(self) -> None:
        self.troubles = Troubles()
        self.requests: list[Request] = []
        self.statuses: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []  # oldest first
        self.media: dict[str, dict[str, Any]] = {}
        self.polls_until_ready = 0
        self.instance: dict[str, dict[str, Any]] = {"v2": {"configuration": {"statuses": {"max_characters": 500}}}}
        self.remembers_keys = True
        self.marked_as_bot = True
        self.policy: dict[str, Any] | None = None  # which notifications the account wants; None: too old for that
        self.streamed: str | None = None  # events that the stream sends before it ends; None: there is no stream
        self._by_key: dict[str, dict[str, Any]] = {}
        self._last = 0

    def call(self, html: str, account: dict[str, Any] | None = None, **more: Any) -> str:
        """Someone posts a mention of the band; returns its id."""
        account = account or make_account("1", "someone@example.social")
        status = self._keep({"account": account, "content": html, "in_reply_to_id": None, **more})
        self.rows.append({"id": self._id(), "type": "mention", "account": account, "status": status})
        return str(status["id"])

    def delete(self, status_id: str) -> None:
        del self.statuses[status_id]
        self.rows = [row for row in self.rows if not row["status"] or row["status"]["id"] != status_id]

    def answers(self) -> list[dict[str, Any]]:
        return [status for status in self.statuses.values() if status["account"]["id"] == OWN]

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "Le jeton d'accès est invalide")
        return self.troubles.meet(request, self._answer)

    def _answer(self, request: Request) -> Response:  # noqa: PLR0911 - a route a line
        match [request.method, *request.path.strip("/").split("/")]:
            case ["GET", "api", "v1", "accounts", "verify_credentials"]:
                return reply(make_account(OWN, "lnh_ai", bot=self.marked_as_bot))
            case ["GET", "api", ("v1" | "v2") as version, "instance"] if version in self.instance:
                return reply(self.instance[version])
            case ["GET", "api", "v1", "notifications"]:
                return reply(self._page(request))
            case ["GET", "api", "v2", "notifications", "policy"] if self.policy is not None:
                return reply(self.policy)
            case ["GET", "api", "v1", "streaming", "user", "notification"] if self.streamed is not None:
                return Response(self.streamed, content_type="text/event-stream")
            case ["GET", "api", "v1", "statuses", number] if number in self.statuses:
                return reply(self.statuses[number])
            case ["GET", "api", "v1", "statuses", number, "context"] if number in self.statuses:
                return reply({"ancestors": [], "descendants": self._below(number)})
            case ["DELETE", "api", "v1", "statuses", number] if number in self.statuses:
                return reply(self.statuses.pop(number))
            case ["POST", "api", "v1", "statuses"]:
                return self._post(request)
            case ["POST", "api", "v2", "media"]:
                return self._upload(request)
            case ["GET", "api", "v1", "media", number] if number in self.media:
                return self._process(number)
        return problem(404, "Record not found")

    def _page(self, request: Request) -> list[dict[str, Any]]:
        assert request.args.getlist("types[]") == ["mention"]
        assert "since_id" not in request.args
        limit, rows = int(request.args.get("limit", 40)), self.rows
        if "min_id" in request.args:
            return [row for row in rows if row["id"] > request.args["min_id"]][:limit][::-1]
        return [row for row in rows if row["id"] < request.args.get("max_id", "~")][-limit:][::-1]

    def _below(self, number: str) -> list[dict[str, Any]]:
        return [status for status in self.statuses.values() if status["in_reply_to_id"] == number]

    def _post(self, request: Request) -> Response:
        form = request.form
        key = request.headers.get("Idempotency-Key", "")
        if self.remembers_keys and key in self._by_key:
            return reply(self._by_key[key])
        if form["in_reply_to_id"] not in self.statuses:
            return problem(404, "The post you are trying to reply to does not appear to exist.")
        media = form.getlist("media_ids[]")
        if any(self.media[number]["url"] is None for number in media):
            return problem(422, "Cannot attach files that have not finished processing. Try again in a moment!")
        if len(form["status"]) > 500:
            return problem(422, "Validation failed: Text character limit of 500 exceeded")
        status = self._keep(
            {
                "account": make_account(OWN, "lnh_ai", bot=True),
                "content": form["status"],
                "in_reply_to_id": form["in_reply_to_id"],
                "visibility": form["visibility"],
                "spoiler_text": form.get("spoiler_text", ""),
                "media": media,
            }
        )
        self._by_key[key] = status
        return reply(status)

    def _upload(self, request: Request) -> Response:
        number = self._id()
        self.media[number] = {
            "id": number,
            "type": "audio",
            "url": None if self.polls_until_ready else "https://files.example/1.mp3",
            "description": request.form.get("description"),
            "file": request.files["file"].read(),
            "mime": request.files["file"].mimetype,
            "cover": request.files["thumbnail"].read(),
        }
        return reply(self._shown(number), 202 if self.polls_until_ready else 200)

    def _process(self, number: str) -> Response:
        self.polls_until_ready -= 1
        if self.polls_until_ready > 0:
            return reply(self._shown(number), 206)
        self.media[number]["url"] = "https://files.example/1.mp3"
        return reply(self._shown(number))

    def _shown(self, number: str) -> dict[str, Any]:
        return {name: self.media[number][name] for name in ("id", "type", "url", "description")}

    def _keep(self, status: dict[str, Any]) -> dict[str, Any]:
        number = self._id()
        self.statuses[number] = {
            "id": number,
            "created_at": datetime.now(UTC).isoformat(),
            "visibility": "public",
            "spoiler_text": "",
            "mentions": [],
            "reblog": None,
            **status,
        }
        return self.statuses[number]

    def _id(self) -> str:
        self._last += 1
        return f"01JLNH{self._last:06d}"


def as_event(row: dict[str, Any], name: str = "notification") -> str:
    """A row of the notifications as the stream sends it."""
    return f"event: {name}\ndata: {json.dumps(row)}\n\n"


def reply(body: Any, status: int = 200, **headers: str) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/json")


def problem(status: int, words: str, **headers: str) -> Response:
    return reply({"error": words}, status, **headers)
