"""Logs as lines of `name=value`, each with the key of the mention that it is about."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NO_KEY = "-"

_key: ContextVar[str] = ContextVar("key", default=NO_KEY)


@contextmanager
def about(key: str) -> Iterator[None]:
    """Within, every line that this thread logs carries this key."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


class Lines(logging.Formatter):
    """One line for each record, whatever is in it: time, level, key, module, words, and the error if there is one.

    Control characters, line breaks and what is not ASCII are escaped as in JSON.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = f"time={moment}.{record.msecs:03.0f}Z level={record.levelname} key={_key.get()} from={record.name}"
        line += f" says={json.dumps(record.getMessage())}"
        return f"{line} error={json.dumps(self.formatException(record.exc_info))}" if record.exc_info else line


def write_logs(level: int) -> None:
    """Send the log to standard error from a level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=level, handlers=[handler])
