"""Where a worker finds a release: from the record of a notice to a champion, ready to use."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
import torch
from aiokafka import ConsumerRecord

from models.config import SHORT_TERM_SIZE
from models.release import Release
from models.release_files import InvalidRelease
from streamer.errors import ReleaseError
from streamer.releases.copies import KeptCopies
from streamer.releases.loading import NoticeError, load_notice
from streamer.releases.signing import ANYONE, Trust
from streamer.releases.store import Store, describe
from streamer.wire.messages import ReleaseNotice
from streamer.wire.recommendations import ListEncoder
from streamer.worker.trial import try_out

NoticeRecord: TypeAlias = "ConsumerRecord[bytes, bytes]"

_read_notice: Final = msgspec.json.Decoder(ReleaseNotice).decode


@dataclass(frozen=True, slots=True)
class Champion:
    """The release that answers, ready to use.

    Attributes:
        release: network and catalogue.
        promoted_at_ms: Kafka's timestamp of its notice, which orders releases, including one that was rolled back to.
        lists: writes answers over its catalogue.
        popular: the keys of the tracks that were most popular of late, as many as a short-term list has; none if the
            release does not say.
    """

    release: Release
    promoted_at_ms: int
    lists: ListEncoder
    popular: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a worker finds releases.

    Attributes:
        store: where they are.
        device: where networks go.
        max_bytes: the most that a release may have.
        copies: of the releases on the worker's own disk.
        trust: whose releases are taken up.
    """

    store: Store
    device: torch.device
    max_bytes: int
    copies: KeptCopies
    trust: Trust = ANYONE

    def load(self, record: NoticeRecord) -> Champion:
        """Copy, verify, load and try out the release that a notice names.

        Raises:
            NoticeError: it is no notice.
            ReleaseError: the release cannot be taken up.
        """
        at = f"notice at offset {record.offset} of {record.topic}"
        assert record.value is not None
        try:
            notice = _read_notice(record.value)
        except ValueError as exc:  # msgspec's, of what is no notice, or Python's, of what is no UTF-8
            raise NoticeError(f"{at}: {exc}; promote a release with `refrain releases promote`") from exc
        try:
            release = load_notice(
                notice, self.store, self.device, max_bytes=self.max_bytes, trust=self.trust, copies=self.copies
            )
            try_out(release)  # else it would end every worker at the first play
            return Champion(release, record.timestamp, ListEncoder(release.catalogue.track_ids), _popular(release))
        except InvalidRelease as exc:
            raise ReleaseError(f"{at}: {exc}") from exc
        except ReleaseError as exc:
            raise type(exc)(f"{at}: {exc}") from exc
        except Exception as exc:
            raise ReleaseError(f"{at}: {describe(exc)}; save the release again, or report this") from exc


def _popular(release: Release) -> frozenset[int]:
    reranker = release.recommender.reranker
    if reranker is None:
        return frozenset()
    tracks = reranker.sources.most_popular_of_late(SHORT_TERM_SIZE).cpu().numpy()
    return frozenset(release.catalogue.keys[tracks].tolist())
