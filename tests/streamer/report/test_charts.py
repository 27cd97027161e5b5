from xml.etree import ElementTree as ET

import pytest

from streamer.report.charts import Annotation, Series, Shade, interval_chart, line_chart, plane


def drawing(html: str) -> ET.Element:
    """Parse the SVG at the beginning of a drawing, which must be well-formed."""
    return ET.fromstring(html[: html.index("</svg>") + len("</svg>")])


def circles(html: str) -> list[dict[str, str]]:
    return [dict(each.attrib) for each in drawing(html).iter("circle")]


def test_a_higher_value_is_drawn_higher_and_a_later_one_further_right() -> None:
    chart = line_chart(
        [Series("a < b", 0, [1, 2], [0.2, 0.4])], x_label="x", y_label="y", ticks=[(1, "one"), (2, "two")]
    )

    first, second = circles(chart)
    assert float(first["cx"]) < float(second["cx"])
    assert float(first["cy"]) > float(second["cy"])
    assert "a &lt; b" in chart


def test_bands_stay_inside_the_drawing() -> None:
    chart = line_chart(
        [Series("a", 0, [0, 1], [0.5, 0.9], [(-0.2, 0.7), (0.8, 1.4)])],
        x_label="x", y_label="y", ticks=[(0, "0"), (1, "1")], has_diagonal=True,
    )  # fmt: skip

    (band,) = (each for each in drawing(chart).iter("path") if each.get("class") == "band")
    numbers = [float(number) for point in band.attrib["d"].strip("MZ").split("L") for number in point.split()]
    assert min(numbers) >= 0
    assert max(numbers[1::2]) <= 300


def test_marks_and_shades_are_aligned_with_the_points_of_the_line() -> None:
    chart = line_chart(
        [Series("a", 0, [1, 2, 3], [0.2, 0.4, 0.3])], x_label="x", y_label="y", ticks=[(1, "one"), (3, "three")],
        marks=[Annotation(2, "B", "the <second>")], shades=[Shade(1, 3, "all of it")],
    )  # fmt: skip

    first, second, third = (float(circle["cx"]) for circle in circles(chart))
    (mark,) = (each for each in drawing(chart).iter("path") if each.get("class") == "mark")
    (shade,) = drawing(chart).iter("rect")
    assert mark.attrib["d"].startswith(f"M{second:.1f} ")
    assert float(shade.attrib["x"]) == first
    assert float(shade.attrib["width"]) == pytest.approx(third - first)
    assert "the &lt;second&gt;" in chart


def test_an_interval_holds_its_mean() -> None:
    chart = interval_chart([("ours", 0, 0.3, 0.25, 0.35), ("theirs", 1, -0.1, -0.2, 0.1)], zero=True)

    whiskers = [each.attrib["d"] for each in drawing(chart).iter("path") if each.get("class") == "whisker"]
    for circle, whisker in zip(circles(chart), whiskers, strict=True):
        low, high = whisker.strip("M").split(" ")[0], whisker.split("H")[1]
        assert float(low) < float(circle["cx"]) < float(high)


def test_a_path_ends_in_a_dot_of_its_colour() -> None:
    html = plane([(0, 0), (3, 4)], [1.0, 0.1], [[(0, 0), (1, 1), (2, 2)]])

    assert len(circles(html)) == 3
    assert "var(--c0)" in circles(html)[-1]["style"]
    assert sum(each.get("class") == "step" for each in drawing(html).iter("path")) == 2


@pytest.mark.parametrize("value", [0.0, 1e-5, 3.0])
def test_a_chart_of_one_value_can_be_drawn(value: float) -> None:
    drawing(line_chart([Series("a", 0, [1], [value])], x_label="x", y_label="y", ticks=[(1, "one")]))
    drawing(interval_chart([("a", 0, value, value, value)]))
