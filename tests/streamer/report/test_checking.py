from streamer.report.checking import disagreements
from streamer.report.figures import Figures


def trained(hr: float, *, seed: int = 1) -> Figures:
    return {"seeds": [seed], "of_seeds": {str(seed): {"hr_at_20": hr, "mrr_at_20": 0.2}}, "hr_at_20": 9.0}


def counted(hr: float) -> Figures:
    return {"seeds": [], "of_seeds": {}, "hr_at_20": hr, "mrr_at_20": 0.2}


def test_figures_of_training_may_differ_by_a_hundredth() -> None:
    written = {"gru4rec": trained(0.40)}

    assert list(disagreements(written, {"gru4rec": trained(0.409)}, 1)) == []
    assert list(disagreements(written, {"gru4rec": trained(0.411)}, 1)) == [
        "gru4rec: hr_at_20 is 0.41100, published as 0.4"
    ]


def test_figures_of_counts_may_not_differ() -> None:
    written = {"markov": counted(0.40)}

    assert list(disagreements(written, {"markov": counted(0.4004)}, 1)) == []
    assert len(list(disagreements(written, {"markov": counted(0.401)}, 1))) == 1


def test_unpublished_figures_disagree() -> None:
    reproduced = {"markov": counted(0.4), "gru4rec": trained(0.4, seed=2)}

    lines = list(disagreements({"gru4rec": trained(0.4)}, reproduced, 2))

    assert lines == [
        "markov: no figures are published for seed 2", "gru4rec: no figures are published for seed 2",
    ]  # fmt: skip
