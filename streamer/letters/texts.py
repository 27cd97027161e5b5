"""Keys and values of rejected plays as text: they may hold whatever somebody has sent."""

import codecs


def escape(text: str) -> str:
    """Escape unprintable characters as Python literals do: a rejected play may contain terminal codes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def beginning(content: bytes, num_bytes: int) -> str:
    """Return the beginning of some bytes as printable text, with an ellipsis where it was cut."""
    is_cut = len(content) > num_bytes
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    text = decoder.decode(content[:num_bytes], final=not is_cut)  # half a character at the cut is left out
    return escape(text) + "…" * is_cut
