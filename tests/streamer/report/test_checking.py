from streamer.report.checking import disagreements
from streamer.report.figures import Figures


def trained(hr: float, *, seed: int = 1) -> Figures:
    return {"seeds": [seed], "of_seeds": {str(seed): {"hr_at_20": hr, "mrr_at_20": 0.2}}, "hr_at_20": 9.0}


def counted(hr: float) -> Figures:
    return {"seeds": [], "of_seeds": {}, "hr_at_20": hr, "mrr_at_20": 0.2}


def test_what_is_trained_may_differ_by_a_hundredth() -> None:
    written = {"gru4rec": trained(0.40)}

    assert list(disagreements(written, {"gru4rec": trained(0.409)}, 1)) == []
    assert list(disagreements(written, {"gru4rec": trained(0.411)}, 1)) == [
        "gru4rec: hr_at_20 is 0.41100 anew, 0.4 as written down"
    ]


def test_what_is_counted_may_not() -> None:
    written = {"markov": counted(0.40)}

    assert list(disagreements(written, {"markov": counted(0.4004)}, 1)) == []
    assert len(list(disagreements(written, {"markov": counted(0.401)}, 1))) == 1


def test_what_is_not_written_down_disagrees() -> None:
    anew = {"markov": counted(0.4), "gru4rec": trained(0.4, seed=2)}

    found = list(disagreements({"gru4rec": trained(0.4)}, anew, 2))

    assert found == [
        "markov: no figures of seed 2 are written down", "gru4rec: no figures of seed 2 are written down",
    ]  # fmt: skip
