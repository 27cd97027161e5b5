"""Keep the latest lists of every listener, and print each change: python read_answers.py KAFKA."""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer
from messages import Recommendation

TOPICS = ("recommendations.short-term", "recommendations.long-term")


async def main(kafka: str) -> None:
    latest: dict[tuple[str, str], Recommendation] = {}
    consumer = AIOKafkaConsumer(
        *TOPICS,
        bootstrap_servers=kafka,
        isolation_level="read_committed",  # else it sees lists that a worker took back
        auto_offset_reset="earliest",  # both topics are compacted: from the beginning is everybody's latest
        group_id=None,  # every instance of this program keeps all lists
    )
    async with consumer:
        async for record in consumer:
            listener, topic = record.key.decode(), record.topic
            if record.value is None:  # forgotten: delete their lists wherever you keep them
                latest.pop((listener, topic), None)
                print(listener, topic, "forgotten", sep="\t", flush=True)
                continue
            answer: Recommendation = json.loads(record.value)
            latest[listener, topic] = answer  # a listener's records are in order, in one partition
            print(listener, topic, *(track["track_id"] for track in answer["tracks"]), sep="\t", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
