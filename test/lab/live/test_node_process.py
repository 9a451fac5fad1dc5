"""Processes of nodes: in a ROS domain that no other run has, and ended with their context."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vlam_ros.errors import ConfigurationError, VlamError
from vlam_ros.lab.live.node_process import claim_domain, node_process, private_domain

OTHER = "from vlam_ros.lab.live.node_process import claim_domain; print(claim_domain()); input()"


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has claimed none; what this one holds stays locked."""
    monkeypatch.setattr("vlam_ros.lab.live.node_process._held", {})


@pytest.mark.parametrize("used", [None, "0", "1", "101", "ours"])
def test_the_domain_is_neither_the_default_nor_the_users(used: str | None) -> None:
    if used == "ours":
        used = os.environ["ROS_DOMAIN_ID"]
    private = private_domain({} if used is None else {"ROS_DOMAIN_ID": used})
    assert 1 <= int(private["ROS_DOMAIN_ID"]) <= 101
    assert private["ROS_DOMAIN_ID"] != used
    assert private["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


def test_a_domain_that_another_process_has_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        monkeypatch.setattr(os, "getpid", lambda: theirs - 1)
        ours = claim_domain()
        assert ours != theirs
        # Given again, but for one who is in it.
        assert claim_domain() == ours
        assert claim_domain(str(ours)) not in (ours, theirs)
        other.communicate("")
    monkeypatch.setattr("vlam_ros.lab.live.node_process._held", {})
    assert claim_domain() == theirs


def test_when_all_are_taken_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlam_ros.lab.live.node_process._DOMAINS", 1)
    with pytest.raises(ConfigurationError, match="all 1 ROS domains are taken"):
        claim_domain("1")


def test_the_nodes_process_ends_with_the_context_even_if_it_does_not_want_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deaf = "import os, signal; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True)"
    run_instead(monkeypatch, f"{deaf}; signal.pause()")
    monkeypatch.setattr("vlam_ros.lab.live.node_process.END_PATIENCE", 0.1)
    log = tmp_path / "new" / "node.log"
    before = signal.getsignal(signal.SIGTERM)

    def fail_when_it_runs() -> None:
        with node_process("vlam_node", {}, log) as node:
            while not log.read_text().strip():
                node.check()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_when_it_runs()
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_node_that_ends_by_itself_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_instead(monkeypatch, "raise SystemExit('no such thing')")

    def wait_for_its_end() -> None:
        with node_process("vlam_node", {}, tmp_path / "node.log") as node:
            while True:
                node.check()

    with pytest.raises(VlamError, match="ended with code 1: no such thing; all of it is in"):
        wait_for_its_end()


def test_sigterm_ends_the_context_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_instead(monkeypatch, "import signal; signal.pause()")
    with pytest.raises(SystemExit) as ended, node_process("vlam_node", {}, tmp_path / "node.log"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM


def test_parameters_are_handed_over_as_ros_reads_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_instead(monkeypatch, "import sys; print(*sys.argv[1:]); sys.exit(3)")
    parameters = {"camera.x": 1.0, "model.name_or_path": "a: folder"}

    def wait_for_its_end() -> None:
        with node_process("vlam_node", parameters, tmp_path / "node.log") as node:
            while True:
                node.check()

    expected = '-p camera.x:=1.0 -p model.name_or_path:="a: folder"'
    with pytest.raises(VlamError, match=f"code 3: {expected};"):
        wait_for_its_end()


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo").touch()
    with (
        pytest.raises(ConfigurationError, match=r"cannot write .*demo/node\.log"),
        node_process("vlam_node", {}, tmp_path / "demo" / "node.log"),
    ):
        pass


def run_instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let this be what is started as the node."""
    monkeypatch.setattr(
        "vlam_ros.lab.live.node_process.node_command", lambda *_, **__: [sys.executable, "-c", code]
    )
