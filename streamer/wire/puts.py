"""Inlined pieces of kernels that write bytes: each puts something at a place of an array, and returns the next place.

Places are unsigned: numba reads a negative index from the end, and its test for that makes a copy ten times slower.
"""

import numpy as np
from numpy.typing import NDArray

from models.compiled import inlined

Bytes = NDArray[np.uint8]

_QUOTE, _BACKSLASH, _U, _ZERO = (np.uint8(ord(letter)) for letter in '"\\u0')
_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def _short_escapes() -> Bytes:
    """Return, by the byte to escape, the letter behind the backslash; 0 where there is none: uint8 (256,)."""
    letters = np.zeros(256, np.uint8)
    for byte, letter in {'"': '"', "\\": "\\", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}.items():
        letters[ord(byte)] = ord(letter)
    return letters


_SHORT_ESCAPES = _short_escapes()


@inlined
def put_bytes(out: Bytes, at: int, source: Bytes, begin: int, size: int) -> int:
    """Copy `size` bytes of `source` from `begin` on."""
    place, origin = np.uint64(at), np.uint64(begin)
    for i in range(np.uint64(size)):
        out[place + i] = source[origin + i]
    return at + size


@inlined
def put_varint(out: Bytes, at: int, number: int) -> int:
    """Write an integer as Kafka's varint: zigzag, seven bits a byte, the lowest first."""
    left = np.uint64((number << 1) ^ (number >> 63))
    place = np.uint64(at)
    while left > np.uint64(0x7F):
        out[place] = np.uint8(np.uint64(0x80) | (left & np.uint64(0x7F)))
        left >>= np.uint64(7)
        place += np.uint64(1)
    out[place] = np.uint8(left)
    return int(place) + 1


@inlined
def varint_size(number: int) -> int:
    """Return how many bytes `put_varint` writes."""
    left = np.uint64((number << 1) ^ (number >> 63)) >> np.uint64(7)
    size = 1
    while left > np.uint64(0):
        left >>= np.uint64(7)
        size += 1
    return size


@inlined
def put_decimal(out: Bytes, at: int, number: int) -> int:
    """Write a non-negative integer in decimal."""
    size, rest = 1, number // 10
    while rest > 0:
        size += 1
        rest //= 10
    rest = number
    for i in range(size):
        out[np.uint64(at + size - 1 - i)] = np.uint8(48 + rest % 10)
        rest //= 10
    return at + size


@inlined
def put_json_string(out: Bytes, at: int, source: Bytes, begin: int, size: int) -> int:
    """Write a string in UTF-8 as JSON, quoted and escaped as msgspec does; at most 2 + 6 * size bytes."""
    out[np.uint64(at)] = _QUOTE
    at += 1
    for i in range(size):
        byte = source[np.uint64(begin + i)]
        if byte >= 0x20 and byte not in (_QUOTE, _BACKSLASH):
            out[np.uint64(at)] = byte
            at += 1
            continue
        out[np.uint64(at)] = _BACKSLASH
        letter = _SHORT_ESCAPES[byte]
        if letter:
            out[np.uint64(at + 1)] = letter
            at += 2
            continue
        out[at + 1], out[at + 2], out[at + 3], out[at + 4] = _U, _ZERO, _ZERO, _ZERO + (byte >> 4)
        out[at + 5] = _HEX_DIGITS[byte & 15]
        at += 6
    out[np.uint64(at)] = _QUOTE
    return at + 1
