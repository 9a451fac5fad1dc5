"""Each run has a ROS domain that no other has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.live import node_process
from vlam_ros.lab.live.node_process import claim_domain, private_domain

OTHER = "from vlam_ros.lab.live.node_process import claim_domain; print(claim_domain()); input()"


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has claimed none; what this one holds stays locked."""
    monkeypatch.setattr(node_process, "_held", {})


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
    monkeypatch.setattr(node_process, "_held", {})
    assert claim_domain() == theirs


def test_when_all_are_taken_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_process, "_DOMAINS", 1)
    with pytest.raises(ConfigurationError, match="all 1 ROS domains are taken"):
        claim_domain("1")
