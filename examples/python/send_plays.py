"""Send plays, one JSON object a line, or forget a listener.

python send_plays.py KAFKA < plays.jsonl
python send_plays.py KAFKA forget USER
"""

import asyncio
import json
import sys
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from messages import Play


def play_producer(kafka: str) -> AIOKafkaProducer:
    # Idempotence: no retry writes a play twice. The default partitioner is murmur2, as Java's.
    return AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, acks="all")


async def send(producer: AIOKafkaProducer, plays: Iterable[Play]) -> None:
    written = [await producer.send("plays", json.dumps(play).encode(), key=play["user_id"].encode()) for play in plays]
    await asyncio.gather(*written)  # raises if Kafka did not take one


async def forget(producer: AIOKafkaProducer, user_id: str) -> None:
    await producer.send_and_wait("plays", None, key=user_id.encode())


async def main(kafka: str, *command: str) -> None:
    async with play_producer(kafka) as producer:
        if command:
            _, user_id = command
            await forget(producer, user_id)
        else:
            await send(producer, map(json.loads, sys.stdin))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
