"""Isolation of the test run, what must run alone, and the rule that no test is skipped silently."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from vlam_ros.lab.live.node_process import claim_domain

ALLOWLIST = Path(__file__).with_name("skip_allowlist.txt")

# Before any test imports rclpy, transformers or mujoco; child processes inherit it.
os.environ["ROS_DOMAIN_ID"] = str(claim_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the commands do it
os.environ.setdefault("MUJOCO_GL", "egl")

# The same examples every time, on a machine of any speed.
settings.register_profile("deterministic", deadline=None, derandomize=True)
settings.load_profile("deterministic")

REAL_TIME = "real_time"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what keeps a robot's time come last, and again where the machine could not keep it."""
    items.sort(key=_is_real_time)
    for item in filter(_is_real_time, items):
        item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run what keeps a robot's time while no other worker of pytest-xdist runs a test."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with _place(alone=_is_real_time(item)):
        return (yield)


def _is_real_time(item: pytest.Item) -> bool:
    return item.get_closest_marker(REAL_TIME) is not None


@contextmanager
def _place(alone: bool) -> Iterator[None]:
    # Two files that all workers share. Who waits to be alone holds the first, so that nobody else
    # comes in meanwhile.
    with open(__file__, encoding="utf-8") as queue, ALLOWLIST.open(encoding="utf-8") as room:
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch computes on one core: the order of sums, and so the last bits, depend on it."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _allowed_skips() -> list[str]:
    """The test ids of the allow-list; an entry without a reason is refused."""
    ids = []
    for line in ALLOWLIST.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        test_id, _, reason = (part.strip() for part in line.partition(" = "))
        if not reason:
            raise pytest.UsageError(f"{ALLOWLIST}: give a reason, `test id = reason`: {line}")
        ids.append(test_id)
    return ids


def _forbidden_skips(config: pytest.Config) -> list[str]:
    """Ids of the tests that were skipped or expected to fail without leave."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return []
    reports = [*reporter.stats.get("skipped", []), *reporter.stats.get("xfailed", [])]
    allowed = _allowed_skips()
    return [
        report.nodeid
        for report in reports
        if not any(
            report.nodeid == a or report.nodeid.startswith((f"{a}::", f"{a}[")) for a in allowed
        )
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which a test was skipped that the allow-list does not name."""
    if session.exitstatus == pytest.ExitCode.OK and _forbidden_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name the tests that made the run fail by being skipped."""
    for test_id in _forbidden_skips(config):
        terminalreporter.write_line(
            f"skipped without leave of {ALLOWLIST.name}: {test_id}", red=True
        )
