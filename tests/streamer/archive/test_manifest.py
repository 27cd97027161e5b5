"""The archive's manifest: replaced atomically, and rejected if it is unreadable."""

from pathlib import Path

import pytest

from streamer.archive.manifest import ArchiveFile, ArchiveManifest, FitWindow, read_manifest, replace_manifest
from streamer.errors import ContractError

TODAY = 20_000


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = ArchiveManifest(
        next_offsets={0: 7, 3: 2},
        files=(ArchiveFile("plays-00000004.parquet", 9, TODAY, 1_700_000_000_000, 1_700_000_000_009),),
        num_appended=12,
        fitted_at_ms=5,
        fitting=FitWindow({0: 4}, 8),
    )

    replace_manifest(tmp_path, ArchiveManifest())
    replace_manifest(tmp_path, manifest)

    assert read_manifest(tmp_path, TODAY) == manifest


def test_a_half_written_manifest_is_not_read(tmp_path: Path) -> None:
    replace_manifest(tmp_path, ArchiveManifest(num_appended=1))
    (tmp_path / "manifest.json.new").write_bytes(b"half a mani")

    assert read_manifest(tmp_path, TODAY).num_appended == 1


def test_without_a_manifest_the_archive_is_empty(tmp_path: Path) -> None:
    assert read_manifest(tmp_path, TODAY) == ArchiveManifest()


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"format_version": 3}', "format version 3; this trainer reads up to 2"),
        ('{"format_version": 1}', "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_rejected(tmp_path: Path, manifest: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)

    with pytest.raises(ContractError, match=message):
        read_manifest(tmp_path, TODAY)
