import subprocess
import sys

import pytest

from tests.cases.observations import Observe

_RAISE = """
import logging, resource
logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from streamer.runtime.open_files import raise_open_files
raise_open_files({partitions})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.kind(6)
@pytest.mark.parametrize(("hard", "partitions", "warns"), [(4096, 100, False), (1024, 200, True)])
def test_the_soft_limit_becomes_the_hard_one_and_one_too_low_is_named(
    observe: Observe, *, hard: int, partitions: int, warns: bool
) -> None:
    script = _RAISE.format(soft=512, hard=hard, partitions=partitions)

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert int(ran.stdout) == hard
    assert (f"may open {hard} files, but {partitions} partitions take" in ran.stderr) is warns
    observe(
        f"512 open files allowed, {hard} at most, {partitions} partitions: {ran.stderr.strip() or 'raised to 4096'}"
    )
