"""TLS in front of a Redis that need not be built with it; the client's side of it is the same."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

CHUNK = 65536  # bytes


@contextmanager
def encrypted(redis_port: int, certificate: Path, key: Path) -> Iterator[int]:
    """A port of this machine that leads to another of its ports, for those who speak TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def connect(near: StreamReader, near_end: StreamWriter) -> None:
        far, far_end = await asyncio.open_connection("127.0.0.1", redis_port)
        await asyncio.gather(_carry(near, far_end), _carry(far, near_end))

    with asyncio.Runner() as runner:  # in the end it hangs up what is still open
        server = runner.run(asyncio.start_server(connect, "127.0.0.1", 0, ssl=tls))
        thread = Thread(target=runner.get_loop().run_forever, daemon=True)
        thread.start()
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            runner.get_loop().call_soon_threadsafe(runner.get_loop().stop)
            thread.join()
            server.close()


async def _carry(source: StreamReader, target: StreamWriter) -> None:
    with suppress(OSError):  # one end hung up
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()
