"""Notes in what is built of which commit it is; everything else about the build is in pyproject.toml."""

import os
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_HERE = Path(__file__).parent
_GIT = ("git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*")


class _BuildWithCommit(build_py):
    def run(self) -> None:
        super().run()
        commit = os.environ.get("REVISION") or self._described()
        if commit and not self.editable_mode:  # an editable checkout is asked when it runs
            Path(self.build_lib, "streamer", "commit.txt").write_text(f"{commit}\n")

    def _described(self) -> str:
        """Ask git, if these are the files of a repository, and not some in another one."""
        if not (_HERE / ".git").exists():
            return ""
        return subprocess.run(_GIT, cwd=_HERE, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603  of fixed words


setup(cmdclass={"build_py": _BuildWithCommit})
