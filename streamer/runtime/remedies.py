"""What an operator does about an error of the system."""

import errno
from typing import Final

_REMEDIES: Final = {
    errno.EACCES: "give this user the right, or name another place",
    errno.EPERM: "give this user the right, or name another place",
    errno.EROFS: "name a place on a disk that can be written",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or raise the quota",
    errno.ENOTDIR: "a part of the path is a file; name another place",
    errno.EEXIST: "name another place",
    errno.EISDIR: "name a file",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "name another place",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EIO: "check the disk",
}


def remedy_of(error: OSError) -> str:
    """Say what to do about an error; empty if it is none that an operator can cause."""
    return _REMEDIES.get(error.errno or 0, "")
