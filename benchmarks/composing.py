"""Notes, tokens and seconds of music that a second of processor time gives, by way of hearing, threads and batch.

    python benchmarks/composing.py [GENRE]

writes its tables to benchmarks/composing.md.
"""

import resource
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from machine import machine  # noqa: E402

from model import sampling  # noqa: E402
from model import tokens as t  # noqa: E402
from model.band import Band  # noqa: E402
from model.decoder import PlainDecoder, decoder_of  # noqa: E402
from model.genre import find_genre, load_genres  # noqa: E402
from model.guards import guard  # noqa: E402
from model.network import Composer  # noqa: E402
from model.quick import QuickDecoder  # noqa: E402
from model.reader import Reader  # noqa: E402
from model.sampling import Method, Piece, compose_streams, freedom_at  # noqa: E402

BARS, TEMPO_BPM, RUNS, OPENING = 32, 160, 3, 8
WAYS = {"plain": PlainDecoder, "fast": decoder_of}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table."""

    way: str
    method: Method = "probability"
    threads: int = 1
    songs: int = 1  # asked for together
    at_once: int = 16  # of these, side by side
    runs: int = 1
    bars: int = BARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What a second of processor time gives."""

    notes: float
    tokens: float
    song_seconds: float  # of processor time, for one song


ALONE, EIGHT = Case(way="fast", runs=16), Case(way="fast", songs=16, at_once=8)  # of the same 16 songs
FOUR_ALONE, FOUR_TOGETHER = Case(way="fast", songs=4, runs=4), Case(way="fast", songs=16)  # requests of four takes
EIGHT_ALONE, EIGHT_TOGETHER = Case(way="fast", songs=8, runs=4), Case(way="fast", songs=32)  # and of eight
CASES = (
    Case(way="plain", runs=2), ALONE, Case(way="fast", songs=16, at_once=4), EIGHT, FOUR_ALONE, FOUR_TOGETHER,
    EIGHT_ALONE, EIGHT_TOGETHER,
    Case(way="fast", method="embedding", runs=2), Case(way="fast", method="embedding", songs=16),
    Case(way="fast", bars=2),
    Case(way="fast", threads=2, bars=2),  # two threads wait for each other: a long song took more than ten minutes
)  # fmt: skip


def main() -> None:
    """Load a band, let it compose, write the tables."""
    name = sys.argv[1] if len(sys.argv) > 1 else "heavy-metal"
    began = time.process_time()
    band = Band.load(find_genre(name))
    load_seconds = time.process_time() - began
    held = memory()
    speeds = {}
    rows = []
    for case in CASES:
        speeds[case] = speed(band, case)
        rows.append(row(case, speeds[case]))
        print(rows[-1], flush=True)
    torch.set_num_threads(1)
    text = "\n".join([
        "# Composing",
        "",
        f"{machine()}. By `python benchmarks/composing.py {name}`: songs at {TEMPO_BPM} bpm with "
        "seeds 0, 1, …; seconds of processor time, of all threads together. `plain` is the network as it was trained; "
        "`fast` is what the band does on this machine. Of songs asked for together each waits for a place among those "
        "at once; a request is four or eight songs, its takes.",
        "",
        "| way | sampling | threads | bars | songs | together | at once | notes/s | music s/s | tokens/s | s a song |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"The same 16 songs, eight places beside one: {gain(speeds[EIGHT], speeds[ALONE])}. Four requests together "
        f"beside one by one: of four takes {gain(speeds[FOUR_TOGETHER], speeds[FOUR_ALONE])}, of eight takes "
        f"{gain(speeds[EIGHT_TOGETHER], speeds[EIGHT_ALONE])}.",
        "",
        *limits(band.network.awake()),
        "",
        f"The band was loaded in {load_seconds:.2f} s. {held}",
        "",
        accuracy(band),
        "",
    ])  # fmt: skip
    (HERE / "composing.md").write_text(text, encoding="utf-8")
    print(text)


def speed(band: Band, case: Case) -> Speed:
    """Compose a case, on so many threads."""
    torch.set_num_threads(case.threads)
    vars(sampling).update(decoder_of=WAYS[case.way], AT_ONCE=case.at_once)
    songs = case.runs * case.songs
    scores = []
    began = time.process_time()
    for seed in range(0, songs, case.songs):
        played = compose(band, case.method, range(seed, seed + case.songs), case.bars)
        scores += [reader.score(TEMPO_BPM) for reader in played]
    seconds = time.process_time() - began
    notes = sum(len(part.notes) for score in scores for part in score.parts)
    tokens = sum(len(t.encode(score, band.genre.archives[0])) for score in scores)
    return Speed(notes=notes / seconds, tokens=tokens / seconds, song_seconds=seconds / songs)


def row(case: Case, speed: Speed) -> str:
    """One line of the table."""
    music = case.bars * 4 * 60 / TEMPO_BPM
    return (
        f"| {case.way} | {case.method} | {case.threads} | {case.bars} | {case.runs * case.songs} | {case.songs} "
        f"| {min(case.at_once, case.songs)} | {speed.notes:.0f} | {music / speed.song_seconds:.0f} "
        f"| {speed.tokens:.0f} | {speed.song_seconds:.2f} |"
    )


def gain(speed: Speed, other: Speed) -> str:
    """How many times as fast."""
    return f"{speed.notes / other.notes:.2f} times the notes, {speed.tokens / other.tokens:.2f} times the tokens"


def compose(band: Band, method: Method, seeds: range, bars: int = BARS) -> list[Reader]:
    """As the band does at its default randomness, without choosing among takes."""
    pieces = [
        Piece(
            header=t.header(band.genre.archives[0], TEMPO_BPM, band.roles), bars=bars,
            freedom=freedom_at(band.genre.sampling.freedom, band.genre.randomness),
            guard=partial(guard, band.genre, (4, 4), None), rng=np.random.default_rng([seed, 0]),
        )
        for seed in seeds
    ]  # fmt: skip
    return compose_streams(band.network.awake(), pieces, method=method)


def limits(network: Composer) -> list[str]:
    """What memory allows, when each token reads all weights once and each song its own keys and values."""
    a = network.architecture
    weights = sum(weight.numel() for weight in network.blocks.parameters())
    embeddings = 4 * network.token.weight.numel()
    remembered = 2 * a.layers * a.width * 3 * a.window // 4  # numbers; the window is three quarters full on average
    bytes_a_second = bandwidth()
    lines = [
        f"Memory gives one core {bytes_a_second / 1e9:.1f} GB/s beside the present load (sum over 256 MB). If all had "
        "to come from there, tokens/s at most:",
        "",
        "| way | songs at once | MB a step | tokens/s |",
        "|---|---|---|---|",
    ]
    for way, size in (("plain", 4), ("fast", 1)):
        for songs in (1, 8):
            step = size * weights + embeddings + songs * size * remembered
            lines.append(f"| {way} | {songs} | {step / 1e6:.1f} | {songs * bytes_a_second / step:.0f} |")
    return lines


def bandwidth() -> float:
    """Bytes a second that one core reads, from sums over an array larger than any cache."""
    array = torch.ones(64 << 20)
    taken = []
    for _ in range(6):
        began = time.process_time()
        array.sum()
        taken.append(time.process_time() - began)
    return array.numel() * 4 / median(taken)


def memory() -> str:
    """What a worker holds with every genre; to be asked first, since it is the most so far."""
    torch.set_num_threads(1)
    bands = [Band.load(genre) for genre in load_genres().values()]
    for band in bands:
        compose(band, "probability", range(sampling.AT_ONCE), bars=4)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return (
        f"With {len(bands)} genres loaded and played one after another, {sampling.AT_ONCE} songs at once, a process "
        f"holds {peak:.0f} MB."
    )


def accuracy(band: Band) -> str:
    """How far the fast way's probabilities are from the plain one's, over the first window of composed songs."""
    divergences, same = [], []
    network = band.network.awake()
    for seed in range(RUNS):
        tokens, known, masks = window_of(band, seed)
        heard = []
        for way in (PlainDecoder, QuickDecoder):
            decoder = way(network, 1)
            decoder.read([0], tokens[:, :OPENING], known[:, :OPENING])
            steps = range(OPENING, len(masks))
            heard.append(np.concatenate([decoder.step([0], tokens[:, i], known[:, i]) for i in steps]))
        allowed = torch.from_numpy(masks[OPENING:])
        plain, fast = (
            (torch.from_numpy(hidden) @ network.token.weight.detach().T).masked_fill(~allowed, -torch.inf)
            for hidden in heard
        )
        free = allowed.sum(-1) > 1
        apart = plain.log_softmax(-1) - fast.log_softmax(-1)
        divergences.append(torch.nan_to_num(plain.softmax(-1) * apart).sum(-1)[free])
        same.append((plain.argmax(-1) == fast.argmax(-1))[free])
    divergence, likeliest = torch.cat(divergences), torch.cat(same)
    return (
        f"The fast way rounds to 8 bits. Over {len(divergence)} tokens of {RUNS} songs its probabilities diverge from "
        f"the plain ones by {divergence.mean():.5f} nats a token (Kullback-Leibler; {divergence.max():.3f} at most), "
        f"and the likeliest token is the same in {100 * likeliest.float().mean():.1f} %."
    )


def window_of(band: Band, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first window of a song: tokens (1, T), inputs (1, T, len(INPUTS)), what may come next (T, vocabulary)."""
    (played,) = compose(band, "probability", range(seed, seed + 1))
    stream = t.encode(played.score(TEMPO_BPM), band.genre.archives[0])[: band.network.architecture.window]
    reader = Reader(BARS)
    known, masks = [], []
    for token in stream:
        reader.push(token)
        known.append(reader.inputs())
        masks.append(reader.allowed())
    return np.array([stream]), np.array([known]), np.array(masks)


if __name__ == "__main__":
    main()
