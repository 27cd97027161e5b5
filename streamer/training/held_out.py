"""Held-out plays: what a release that was trained offline is judged on, by the gate of the trainer."""

import logging
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.plays.split import Plays, Split, split_plays
from models.release import Release
from models.release_files import InvalidRelease, Json
from models.serving.recommender import Recommender
from models.wording import plural
from streamer.archive.plays import ArchivedPlays
from streamer.errors import ReleaseError
from streamer.releases.alias import noted_champion
from streamer.releases.loading import load_notice
from streamer.releases.store import Store
from streamer.training.comparison import Terms, columns, judge_candidate

logger = logging.getLogger(__name__)

MAX_JUDGED_PLAYS: Final = 10_000  # resolve HR@20 to one percent; a person waits for it, half a minute on a CPU
FEW_PLAYS: Final = 1000  # HR@20 is then known to three percent at best


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Plays, the newest of which no fit has seen.

    Attributes:
        plays: all of them.
        split: its training part is what the fit learned from; its test part judges.
    """

    plays: ArchivedPlays
    split: Split


def hold_out(plays: Plays, from_ms: int) -> HeldOut:
    """Hold out recorded plays from a time on.

    Args:
        plays: those learned from, and those after.
        from_ms: a fit learns from those before.
    """
    num_plays = len(plays.tracks)
    archived = ArchivedPlays(
        user_ids=[],
        users=plays.listeners,
        track_ids=list(plays.track_ids),
        tracks=plays.tracks,
        played_at_ms=plays.played_at_ms,
        contexts=np.zeros(num_plays, np.uint8) if plays.contexts is None else plays.contexts,
        skipped=np.zeros(num_plays, np.bool_),
        partitions=np.zeros(num_plays, np.int32),
        offsets=np.arange(num_plays),
    )
    return HeldOut(archived, _split(plays, from_ms))


def hold_out_archived(plays: ArchivedPlays, from_ms: int) -> HeldOut:
    """Hold out archived plays from a time on."""
    return HeldOut(plays, _split(columns(plays), from_ms))


def _split(plays: Plays, from_ms: int) -> Split:
    """Split plays so that the newest judge, but no more than `MAX_JUDGED_PLAYS`."""
    newest_ms = int(np.sort(plays.played_at_ms)[-MAX_JUDGED_PLAYS:][0])
    return split_plays(plays, t1_ms=from_ms, t2_ms=max(from_ms, newest_ms))


def judge_offline(
    held_out: HeldOut | None, recommender: Recommender, champion: Release | None, fresh_after_s: float
) -> dict[str, Json]:
    """Judge weights on held-out plays, as the trainer's gate does; return the metrics that the release keeps.

    Args:
        held_out: None if there are none.
        recommender: the weights.
        champion: to compare with; None if there is none.
        fresh_after_s: of the gate.
    """
    if held_out is None:
        return {"verdict": "Not judged: no plays were held out."}
    if not (num_plays := len(held_out.split.anchors("test"))):
        return {"verdict": "Not judged: no listener played a known track among the plays held out; use more plays."}
    terms = Terms(int(time.time() * 1000), fresh_after_s, len(held_out.plays))
    judgement = judge_candidate(held_out.plays, held_out.split, recommender, champion, terms)
    doubt = f" The figures rest on only {plural(num_plays, 'play')}." if num_plays < FEW_PLAYS else ""
    return {**judgement.metrics, "verdict": f"{judgement.verdict.paragraph}{doubt}"}


def champion_in(store: Store) -> Release | None:
    """Load the release that the store says is champion; None if it says none, or if that cannot be loaded."""
    try:
        notice = noted_champion(store)
        return None if notice is None else load_notice(notice, store)
    except (InvalidRelease, ReleaseError) as exc:
        logger.warning("the champion cannot be loaded; judging without it: %s", exc)
        return None
