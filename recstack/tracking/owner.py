"""Which process writes an MLflow run: a run may be closed for it only if it is certain that it has ended."""

import os
import socket
from typing import Final

import psutil

OWNER: Final = "recstack.process"
"""Tag of a run with `this_process`."""
_SAME_START_SECONDS: Final = 5.0
"""Two readings of the start of one process differ by less, because the machine's clock is corrected now and then."""


def this_process() -> str:
    """Machine, number and start of this process."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"


def has_ended(owner: str | None) -> bool:
    """Whether the process of a run is known to have ended; False for one of another machine, or an unknown one."""
    host, number, started = [*(owner or "").split(" "), "", "", ""][:3]
    if host != socket.gethostname() or not number.isdecimal() or not started.isdecimal():
        return False
    try:
        found = float(psutil.Process(int(number)).create_time())
    except psutil.NoSuchProcess:
        return True
    return abs(found - int(started)) > _SAME_START_SECONDS
