"""The page as it is committed: what its source builds, small, and fit for a strict content security policy."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from streamer.page import BUILT

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "streamer" / "page" / "source"
COMPRESSED = (".br", ".gz")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built() -> dict[str, bytes]:
    return files_of(BUILT)


def test_the_page_names_its_script_its_style_and_its_font(built: dict[str, bytes]) -> None:
    named = re.findall(r'(?:src|href)="(assets/[^"]+)"', built["index.html"].decode())

    assert sorted(Path(name).suffix for name in named) == [".css", ".js", ".woff2"]
    assert set(named) == {name for name in built if name.startswith("assets/") and not name.endswith(COMPRESSED)}


def test_each_text_is_there_compressed(built: dict[str, bytes]) -> None:
    texts = [name for name in built if name.endswith((".html", ".js", ".css"))]

    assert len(texts) == 3
    assert all(gzip.decompress(built[f"{name}.gz"]) == built[name] for name in texts)
    assert all(0 < len(built[f"{name}.br"]) < len(built[f"{name}.gz"]) for name in texts)


def test_the_page_weighs_less_than_110_kb_compressed(built: dict[str, bytes]) -> None:
    assert sum(len(content) for name, content in built.items() if name.endswith((".br", ".woff2"))) < 110_000


def test_nothing_is_inline_and_nothing_is_evaluated(built: dict[str, bytes]) -> None:
    html = built["index.html"].decode()
    (script,) = (content.decode() for name, content in built.items() if name.endswith(".js"))

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)
    assert not re.search(r"\beval\(|new Function\b|dangerouslySetInnerHTML:|\.write\(", script)


def test_the_versions_of_what_builds_the_page_are_exact() -> None:
    package = json.loads((SOURCE / "package.json").read_text())

    versions = package["dependencies"] | package["devDependencies"]

    assert [name for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


def test_the_licence_of_everything_bundled_is_there(built: dict[str, bytes]) -> None:
    bundled = json.loads((SOURCE / "package.json").read_text())["dependencies"]
    notices = built["NOTICES.txt"].decode()

    assert [name for name, version in bundled.items() if f"{name} {version} (" not in notices] == []


@pytest.mark.long
def test_the_built_page_is_what_its_source_builds(built: dict[str, bytes], tmp_path: Path) -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    subprocess.run(["make", "-s", f"{SOURCE.relative_to(ROOT)}/node_modules/.installed"], cwd=ROOT, check=True)

    subprocess.run(["npm", "run", "--silent", "check"], cwd=SOURCE, check=True)
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=SOURCE, check=True)

    fresh = files_of(tmp_path)
    stale = [name for name, content in fresh.items() if not name.endswith(COMPRESSED) and built.get(name) != content]
    assert fresh.keys() == built.keys()
    assert stale == [], "run `make page`"
    for name in (name for name in fresh if name.endswith(".br")):
        unpack = f"process.stdout.write(zlib.brotliDecompressSync(fs.readFileSync({json.dumps(str(BUILT / name))})))"
        unpacked = subprocess.run(["node", "-e", unpack], stdout=subprocess.PIPE, check=True).stdout
        assert unpacked == built[name.removesuffix(".br")], "run `make page`"
