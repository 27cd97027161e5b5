from pathlib import Path

import pytest

from models.release_folder import FileTooLargeError, Folder

PIECE_BYTES = 16 << 20


@pytest.mark.parametrize("num_bytes", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
def test_a_file_is_written_and_read_in_pieces_of_a_bounded_size(tmp_path: Path, num_bytes: int) -> None:
    folder = Folder(str(tmp_path), "release")
    content = (b"0123456789abcdef0" * (num_bytes // 17 + 1))[:num_bytes]

    folder.write_pieces("file", [content[:100], memoryview(content)[100:]], num_bytes)
    pieces = list(folder.pieces("file", num_bytes))

    assert b"".join(pieces) == content
    assert max(map(len, pieces), default=0) <= PIECE_BYTES


def test_no_piece_of_a_file_that_is_too_large_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(11))

    with pytest.raises(FileTooLargeError, match=r"file has 11 bytes or more instead of at most 10"):
        next(Folder(str(tmp_path)).pieces("file", 10))
