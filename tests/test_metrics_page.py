from tests.metrics_page import PAGE, render_page


def test_the_committed_page_has_every_metric() -> None:
    assert PAGE.read_text() == render_page(), "run `make public`"
