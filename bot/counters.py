"""What is counted while the bot runs; bot/metrics.py shows it."""

from prometheus_client import Counter, Gauge, Histogram

from bot.post import Post

SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600)

NETWORK_ERRORS = Counter(
    "lnh_network_errors", "Requests that ended otherwise than hoped for, by what became of them.", ["platform", "kind"],
    registry=None,
)  # fmt: skip
REFUSED = Gauge(
    "lnh_refused", "1 while a network refuses our token or our account.", ["platform"], registry=None
)
STAGE_SECONDS = Histogram(
    "lnh_stage_seconds", "Wall time of songs that were posted, by stage.", ["stage"], buckets=SECONDS, registry=None
)


def count_song(post: Post) -> None:
    """Count the times of a song that was just posted."""
    if post.track is None or "posted" not in post.times:
        return
    produced, times = post.track.stage_seconds, post.times
    stages = {
        **produced,
        "line": times["rendered"] - times["accepted"] - sum(produced.values()),  # waited for a worker
        "deliver": times["posted"] - times["rendered"],
        "all": times["posted"] - post.mention.created_at.timestamp(),
    }
    for stage, seconds in stages.items():
        STAGE_SECONDS.labels(stage).observe(max(0.0, seconds))
