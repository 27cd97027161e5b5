"""The whole job in stock Faust, play by play.

`python -m tests.bench.peers.stock_faust NAME NETWORK BROKERS DIRECTORY RELEASE`

As Faust's documentation shows it: an agent, a table in RocksDB with its changelog, two sends a play; at least once.
What it is given: a producer that waits for batches, records of raw bytes, a decoder in C, no web server.
"""

import asyncio
import sys
from pathlib import Path

import faust
import msgspec

from tests.bench.apart import mark
from tests.bench.peers.playing import Play, Player
from tests.bench.stage import PARTITIONS

_MARK_EVERY = 250


async def main(name: str, network: str, brokers: str, directory: str, release: str) -> None:
    """Answer plays until killed; the network is one of `RECOMMENDERS`."""
    app = faust.App(
        name, broker=f"kafka://{brokers}", store="rocksdb://", datadir=str(Path(directory) / name),
        value_serializer="raw", topic_partitions=PARTITIONS, topic_disable_leader=True, web_enabled=False,
        table_standby_replicas=0, consumer_auto_offset_reset="earliest", producer_linger=20,
        producer_max_batch_size=1 << 18,
    )  # fmt: skip
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    plays, lists = app.topic("plays", **raw), [app.topic(f"{name}.{horizon}", **raw) for horizon in ("short", "long")]
    states = app.Table("states", partitions=PARTITIONS, key_type=bytes, value_type=bytes)
    player, decode = Player(release, network), msgspec.json.Decoder(Play).decode
    num_plays = 0

    async def answer(stream: faust.StreamT) -> None:
        nonlocal num_plays
        async for event in stream.events():
            played = player.play(states.get(event.key), decode(event.value))
            states[event.key] = played.state
            await lists[0].send(key=event.key, value=played.short_term)
            await lists[1].send(key=event.key, value=played.long_term)
            num_plays += 1
            if num_plays % _MARK_EVERY == 0:
                mark(num_plays)

    app.agent(plays)(answer)
    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
