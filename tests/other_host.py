"""Another host, on a network of its own: a cable leads to it from the host of a real Redis, and can be pulled.

Both are network namespaces. While the cable is out packets are lost, and neither end is told; what `wire.py` holds back
arrives late instead.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from tempfile import mkdtemp

import pytest
from processes import wait_until

from worker.private_redis import kept, server_path

OURS, THEIRS = "10.77.0.1", "10.77.0.2"
APART = ["unshare", "--user", "--map-root-user", "--net"]
STAY = "echo $$ > {name}; exec sleep infinity"


@dataclass(frozen=True)
class OtherHost:
    """What lies at the far end of the cable, and the Redis at the near one."""

    near: Sequence[str]  # to be put before a command that is to run there
    far: Sequence[str]
    socket: Path  # of the Redis; whoever sees this file system needs no cable

    @property
    def redis_url(self) -> str:
        """As the other host calls it."""
        return f"redis://{OURS}:6379/0"

    def cut(self) -> None:
        subprocess.run([*self.near, "ip", "link", "set", "near", "down"], check=True)

    def mend(self) -> None:
        subprocess.run([*self.near, "ip", "link", "set", "near", "up"], check=True)


@contextmanager
def other_host() -> Iterator[OtherHost]:
    """Skips the test where nobody may make network namespaces."""
    cable = ["ip", "link", "add", "near", "type", "veth", "peer", "name", "far"]
    if not which("ip") or subprocess.run([*APART, *cable], check=False, capture_output=True).returncode:
        pytest.skip("this machine has no `ip`, or lets nobody make network namespaces")
    with ExitStack() as stack:
        near = _namespace(stack, [], APART)
        far = _namespace(stack, near, ["unshare", "--net"])
        for command in (
            [*near, *cable, "netns", far[2]],
            [*near, "ip", "address", "add", f"{OURS}/24", "dev", "near"],
            [*far, "ip", "address", "add", f"{THEIRS}/24", "dev", "far"],
            [*near, "ip", "link", "set", "near", "up"],
            [*far, "ip", "link", "set", "far", "up"],
        ):
            subprocess.run(command, check=True)
        folder = Path(mkdtemp(prefix="lnh-redis-"))
        socket = folder / "redis.sock"
        server = [str(server_path({})), "--bind", OURS, "--protected-mode", "no", "--unixsocket", str(socket)]
        stack.enter_context(kept([*near, *server, "--dir", str(folder), "--save", ""], folder))
        wait_until(socket.exists)
        yield OtherHost(near, far, socket)


def _namespace(stack: ExitStack, where: Sequence[str], apart: Sequence[str]) -> list[str]:
    """A network namespace that lasts as long as the stack; what leads a command into it."""
    folder = Path(mkdtemp(prefix="lnh-host-"))
    name = folder / "process"
    stack.enter_context(kept([*where, *apart, "sh", "-c", STAY.format(name=name)], folder))
    wait_until(lambda: name.exists() and name.read_text().endswith("\n"))
    return ["nsenter", "--target", name.read_text().strip(), "--user", "--net", "--preserve-credentials"]
