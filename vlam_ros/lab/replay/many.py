"""Many bags, one after the other or side by side: on this machine's cores, or on a Ray cluster.

What goes wrong with one bag is said in its row, and the others go on.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from vlam_ros.errors import ReplayError, VlamError
from vlam_ros.lab.replay.job import ReplayJob, ReplayResult, replay_bag
from vlam_ros.lab.replay.table import BagRow

LOCAL = "local"
"""The address of a cluster that is started for the replay, on this machine."""

CONNECTING = 5.0
"""Seconds that a cluster may take to answer."""

BagResult = ReplayResult | BagRow
"""What became of a bag: a row alone says why it was not replayed."""


def attempt(job: ReplayJob, replay: Callable[[ReplayJob], ReplayResult] = replay_bag) -> BagResult:
    """Replay a bag; whatever goes wrong is an answer."""
    try:
        return replay(job)
    except VlamError as error:
        return BagRow(job.name, error=" ".join(str(error).split()))
    except Exception as error:  # a fault of the program must not cost the other bags
        return BagRow(job.name, error=f"{type(error).__name__}: {' '.join(str(error).split())}")


def replay_on_cores(
    jobs: Sequence[ReplayJob], workers: int, replay: Callable[[ReplayJob], BagResult] = attempt
) -> Iterator[tuple[ReplayJob, BagResult]]:
    """Replay bags in so many processes, which share the cores and have a model each; yields what
    became of them as they are done. `replay` is a function of a module, for other processes.
    """
    workers = min(workers, len(jobs))
    threads = max(1, (os.cpu_count() or 1) // max(1, workers))
    given = [replace(job, threads=threads) for job in jobs]
    lost = yield from _in_pool(given, workers, replay)
    # A process that was killed takes all that were waiting with it: each gets a process of its own.
    for job in lost:
        for again in (yield from _in_pool([job], 1, replay)):
            why = "the process that replayed it was killed: was there enough memory?"
            yield again, BagRow(again.name, error=why)


def _in_pool(
    jobs: Sequence[ReplayJob], workers: int, replay: Callable[[ReplayJob], BagResult]
) -> Generator[tuple[ReplayJob, BagResult], None, list[ReplayJob]]:
    """Yields as `replay_on_cores`; returns the jobs that a killed process took with it."""
    lost = []
    # Not forked: torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running: dict[Future[BagResult], ReplayJob] = {pool.submit(replay, j): j for j in jobs}
        try:
            for future in as_completed(running):
                try:
                    yield running[future], future.result()
                except BrokenProcessPool:
                    lost.append(running[future])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return lost


def replay_on_ray(
    jobs: Sequence[ReplayJob], address: str, threads: int = 1
) -> Iterator[tuple[ReplayJob, BagResult]]:
    """Replay bags on a Ray cluster, so many CPUs for each, as they are done.

    The cluster's machines must have this package, and the bags under the same paths.

    Args:
        jobs: what is to be replayed.
        address: of the cluster, "auto" for the one of this machine, LOCAL to start one here.
        threads: CPUs of each job.

    Raises:
        ReplayError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise ReplayError("--ray needs Ray: pip install 'vlam_ros[ray]'") from error
    started = not ray.is_initialized()
    if started:
        _check_reachable(address)
        try:
            dashboard = False if address == LOCAL else None
            ray.init(
                address=address,
                include_dashboard=dashboard,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())
            raise ReplayError(f"there is no Ray cluster at {address!r}: {said}") from error
    try:
        remote: Callable[[ReplayJob], Any] = ray.remote(num_cpus=threads)(attempt).remote
        running = {remote(replace(job, threads=threads)): job for job in jobs}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(done)
            try:
                yield job, ray.get(done)
            except ray.exceptions.RayError as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                yield job, BagRow(job.name, error=f"Ray: {lines[0]}")
    finally:
        if started:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself waits for minutes for a machine that does not answer."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), CONNECTING).close()
    except OSError as error:
        raise ReplayError(f"there is no Ray cluster at {address!r}: {error}") from error
