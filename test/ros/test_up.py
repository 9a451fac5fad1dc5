"""`vlam up`: nodes as processes, signals handed on, exit codes."""

from __future__ import annotations

import configparser
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from vlam_ros.errors import ConfigurationError
from vlam_ros.resources import read_parameters, resource_path, with_profile
from vlam_ros.ros.up import NODES, node_command, run_together, up

PATIENCE = 30.0


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(("ends_with", "code"), [("exit(3)", 3), ("exit(0)", 1)])
def test_one_that_ends_by_itself_ends_the_others(
    ends_with: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    waiting = python("import signal; signal.pause()")
    assert run_together({"first": python(ends_with), "second": waiting}) == code
    assert "first ended with code" in capfd.readouterr().err


def test_one_that_was_killed_counts_as_in_a_shell() -> None:
    killed = python("import os; os.kill(os.getpid(), 9)")
    assert run_together({"node": killed}) == 128 + 9


def test_what_ignores_a_signal_gets_a_stronger_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlam_ros.ros.up._PATIENCE", 0.2)
    deaf = "import signal; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; "
    begin = time.monotonic()
    code = run_together({"deaf": python(deaf + "signal.pause()"), "node": python("exit(4)")})
    assert code == 4
    assert time.monotonic() - begin < 5.0


UP = """
import sys
from vlam_ros.resources import with_profile
from vlam_ros.ros.up import run_together
sys.exit(run_together({{"node": [sys.executable, "-c", {child!r}]}}))
"""
CHILD = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit({code}))
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("code", [0, 5])
def test_a_signal_is_handed_on_and_the_code_is_the_nodes(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        python(UP.format(child=CHILD.format(code=code))), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == code
    finally:
        process.kill()
        process.communicate()


def test_every_node_that_is_started_has_an_executable_and_parameters() -> None:
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"]
    for name in NODES:
        assert f"{name} = vlam_ros.nodes.{name}:main" in scripts
        assert read_parameters(resource_path("config/vlam.yaml"), name)["autostart"]


def test_a_missing_parameter_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: .*No such file"):
        up(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/**: {ros__parameters: {camra: {height: 0.3}}}", "did you mean camera.height"),
        ("/**/fusion_node: {ros__parameters: {imu: {yaww: 0.3}}}", "did you mean imu.yaw"),
        ("/**: {ros__parameters: {}}\ncontrol_node: {ros__parameters: {}}", "controller_node"),
        ("/**/vlam_node: {ros__parameters: {model: {device: gpu}}}", "one of auto, cpu, cuda"),
        ("/**/controller_node: {ros__parameters: {safety: {radius: 7.0}}}", "in 0.05..5"),
        ("vlam_node: {ros__parameters: {camera: {height: 0.3}}}", "not for /robot1/vlam_node"),
    ],
)
def test_nothing_starts_with_a_wrong_parameter_file(
    tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr("vlam_ros.ros.up.run_together", started.append)
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        up(file, "robot1")
    assert not started


@pytest.mark.parametrize("remapping", ["imge:=/camera/image_raw", "image", "image:="])
def test_a_remapping_of_no_topic_is_refused(remapping: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot remap"):
        up(remappings=[remapping])


def test_topics_and_model_reach_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: dict[str, Sequence[str]] = {}

    def remember(started: Mapping[str, Sequence[str]]) -> int:
        commands.update(started)
        return 0

    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr("vlam_ros.ros.up.run_together", remember)
    assert up(None, "robot1", "1234", ["image:=/camera/image_raw"]) == 0
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)
    assert set(commands) == set(NODES)
    for name, command in commands.items():
        text = " ".join(command)
        assert "--remap __ns:=/robot1 --remap image:=/camera/image_raw" in text
        assert ('-p model.name_or_path:="1234"' in text) == (name == "vlam_node")


def test_the_parameter_file_counts_in_a_namespace(tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text("/**/vlam_node: {ros__parameters: {camera: {height: 77.0}}}\n")
    command = node_command("vlam_ros.nodes.vlam_node", file, namespace="robot1/")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "[robot1.vlam_node]: cannot configure: camera.height" in line
        assert process.wait(PATIENCE) == 1, "nobody else would see that it does not work"
    finally:
        process.kill()
        process.communicate()


def test_nodes_get_the_profile_for_images_unless_there_is_another() -> None:
    assert Path(with_profile({})["FASTRTPS_DEFAULT_PROFILES_FILE"]).name == "fastdds.xml"
    assert with_profile({"FASTRTPS_DEFAULT_PROFILES_FILE": "/mine.xml"}) == {}
