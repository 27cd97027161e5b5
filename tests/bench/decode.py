"""Measure the CPU cost of decoding a play: `python -m tests.bench.decode`."""

import time

import msgspec
import numpy as np

from streamer.wire.plays import decode

_NUM_PLAYS, _NUM_TRACKS, _CHUNK = 200_000, 50_000, 500


def main() -> None:
    """Print microseconds per play."""
    rng = np.random.default_rng(7)
    tracks = rng.zipf(1.2, _NUM_PLAYS) % _NUM_TRACKS
    users = rng.integers(0, 20_000, _NUM_PLAYS)
    plays = [
        {
            "user_id": f"user-{user}",
            "track_id": f"spotify:track:{track:022d}",
            "played_at": 1_795_469_401_000,
            "context": "playlist",
            "ms_played": 181_000,
            "skipped": False,
        }
        for user, track in zip(users.tolist(), tracks.tolist(), strict=True)
    ]
    values = [msgspec.json.encode(play) for play in plays]
    keys = [str(play["user_id"]).encode() for play in plays]
    times, types = [1_795_469_401_500] * _NUM_PLAYS, [0] * _NUM_PLAYS
    start_s = time.process_time()
    num_accepted = 0
    for at in range(0, _NUM_PLAYS, _CHUNK):
        part = slice(at, at + _CHUNK)
        num_accepted += len(decode(keys[part], values[part], times[part], types[part]).plays)
    spent_s = time.process_time() - start_s
    print(f"decode: {spent_s / num_accepted * 1e6:.2f} us of CPU per play, {num_accepted} plays")  # noqa: T201


if __name__ == "__main__":
    main()
