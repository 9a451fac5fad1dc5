"""A process that keeps all cores busy until it is ended.

Run as `python -m vlam_ros.lab.evaluation.speed.load_generator`.
"""

from __future__ import annotations

import hashlib
import os
import threading

ROUNDS = 1_000_000
"""Of hashing, about a second's; Python's lock is free all the while."""


def main() -> None:
    for _ in range(os.cpu_count() or 1):
        threading.Thread(target=_eat).start()


def _eat() -> None:
    while True:
        hashlib.pbkdf2_hmac("sha256", b"anything", b"salt", ROUNDS)


if __name__ == "__main__":
    main()
