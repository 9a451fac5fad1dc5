"""The robot without the extras: what only the laboratory needs is not imported, and named."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

import vlam_ros
from vlam_ros.cli.main import EXTRAS

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
NODES = ("vlam_node", "fusion_node", "controller_node")

# Python imports a module of this name when it starts, in child processes as well. tqdm comes with
# transformers, jinja2 with torch.
WITHOUT_EXTRAS = f"""
from importlib.machinery import PathFinder

absent = set({[package for some in EXTRAS.values() for package in some]!r}) - {{"jinja2", "tqdm"}}
found = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in absent else found(name, path, target)

PathFinder.find_spec = find_spec
"""

IMPORT_ALL = """
import importlib, json, pathlib, sys
absent = {}
for path in sorted(pathlib.Path("vlam_ros").rglob("*.py")):
    if path.parts[1] != "lab":
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            absent[name] = error.name.partition(".")[0]
print(json.dumps([absent, [m for m in sys.modules if m.startswith("vlam_ros.lab")]]))
"""
# Modules that are only imported where the package is: other backends, and launch files.
OPTIONAL = {"onnxruntime", "openvino", "launch"}


@pytest.fixture
def robot(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without the packages of the extras."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_EXTRAS)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


def vlam(robot: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vlam_ros.cli.main", *arguments]
    return subprocess.run(command, env=robot, capture_output=True, text=True, check=False)


def test_every_module_of_the_robot_can_be_imported(robot: dict[str, str]) -> None:
    command = [sys.executable, "-c", IMPORT_ALL]
    run = subprocess.run(
        command, env=robot, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    absent, laboratory = json.loads(run.stdout.splitlines()[-1])
    assert set(absent.values()) <= OPTIONAL, absent
    # The command's parsers are all there, and nothing else of the laboratory.
    assert all(name.startswith(("vlam_ros.lab.cli", "vlam_ros.lab.live")) or name == "vlam_ros.lab"
               for name in laboratory), laboratory  # fmt: skip


def test_help_needs_no_extra(robot: dict[str, str]) -> None:
    for arguments in (["--help"], ["replay", "--help"], ["train", "finetune", "--help"]):
        run = vlam(robot, *arguments)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.startswith("usage: vlam")


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["record", "--out", "bag"], "lab"),
        (["replay", "drive"], "lab"),
        (["evaluate", "fusion"], "lab"),
        (["data", "check", "mugs"], "lab"),
        (["train", "embedded"], "lab"),
        (["bench", "--only", "embedded"], "lab"),
        (["export", "--output", "folder"], "export"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_command_of_the_laboratory_names_its_extra_in_one_line(
    arguments: list[str], extra: str, robot: dict[str, str], tmp_path: Path
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "vlam_ros.cli.main", *arguments],
        env=robot, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = run.stderr.splitlines()[-1]
    assert run.returncode == 2
    assert last.startswith(f"vlam {arguments[0]}: ")
    assert f"pip install 'vlam_ros[{extra}]'" in last
    assert "Traceback" not in run.stderr


def test_ask_decides_with_the_embedded_model(robot: dict[str, str], tmp_path: Path) -> None:
    image = tmp_path / "view.png"
    assert cv2.imwrite(str(image), np.full((120, 160, 3), 90, np.uint8))
    run = vlam(robot, "ask", str(image), "go to the red cup")
    assert run.returncode == 0, run.stderr
    assert "verdict  HOLD" in run.stdout


def test_the_nodes_start_with_the_embedded_model_and_end_on_sigint(robot: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vlam_ros.cli.main", "up"],
        env=robot, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    shown, silent = "", {f"[{node}]: active" for node in NODES}
    try:
        while silent:
            line = process.stdout.readline()
            assert line, shown
            shown += line
            silent = {sign for sign in silent if sign not in line}
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, shown + rest
    finally:
        process.kill()


def test_the_extras_are_those_of_the_installation() -> None:
    config = configparser.ConfigParser(comment_prefixes=("#",))
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    for extra, packages in EXTRAS.items():
        lines = config["options.extras_require"][extra].split()
        assert {line.partition(">")[0] for line in lines} - {"vlam_ros[lab]"} == set(packages)


def test_the_version_is_one(robot: dict[str, str]) -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    assert manifest.findtext("version") == vlam_ros.__version__
    assert vlam(robot, "--version").stdout == f"vlam_ros {vlam_ros.__version__}\n"
