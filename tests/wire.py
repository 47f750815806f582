"""A wire between a service and its Redis that can be cut, as a network is: nobody is told, nothing gets through."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

CHUNK = 65536  # bytes


class Wire:
    """A port of this machine that leads to a Redis on a socket; what was sent while it was cut arrives late."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._whole = Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        Thread(target=self._take_calls, daemon=True).start()

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._listener.close()
        self.mend()

    def _take_calls(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._whole.wait()
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._socket_path)
        Thread(target=self._carry, args=(near, far), daemon=True).start()
        self._carry(far, near)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # one end hung up
            while data := source.recv(CHUNK):
                self._whole.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wired(redis_url: str) -> Iterator[Wire]:
    """A wire to the tests' Redis."""
    wire = Wire(redis_url.removeprefix("unix://"))
    try:
        yield wire
    finally:
        wire.close()
