from __future__ import annotations

from functools import cached_property

from models.training.checkpoint import Fingerprint
from models.training.context import DEFAULT_CONTEXT, FitContext
from models.training.loop import Progress
from models.training.ranks import Ranks
from tests.models.training.test_loop import Kept

FINGERPRINT: Fingerprint = {"plays": 7}


class KeptOfBoth(Kept):
    """A checkpoint in memory, with another one for the network of earlier plays."""

    @cached_property
    def earlier(self) -> Kept:
        return Kept()


class SecondRank(Ranks):
    """A rank to which the first hands out nothing."""

    def hand_out(self, content: bytes) -> bytes:
        assert content == b""
        return content


def test_a_stage_has_its_own_name_and_checkpoint() -> None:
    reports, checkpoint = list[Progress](), KeptOfBoth()
    context = FitContext(progress=reports.append, checkpoint=checkpoint)

    earlier, network = (context.of_stage(stage) for stage in ("network of earlier plays", "network"))
    for narrowed in (earlier, network):
        narrowed.progress(Progress(1, 2, 3, 4, loss=0.5))

    assert [progress.stage for progress in reports] == ["network of earlier plays", "network"]
    assert (earlier.checkpoint, network.checkpoint) == (checkpoint.earlier, checkpoint)


def test_without_a_checkpoint_no_stage_has_one() -> None:
    assert DEFAULT_CONTEXT.of_stage("network of earlier plays").checkpoint is None
    assert DEFAULT_CONTEXT.read_snapshot(FINGERPRINT) is None


def test_other_ranks_read_no_checkpoint() -> None:
    checkpoint = Kept()
    checkpoint.content = b"damaged"

    context = FitContext(checkpoint=checkpoint, ranks=SecondRank(rank=1, size=2))

    assert context.read_snapshot(FINGERPRINT) is None
