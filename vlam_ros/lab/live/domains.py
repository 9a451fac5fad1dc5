"""ROS domains that no other run of ours on this machine has."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from vlam_ros.errors import ConfigurationError

# Domains above 101 collide with ephemeral ports, and 0 is everybody's.
_DOMAINS = 101
_held: dict[int, IO[str]] = {}


def claim_domain(used: str | None = None) -> int:
    """A domain in 1..101 other than the one in `used`, this process's until it ends.

    A lock holds it against other processes of the same user; once claimed it is given again.

    Raises:
        ConfigurationError: all are taken.
    """
    ours = [domain for domain in _held if str(domain) != used]
    if ours:
        return ours[0]
    for offset in range(_DOMAINS):
        domain = 1 + (os.getpid() + offset) % _DOMAINS
        if str(domain) == used:
            continue
        path = Path(tempfile.gettempdir()) / f"vlam_ros_{os.getuid()}_domain_{domain}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            _held[domain] = lock
            return domain
    raise ConfigurationError(
        f"all {_DOMAINS} ROS domains are taken by other runs on this machine: end one of them"
    )
