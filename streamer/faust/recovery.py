"""Faust's recovery with two changes, each pinned by a contract test.

- Faust sleeps for a second at each start, before the worker joins its group. Ours does not.
- Faust refuses a standby's store that is ahead of what a reader of committed records can read. Ours accepts it: it is
  the normal case just after the partition has gone to another worker, because Kafka reports a transaction as committed
  before its marker is in the changelog. If the changelog really was lost, the standby finds out when it reads on from
  an offset that does not exist.
"""

import logging
from collections import Counter

from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from faust.types.transports import ConsumerT


class ChunkRecovery(Recovery):
    """Recovery that accepts the store of a partition that has just gone to another worker."""

    logger = logging.getLogger(
        f"{Recovery.__module__}.chunks"
    )  # under streamer's name, its tables would be logged at info

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
        """The service that recovers the tables."""
        if self._recovery is None:
            self._recovery = ChunkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
