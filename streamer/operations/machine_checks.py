"""What the doctor looks at on this machine: device, state directory, disk, web address, open files."""

import asyncio
import shutil
from typing import Final

from models.wording import plural
from streamer.errors import InUseError, SettingsError
from streamer.operations.findings import failed, note, ok
from streamer.operations.shapes import Finding
from streamer.runtime.device import pick_device
from streamer.runtime.files import hold_directory
from streamer.runtime.open_files import find_shortage
from streamer.runtime.web import check_address
from streamer.settings import Settings

#: Below it, a flush or the copy of a small release may fill the disk; two of the largest releases are worth a note.
_LEAST_FREE_BYTES: Final = 1 << 30


async def check_device(settings: Settings) -> list[Finding]:
    """See that the device is there; importing torch takes a second."""
    device = await asyncio.to_thread(pick_device, settings.device)
    return [ok(f"computes on {device.type}")]


async def check_state_directory(settings: Settings) -> list[Finding]:
    """Create, lock and write the state directory, as a worker does, and see what its disk has left."""
    directory = settings.state_dir
    try:
        with hold_directory(directory, name="state directory", remedy="set another REFRAIN_STATE_DIR"):
            found = ok(f"{directory} can be written")
    except InUseError as exc:
        found = note(f"{exc}; a worker that runs here is all right")
    return [found, _disk(settings)]


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.state_dir).free
    says = f"its disk has {free / (1 << 30):.1f} GiB left"
    if free < _LEAST_FREE_BYTES:
        return failed(f"{says}: free some space, or set REFRAIN_STATE_DIR to a larger disk")
    if free < 2 * settings.releases_max_mb << 20:
        return note(f"{says}, less than two releases of REFRAIN_RELEASES_MAX_MB={settings.releases_max_mb} take")
    return ok(says)


async def check_web(settings: Settings) -> list[Finding]:
    """See that the worker's web server could be started."""
    try:
        await check_address(settings.web_host, settings.web_port)
    except SettingsError as exc:
        is_used = "in use" in str(exc)
        return [note(f"{exc}; a worker that runs here is all right")] if is_used else [failed(str(exc))]
    return [ok(f"{settings.web_host}, port {settings.web_port} can be served")]


async def check_open_files(num_partitions: int) -> list[Finding]:
    """See that a worker that owns every partition may open enough files."""
    shortage = find_shortage(num_partitions)
    return [failed(shortage) if shortage else ok(f"enough open files for {plural(num_partitions, 'partition')}")]
