"""Beside the plays: what answers questions over HTTP, and what runs for it; the one place that builds it."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from streamer.faust.app import is_ready, member_id, owned_partitions
from streamer.kafka.connection import connection_of
from streamer.kafka.follower import Follower
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.rights import (
    letter_reader_rights,
    letter_remover_rights,
    letter_sender_rights,
    promoter_rights,
    release_reader_rights,
)
from streamer.letters.desk import desk_of
from streamer.page import BUILT
from streamer.queries.access import access_routes, openapi_routes
from streamer.queries.assets import Assets
from streamer.queries.calls import Calls
from streamer.queries.door import Door
from streamer.queries.errands import Errands
from streamer.queries.events import Streams
from streamer.queries.feed import Feed, feed_routes
from streamer.queries.figures import figure_routes
from streamer.queries.hits import Hits, hit_routes
from streamer.queries.letter_views import summarise
from streamer.queries.letters import LetterQueries, LetterRights, letter_routes
from streamer.queries.listeners import listener_routes
from streamer.queries.maps import map_routes, path_routes
from streamer.queries.owners import Owners
from streamer.queries.peers import Peers
from streamer.queries.releases import ReleaseQueries, ReleaseRights, release_routes
from streamer.queries.sampling import Sampling
from streamer.queries.server import Queries
from streamer.queries.tracks import track_routes
from streamer.queries.workers import Lookout, worker_routes
from streamer.releases.copies import UnnamedCopies
from streamer.releases.promotion import Promoter
from streamer.releases.signing import read_signer, read_trust
from streamer.releases.store import Store
from streamer.runtime.tasks import start_vital
from streamer.settings import Settings
from streamer.wire.views_hits import LiveHits
from streamer.wire.views_workers import ShownSelf
from streamer.worker.app import HEARD_MASKED, Worker
from streamer.worker.listening import Listening
from streamer.worker.maps import Maps
from streamer.worker.names import MAX_RECORDS as NAMED_AT_ONCE
from streamer.worker.names import Names
from streamer.worker.tracks import Tracks

#: Seconds that the store of the releases has to answer whoever looks on; a worker itself is more patient.
_STORE_S = 5.0


@dataclass(frozen=True, slots=True)
class Beside:
    """What a worker does beside its plays.

    Attributes:
        queries: answer questions over HTTP.
        listening: answers those about listeners.
        feed: samples the worker's figures, and tells whoever follows them.
        peers: asks the other workers.
        names: of tracks.
    """

    queries: Queries
    listening: Listening
    feed: Feed
    peers: Peers
    names: Names

    def start(self) -> "list[asyncio.Task[None]]":
        """Start what runs all the time; return its tasks, for whoever started it to cancel."""
        return [
            start_vital(self.feed.sampling.run(), "sampling of figures"),
            start_vital(self.feed.run(), "feed of events"),
        ]

    async def close(self) -> None:
        """Answer nothing more; the web server has stopped."""
        await self.names.stop()
        await self.peers.close()
        self.listening.close()


def create_beside(settings: Settings, worker: Worker, num_partitions: int) -> Beside:
    """Build what runs beside a worker's plays."""
    listening = create_listening(settings, worker, num_partitions)
    peers, names = create_peers(settings, worker), create_names(settings)
    sampling = create_sampling(settings, worker)
    lookout = create_lookout(worker, peers, sampling)
    feed = Feed(sampling, lookout)
    queries = create_queries(settings, worker, listening, feed=feed, lookout=lookout, names=names)
    return Beside(queries, listening, feed, peers, names)


def create_listening(settings: Settings, worker: Worker, num_partitions: int) -> Listening:
    """Build what answers questions about listeners, beside a worker's plays."""
    app, answering = worker.app, worker.answering
    partitioners = [PARTITIONERS[settings.partitioner]] if settings.partitioner else list(PARTITIONERS.values())

    def answered() -> list[int]:
        return [tp.partition for tp in owned_partitions(app, settings.plays_topic)] if is_ready(app) else []

    return Listening(
        table=answering.table,
        champion=answering.release,
        withdrawn=lambda: answering.withdrawals.keys,
        sizes=(settings.short_term_size, settings.long_term_size),
        heard_masked=HEARD_MASKED[settings.answer],
        homes=lambda key: sorted({partition_of(key, num_partitions) for partition_of in partitioners}),
        answered=answered,
        latest=lambda: answering.latest.users,
    )


def create_names(settings: Settings) -> Names:
    """Build what keeps the names of tracks on the worker's disk, for whoever looks on."""
    follower = Follower(connection_of(settings), settings.catalogue_topic, max_records=NAMED_AT_ONCE)
    return Names(follower, settings.catalogue_topic, settings.state_dir / "names")


def create_sampling(settings: Settings, worker: Worker) -> Sampling:
    """Build what samples the figures of a worker."""
    answering = worker.answering

    def partitions() -> int:
        return len(owned_partitions(worker.app, settings.plays_topic)) if is_ready(worker.app) else 0

    return Sampling(answering.metrics, answering.release_id, partitions)


def create_lookout(worker: Worker, peers: Peers, sampling: Sampling) -> Lookout:
    """Build what looks at all workers."""
    answering = worker.answering

    def itself() -> ShownSelf:
        letters = tuple(map(summarise, answering.letters.named()))
        return ShownSelf(peers.member_id(), answering.release_id(), sampling.latest(), letters)

    return Lookout(peers, itself, answering.table.partitions)


def create_peers(settings: Settings, worker: Worker) -> Peers:
    """Build what asks the other workers."""
    token = (settings.read_token or settings.act_token).get_secret_value()
    owners = Owners(connection_of(settings), settings.app_id, settings.plays_topic, settings.changelog_topic)
    return Peers(owners, Calls(), Streams(), lambda: member_id(worker.app), token)


def create_queries(
    settings: Settings, worker: Worker, listening: Listening, *, feed: Feed, lookout: Lookout, names: Names
) -> Queries:
    """Build what answers questions over HTTP: the table of all routes, and who may ask."""

    def is_settled() -> bool:
        return is_ready(worker.app)

    peers, tracks = lookout.peers, Tracks(listening.champion, listening.withdrawn, names, listening.sideline)
    errands, hits = Errands(connection_of(settings)), Hits(peers, worker.answering.hits.shown)
    door = Door(settings.read_token.get_secret_value(), settings.act_token.get_secret_value())
    routes = [
        *access_routes(door),
        *peers.forwarding([*listener_routes(listening, peers.streams, is_settled), *path_routes(listening)]),
        *worker_routes(lookout),
        *figure_routes(feed.sampling, lookout),
        *feed_routes(feed, peers.streams),
        *letter_routes(letter_queries(settings, errands)),
        *hit_routes(hits),
        *release_routes(release_queries(settings, errands, hits.live)),
        *track_routes(tracks),
        *map_routes(Maps(listening.champion, names, listening.sideline)),
    ]
    return Queries(
        routes=[*routes, *openapi_routes(routes)],
        door=door,
        streams=peers.streams,
        assets=Assets.read(BUILT),
        metrics=worker.answering.metrics.queries,
        is_settled=is_settled,
    )


def letter_queries(settings: Settings, errands: Errands) -> LetterQueries:
    """Build what answers questions about dead letters."""
    rights = LetterRights(
        letter_reader_rights(settings), letter_sender_rights(settings), letter_remover_rights(settings)
    )
    return LetterQueries(desk_of(settings), errands, rights)


def release_queries(
    settings: Settings, errands: Errands, live: Callable[[], Awaitable[Sequence[LiveHits]]]
) -> ReleaseQueries:
    """Build what answers questions about releases."""
    copies = settings.state_dir / "promoted"
    shutil.rmtree(copies, ignore_errors=True)  # what a crash has left
    promoter = Promoter(
        connection_of(settings),
        settings.releases_topic,
        Store(settings.releases_url, limit_s=_STORE_S),
        read_signer(settings.releases_signing_key.get_secret_value()),
        read_trust(settings.releases_public_keys),
        UnnamedCopies(copies),
        settings.releases_max_mb << 20,
    )
    rights = ReleaseRights(release_reader_rights(settings), promoter_rights(settings))
    return ReleaseQueries(promoter, errands, rights, live)
