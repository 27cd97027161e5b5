"""Wording: a count and its noun, as people read them."""


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun, and a verb where one follows.

    Args:
        count: of any size.
        one: the singular.
        many: the plural, where it is not the singular and an s.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
