"""An age in words, as a verdict and a list of releases write it."""


def span(seconds: float) -> str:
    """Write an age in the unit that suits it."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
