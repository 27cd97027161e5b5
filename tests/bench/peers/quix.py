"""The whole job in Quix Streams, play by play.

`python -m tests.bench.peers.quix NAME NETWORK BROKERS DIRECTORY RELEASE`

A stateful function over a data frame of the topic, with two outputs; exactly once. What it is given: raw bytes in and
out, a decoder in C, commits once a second, a producer that waits for batches.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec
from quixstreams import Application

from tests.bench.apart import mark
from tests.bench.peers.playing import Play, Player

_MARK_EVERY = 250


def main(name: str, network: str, brokers: str, directory: str, release: str) -> None:
    """Answer plays until killed; the network is one of `RECOMMENDERS`."""
    app = Application(
        broker_address=brokers, consumer_group=name, state_dir=Path(directory), auto_offset_reset="earliest",
        processing_guarantee="exactly-once", commit_interval=1.0, loglevel="WARNING",
        producer_extra_config={"linger.ms": 20},
    )  # fmt: skip
    plays = app.topic("plays", value_deserializer="bytes", key_deserializer="bytes")
    short, long = (
        app.topic(f"{name}.{horizon}", value_serializer="bytes", key_serializer="bytes")
        for horizon in ("short", "long")
    )
    player, decode = Player(release, network), msgspec.json.Decoder(Play).decode
    num_plays = 0

    def answer(value: bytes, state: Any) -> tuple[bytes, bytes]:
        nonlocal num_plays
        played = player.play(state.get_bytes("state"), decode(value))
        state.set_bytes("state", played.state)
        num_plays += 1
        if num_plays % _MARK_EVERY == 0:
            mark(num_plays)
        return played.short_term, played.long_term

    answers = app.dataframe(plays).apply(answer, stateful=True)
    answers.apply(lambda lists: lists[0]).to_topic(short)
    answers.apply(lambda lists: lists[1]).to_topic(long)
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
