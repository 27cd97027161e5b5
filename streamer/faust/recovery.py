"""Recovery is Faust's; two of its habits are not kept, each pinned by a contract test.

- It sleeps for a second at each start, before the worker joins its group.
- It refuses a standby's store that is ahead of what readers of committed records may read. That is where a store stands
  whose partition has just moved on: Kafka says that a transaction is committed before its marker is in the changelog.
  A changelog that was really lost is found out when the standby reads on from where nothing is.
"""

import logging
from collections import Counter

from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from faust.types.transports import ConsumerT


class ChunkRecovery(Recovery):
    """Recovery that bears with the store of a partition that has just moved on."""

    logger = logging.getLogger(f"{Recovery.__module__}.chunks")  # told as Faust tells it, in tables, and so not at info

    async def _build_highwaters(
        self, consumer: ConsumerT, tps: set[TP], destination: "Counter[TP]", title: str
    ) -> None:
        await super()._build_highwaters(consumer, tps, destination, title)
        if title == "standby":
            for tp in tps:
                destination[tp] = max(destination[tp], self.standby_offsets[tp])


class EagerTables(TableManager):
    """The tables of an app that joins its group at once."""

    _recovery: ChunkRecovery | None = None

    async def on_start(self) -> None:
        """Subscribe to the changelogs and be ready to recover."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> ChunkRecovery:
        """What recovers the tables."""
        if self._recovery is None:
            self._recovery = ChunkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
