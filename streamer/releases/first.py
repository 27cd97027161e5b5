"""How a deployment gets its first release: said by whatever waits for one."""

from typing import Final

#: In one line, for the log, `/readyz` and the commands.
FIRST_RELEASE: Final = (
    "run `refrain trainer`, which makes one of the plays once there are REFRAIN_TRAIN_MIN_PLAYS (`refrain trainer "
    "--once`: of those there are), or `refrain train FILE` on recorded plays, then `refrain releases promote ID`"
)
