"""How far a reading has come."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from streamer.recordings.columns import ColumnChoice
from streamer.recordings.files import num_bytes_of
from streamer.recordings.plays import read_recording


@pytest.mark.parametrize("kind", ["csv", "parquet", "zip"])
def test_what_is_read_is_shown_in_bytes_of_the_recording(tmp_path: Path, kind: str) -> None:
    text = "user,track,time\n" + "".join(f"u{n % 7},t{n % 50},{1_600_000_000 + n}\n" for n in range(5000))
    (tmp_path / "a.csv").write_text(text)
    if kind == "parquet":
        pq.write_table(pa.csv.read_csv(tmp_path / "a.csv"), tmp_path / "b.parquet")
    elif kind == "zip":
        with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("b.csv", text)
    shown: list[float] = []

    read_recording(tmp_path, ColumnChoice(), show=shown.append)

    assert shown == sorted(shown)
    assert shown[0] == pytest.approx((tmp_path / "a.csv").stat().st_size, rel=0.1)
    assert shown[-1] == pytest.approx(num_bytes_of(tmp_path), abs=200)  # a zip archive also names its files


def test_duckdb_draws_nothing_of_its_own() -> None:
    statements = (
        "from streamer.recordings.sources import open_database\n"
        "print(open_database('UTC').execute(\"SELECT current_setting('enable_progress_bar')\").fetchone()[0])"
    )

    shown = subprocess.check_output([sys.executable, "-c", statements], text=True)  # here its default would be True

    assert shown == "False\n"
