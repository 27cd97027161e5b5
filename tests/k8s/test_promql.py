import pytest

from tests.k8s.promql import names_in


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up", {"up"}),
        ('sum by (le) (rate(a_bucket{cause="b c", le=~".+"}[5m]))', {"a_bucket"}),
        ("a / on (x) group_left () c:d:sum offset 1h", {"a", "c:d:sum"}),
        ("a > 0.5 * b unless on (instance) c_total == 3e5 # d", {"a", "b", "c_total"}),
        ("time() - max(a) > 3 * 86400", {"a"}),
    ],
)  # fmt: skip
def test_the_metrics_of_an_expression_are_found(expression: str, names: set[str]) -> None:
    assert names_in(expression) == names
