"""What the doctor looks at of the champion: whether a worker could take it up."""

import asyncio

from models.release_files import InvalidRelease
from models.wording import plural
from streamer.errors import ReleaseError
from streamer.kafka.connection import connection_of
from streamer.operations.findings import failed, note, ok
from streamer.operations.offset_table import read_all
from streamer.operations.shapes import Finding
from streamer.releases.alias import find_champions
from streamer.releases.first import FIRST_RELEASE
from streamer.releases.loading import load_notice
from streamer.releases.signing import read_trust
from streamer.releases.store import Store
from streamer.settings import Settings


async def check_release(settings: Settings) -> list[Finding]:
    """Copy the champion as a worker does, and verify every byte and the signature."""
    trust = read_trust(settings.releases_public_keys)
    champions = await find_champions(connection_of(settings), settings.releases_topic)
    if not champions:
        return [note(await _without_release(settings))]
    champion, store = champions[-1], Store(settings.releases_url)
    max_bytes = settings.releases_max_mb << 20
    try:
        release = await asyncio.to_thread(load_notice, champion, store, max_bytes=max_bytes, trust=trust)
    except (InvalidRelease, ReleaseError) as exc:
        return [failed(f"{exc}; see `refrain releases list`, and promote an intact one, or roll back")]
    signed = "signed by a trusted key" if trust.keys else "not checked for a signature (REFRAIN_RELEASES_PUBLIC_KEYS)"
    tracks = plural(len(release.catalogue.track_ids), "track")
    return [ok(f"{release.release_id}, {tracks}: every byte verified, {signed}")]


async def _without_release(settings: Settings) -> str:
    """Say how many plays there are to make a first release of, and how."""
    num_plays = sum(each.end - each.begin for each in await read_all(settings))
    return (
        f"there is no release, so workers remember plays and give no answers; {settings.plays_topic} has {num_plays:,} "
        f"plays, and REFRAIN_TRAIN_MIN_PLAYS is {settings.train_min_plays:,} here: {FIRST_RELEASE}"
    )
