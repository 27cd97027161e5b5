"""Law 3: serving is training."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.config import HORIZONS
from models.release import Release
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput
from tests.agreement import (
    SCORE_TOLERANCE,
    TOLERANCE,
    heard,
)
from tests.laws.cases import OF_ARCHITECTURES, cuts, law, whole_history
from tests.listening import Fetched, listening
from tests.offline import CHAMPION, SIZES, Worker
from tests.oracle import Life


@law
@given(records=listening(), cuts=cuts, release=st.sampled_from((CHAMPION, *OF_ARCHITECTURES)))
def test_streamed_states_equal_a_forward_pass_over_whole_histories(
    records: Fetched, cuts: Sequence[tuple[int, int]], release: Release
) -> None:
    worker = Worker(release).serve_all(records, cuts)

    for who, life in heard(records).lives.items():
        offline = fold_whole(release, life)
        np.testing.assert_allclose(worker.states()[who].hidden, offline.hidden, atol=TOLERANCE)
        for horizon in range(len(HORIZONS)):
            answer = {(each.source_partition, each.user_id): each for each in worker.answers(horizon)}[who]
            scores = [track.score for track in answer.tracks]
            np.testing.assert_allclose(scores, offline.ranked[horizon].scores[0], atol=SCORE_TOLERANCE)


def fold_whole(release: Release, life: Life) -> StepOutput:
    anchors, num_hidden = np.array([len(life.plays) - 1]), release.network.config.hidden_size
    step_input = StepInput.from_nothing(whole_history(life), anchors, num_hidden=num_hidden)
    return step(release.recommender, step_input, sizes=SIZES)
