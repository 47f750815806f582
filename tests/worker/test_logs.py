import logging
from threading import Thread

import pytest

from worker.logs import Lines, about
from worker.service import Service


@pytest.fixture
def lines(caplog):
    """What is logged meanwhile."""
    written = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(Lines().format(record))

    caplog.set_level(logging.INFO)
    handler, root = Keep(), logging.getLogger()
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)


def test_every_line_of_a_job_carries_the_key_of_its_mention(queues, lines):
    def deliver(key, track):
        logging.getLogger("some.library").warning("knows no key")
        raise ValueError("a string snapped")

    queues.hand_over("mastodon-1138", None)
    Service("deliver", queues.redis, {"bot.deliver.deliver": deliver}).run(until_empty=True)

    told = [line for line in lines if "from=some.library" in line or "snapped" in line or "not done" in line]
    assert len(told) >= 3
    assert all(" key=mastodon-1138 " in line for line in told)
    assert not any("\n" in line for line in lines)


def test_a_key_ends_with_its_job_and_is_of_its_thread(lines):
    log = logging.getLogger("test")
    with about("mastodon-1"):
        other = Thread(target=log.warning, args=("elsewhere",))
        other.start()
        other.join()
    log.warning("afterwards")

    assert [line.split()[2] for line in lines] == ["key=-", "key=-"]


def test_a_line_stays_one_line_whatever_it_quotes(lines):
    logging.getLogger("test").warning("he wrote %s", 'x\nlevel=CRITICAL "key=mastodon-2"\x1b[2J\u2028')

    (line,) = lines
    assert line.endswith(r'says="he wrote x\nlevel=CRITICAL \"key=mastodon-2\"\u001b[2J\u2028"')
