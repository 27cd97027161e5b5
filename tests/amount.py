"""How many examples a property is tried on: all, or with `--hypothesis-profile few`, as in `make check`, a quarter."""

from typing import Final

from hypothesis import settings

#: Examples where a property asks for nothing else, as hypothesis does; and those of the short way.
ALL: Final = 100
FEW: Final = 25

#: However few there are, the simplest ones and some others come.
_LEAST: Final = 5


def examples(num: int) -> int:
    """Return how many of `num` examples a property is tried on."""
    return max(min(num, _LEAST), num * settings().max_examples // ALL)
