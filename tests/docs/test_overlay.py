"""The overlay that k8s/README.md shows is one: it renders."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.site import ROOT
from tests.docs.snippets import fences_of


def test_the_overlay_on_the_page_renders(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl") or pytest.skip("kubectl is not installed")
    (overlay,) = [code for language, code in fences_of(ROOT / "k8s" / "README.md") if language == "yaml"]
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    (tmp_path / "my-overlay").mkdir()
    (tmp_path / "my-overlay" / "kustomization.yaml").write_text(overlay)

    rendered = subprocess.run(
        [kubectl, "kustomize", str(tmp_path / "my-overlay")], capture_output=True, text=True, check=False
    )

    assert rendered.returncode == 0, rendered.stderr
    assert "s3://our-bucket/releases" in rendered.stdout
