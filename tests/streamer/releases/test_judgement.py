import pytest

from models.release_files import Json
from streamer.releases.judgement import Standing, first_sentence, standing_of


@pytest.mark.parametrize(
    ("metrics", "standing"),
    [
        ({}, Standing.UNJUDGED),
        ({"verdict": "Not judged: too few plays."}, Standing.UNJUDGED),
        ({"passed": True, "verdict": "Passed: good."}, Standing.PASSED),
        ({"passed": False, "verdict": "Refused: bad."}, Standing.REFUSED),
        ({"verdict": "Published: of an earlier version."}, Standing.PASSED),
        ({"passed": 1, "verdict": 1}, Standing.UNJUDGED),
    ],
)
def test_a_release_says_how_it_stands_with_the_gate(metrics: dict[str, Json], standing: Standing) -> None:
    assert standing_of(metrics) is standing


def test_a_verdict_in_short_is_its_first_sentence() -> None:
    assert first_sentence({"verdict": "Passed: 0.5 better. Judged on 3 plays."}) == "Passed: 0.5 better"
    assert first_sentence({}) == ""
