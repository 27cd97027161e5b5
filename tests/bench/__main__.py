"""Every benchmark, each in a process of its own with a time limit: `make bench`.

    python -m tests.bench [--sections NAME ...] [--into DIRECTORY] [--document FILE]

Writes `bench.json` and a self-contained page, and with `--document` the figures as Markdown. A section that fails or
takes too long is named, the others run all the same, and the exit status is 1. Where `bench.json` exists, sections that
are not run keep their figures: each says at which commit and under which load it was measured.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.apart import figures_of, print_line
from tests.bench.machine import describe_load, describe_machine
from tests.bench.page import draw_document, draw_page


@dataclass(frozen=True, slots=True)
class Section:
    """A benchmark.

    Attributes:
        arguments: of Python; its last line is JSON.
        limit_s: it is ended after this time.
    """

    arguments: tuple[str, ...]
    limit_s: float

    @property
    def command(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, *self.arguments]


def _module(name: str, *options: str, limit_s: float = 600.0) -> Section:
    return Section(("-m", f"tests.bench.{name}", *options), limit_s)


SECTIONS: Final = {
    "step": _module("step", "--batches", "1", "16", "128", "500"),
    "stream": _module("throughput", "--stages", "fetch", "memory"),
    "whole job": _module("peers", limit_s=1200.0),
    "latency": _module("latency"),
    "open pages": _module("pages", limit_s=900.0),
    "browsing": _module("browsing", limit_s=900.0),
    "listeners": _module("listeners", limit_s=1500.0),
    "taking up": _module("taking_up"),
    "training": _module("training", "--plays", "1000000", "--batches", "30"),
    "counting": _module("counting", "--plays", "1000000"),
}


def main() -> None:
    """Run the sections, then write what they measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", default=list(SECTIONS), choices=SECTIONS)
    parser.add_argument("--into", type=Path, default=Path("bench"))
    parser.add_argument("--document", type=Path, help="also write the figures as Markdown")
    options = parser.parse_args()
    kept = options.into / "bench.json"
    before = json.loads(kept.read_text()) if kept.exists() else {}
    result = merge(before, run({name: SECTIONS[name] for name in options.sections}))
    options.into.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result, indent=1) + "\n")
    (options.into / "bench.html").write_text(draw_page(result))
    if options.document:
        options.document.write_text(draw_document(result))
    print_line(f"written to {options.into}/bench.json and bench.html")
    if result["failed"]:
        print_line(f"no figures of: {', '.join(result['failed'])}")
        sys.exit(1)


def merge(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Keep the figures of sections that did not run; those of a section that failed are dropped."""
    merged = dict(after)
    for part in ("figures", "failed", "commands"):
        kept = {
            name: value
            for name, value in before.get(part, {}).items()
            if name in SECTIONS and name not in after["commands"]
        }
        found = kept | after[part]
        merged[part] = {name: found[name] for name in sorted(found, key=list(SECTIONS).index)}
    return merged


def run(sections: dict[str, Section]) -> dict[str, Any]:
    """Run sections one after the other; those that fail have no figures and say why."""
    machine = describe_machine()
    figures: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name, section in sections.items():
        print_line(f"{name} ...")
        begun = {"commit": machine["commit"], "load": describe_load()}
        try:
            figures[name] = figures_of(section.command, section.limit_s) | begun
        except subprocess.TimeoutExpired:
            failed[name] = f"did not finish within {section.limit_s:g} s"
        except subprocess.CalledProcessError as exc:
            failed[name] = f"failed with status {exc.returncode}"
            with contextlib.suppress(ValueError, IndexError):  # what did not fail within it has figures
                figures[name] = json.loads(exc.output.splitlines()[-1]) | begun
        except (ValueError, IndexError) as exc:
            failed[name] = f"did not end in a line of JSON: {exc}"
        print_line(f"{name}: {failed.get(name, 'measured')}")
    commands = {name: " ".join(("python", *section.arguments)) for name, section in sections.items()}
    return {"machine": machine, "figures": figures, "failed": failed, "commands": commands}


if __name__ == "__main__":
    main()
