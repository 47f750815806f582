"""What can go wrong on the way to a network, for both of the networks that the tests play."""

from collections import deque
from collections.abc import Callable

from werkzeug import Request, Response


class Troubles:
    """Answers that replace the right one, in order, for requests of a method and a part of a path."""

    def __init__(self) -> None:
        self._planned: deque[tuple[str, str, Response, bool]] = deque()

    def plan(self, method: str, path: str, response: Response, *, after_the_deed: bool = False) -> None:
        """Answer so the next time; `after_the_deed`: do what was asked for first, so that only the answer is lost."""
        self._planned.append((method, path, response, after_the_deed))

    def meet(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        for planned in self._planned:
            method, path, response, after_the_deed = planned
            if request.method == method and path in request.path:
                self._planned.remove(planned)
                if after_the_deed:
                    answer(request)
                return response
        return answer(request)
