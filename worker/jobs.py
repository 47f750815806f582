"""The compose job: from a request on the queue to a track in the store."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from model.genre import Genre
from model.request import ComposeRequest
from worker.desk import at_desk
from worker.queue import DELIVER, Queues
from worker.store import Store
from worker.track import Track

DELIVER_QUEUE = re.compile(rf"{DELIVER}[A-Za-z0-9_-]{{0,100}}")

Band = TypeVar("Band")  # model.band.Band, or a stand-in


class Studio(Generic[Band]):
    """Bands once loaded stay warm; everything they play goes to one store."""

    def __init__(
        self,
        genres: Mapping[str, Genre],
        load: Callable[[Genre], Band],
        produce: Callable[[ComposeRequest, Genre, Band, Path], Track],
        store: Store,
        queues: Queues,
    ) -> None:
        self._load = load
        self._produce = produce
        self._store = store
        self._queues = queues
        self.learn(genres)

    def learn(self, genres: Mapping[str, Genre]) -> None:
        """Play these genres from now on, each with a band loaded anew; all of them, or as before.

        Raises:
            NeedsOperator: A band cannot be loaded.
        """
        bands = {genre.name: self._load(genre) for genre in genres.values()}
        self._genres, self._bands = genres, bands

    def compose(self, request_json: str, deliver_queue: str) -> None:
        """Produce what a request asks for, keep it, and hand it over to a deliver queue.

        Done again, it leaves the same files and hands over nothing new.

        Raises:
            ValueError: No such job is ours.
        """
        if not (isinstance(deliver_queue, str) and DELIVER_QUEUE.fullmatch(deliver_queue)):
            raise ValueError("compose job: no deliver queue")
        request = ComposeRequest.from_json(request_json)
        with at_desk() as folder:
            genre, band = self._genres[request.genre], self._bands[request.genre]
            track = self._produce(request, genre, band, folder)
            self._store.put(folder, track)
        replace(self._queues, deliver=deliver_queue).hand_over(request.key, track)
