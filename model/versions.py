"""Which songs are versions of one: they share many of their passages, whatever their files are called."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Share of the smaller song's passages that versions have in common at least. Of 26 pairs that the index of the heavy
# metal archive calls versions, 16 are found so, 11 with 0.3; three others are found, all of them versions or medleys.
SAME_SONG = 0.1
FEWEST_SHARED = 8  # passages
MOST_SHARING = 8  # songs; with a passage that more have, only neighbours are compared


def versions(windows: Sequence[NDArray[np.uint32]]) -> list[int]:
    """For each song the number of the first song that is a version of it, often its own.

    Args:
        windows: The passages of each song as hashes, as `originality.song_windows` gives them.
    """
    first = list(range(len(windows)))

    def first_of(song: int) -> int:
        while first[song] != song:
            song = first[song]
        return song

    for one, other in _alike(windows):
        low, high = sorted((first_of(one), first_of(other)))
        first[high] = low
    return [first_of(song) for song in range(len(windows))]


def _alike(windows: Sequence[NDArray[np.uint32]]) -> list[tuple[int, int]]:
    """Pairs of songs that share at least SAME_SONG of the passages of the smaller one."""
    sizes = np.array([len(each) for each in windows])
    if not sizes.sum():
        return []
    hashes, songs = np.concatenate(list(windows)), np.repeat(np.arange(len(windows)), sizes)
    order = np.lexsort((songs, hashes))
    hashes, songs = hashes[order], songs[order]
    shared = []
    for lag in range(1, MOST_SHARING):
        same = np.flatnonzero(hashes[lag:] == hashes[:-lag])
        shared.append(np.stack([songs[same], songs[same + lag]], axis=1))
    pairs, counts = np.unique(np.concatenate(shared), axis=0, return_counts=True)
    enough = np.maximum(FEWEST_SHARED, SAME_SONG * sizes[pairs].min(axis=1))
    return [(int(one), int(other)) for one, other in pairs[counts >= enough]]
