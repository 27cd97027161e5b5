"""Print every rejected play with the reason, for those who fix the producer: python read_dead_letters.py KAFKA."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def main(kafka: str) -> None:
    consumer = AIOKafkaConsumer(
        "plays.dead-letter",
        bootstrap_servers=kafka,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        group_id=None,
    )
    async with consumer:
        async for record in consumer:
            headers = {name: value.decode(errors="replace") for name, value in record.headers}
            if record.value is None or "error" not in headers:
                continue  # the letter was sent again, discarded or forgotten
            source = f"{headers['source-partition']}:{headers['source-offset']}"
            print(headers["error"], source, headers["reason"], sep="\t", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
