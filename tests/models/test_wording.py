"""A count has the noun that it takes."""

from models.wording import plural


def test_one_is_singular_and_all_other_counts_are_plural() -> None:
    assert [plural(count, "play") for count in (0, 1, 2, 1234)] == ["0 plays", "1 play", "2 plays", "1,234 plays"]
    assert [plural(count, "play waits", "plays wait") for count in (1, 2)] == ["1 play waits", "2 plays wait"]
