"""A minute passes in a second: waits of the services that no operator can set, shortened for the soak."""

import worker.queue
import worker.service

PACE = 1 / 60


def hurry_services() -> None:
    """Miss a dead worker after seconds, and try again at once."""
    worker.queue.BACK_OFF_SECONDS, worker.queue.TAKEN_SECONDS = (0, 1), 2
    worker.service.HEARTBEAT_SECONDS = 1
    worker.service.HEARTBEAT_TTL_SECONDS = 10  # a machine may be busy: who lives must be heard
