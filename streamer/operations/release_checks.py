"""What the doctor looks at of the champion: whether a worker could take it up."""

import asyncio
from typing import Final

from models.release_files import InvalidRelease
from streamer.errors import ReleaseError
from streamer.kafka.connection import connection_of
from streamer.operations.findings import failed, note, ok
from streamer.operations.shapes import Finding
from streamer.releases.alias import find_champions
from streamer.releases.loading import load_notice
from streamer.releases.signing import read_trust
from streamer.releases.store import Store
from streamer.settings import Settings

_FIRST: Final = (
    "there is no champion, so workers give no answers: train a first release with `refrain trainer --once`, on the "
    "plays of the topic, or with `refrain train FILE` on others, then `refrain releases promote ID`"
)


async def check_release(settings: Settings) -> list[Finding]:
    """Copy the champion as a worker does, and verify every byte and the signature."""
    trust = read_trust(settings.releases_public_keys)
    champions = await find_champions(connection_of(settings), settings.releases_topic)
    if not champions:
        return [note(_FIRST)]
    champion, store = champions[-1], Store(settings.releases_url)
    max_bytes = settings.releases_max_mb << 20
    try:
        release = await asyncio.to_thread(load_notice, champion, store, max_bytes=max_bytes, trust=trust)
    except (InvalidRelease, ReleaseError) as exc:
        return [failed(f"{exc}; see `refrain releases list`, and promote an intact one, or roll back")]
    signed = "signed by a trusted key" if trust.keys else "not checked for a signature (REFRAIN_RELEASES_PUBLIC_KEYS)"
    return [ok(f"{release.release_id}, {len(release.catalogue.track_ids):,} tracks: every byte verified, {signed}")]
