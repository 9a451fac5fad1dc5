"""The command line as a user meets it: help, one-line errors, exit codes, options to functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlam_ros.cli import main as cli
from vlam_ros.cli.main import main
from vlam_ros.errors import ModelError

COMMANDS = [
    ["demo"],
    ["ask"],
    ["up"],
    ["record"],
    ["replay"],
    ["train", "embedded"],
    ["train", "finetune"],
    ["train", "distil"],
    ["train", "skill"],
    ["evaluate", "model"],
    ["evaluate", "tasks"],
    ["bench"],
    ["calibrate"],
    ["merge"],
    ["export"],
    *(["data", name] for name in ("from-bag", "from-folder", "from-simulation", "check", "accept")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_of_it(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    _, _, example = capsys.readouterr().out.partition("example:\n")
    assert example.startswith(f"  vlam {' '.join(command)} ")


def test_help_needs_nothing_that_is_slow_to_import() -> None:
    code = "\n".join(
        [
            "import sys",
            "from vlam_ros.cli.main import main",
            "try: main(['--help'])",
            "except SystemExit: pass",
            "slow = 'torch transformers rclpy mujoco cv2 numpy rich yaml'.split()",
            "print('imported', [name for name in slow if name in sys.modules])",
        ]
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage: vlam" in run.stdout
    assert run.stdout.endswith("imported []\n")


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["train"], ["evaluate"], ["ask", "a.png"], ["ask", "a.png", "go", "--hfov", "0"],
     ["calibrate", "folder", "--scenes", "0"], ["train", "embedded", "--threads", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_an_expected_error_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with(monkeypatch, ModelError("no weights\n  in the folder:\n get them"))
    assert main(["up"]) == 2
    assert capsys.readouterr().err == "vlam up: no weights in the folder: get them\n"


def test_ctrl_c_is_code_130_and_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with(monkeypatch, KeyboardInterrupt())
    assert main(["up"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    run_with(monkeypatch, RuntimeError("a fault"))
    with pytest.raises(RuntimeError, match="a fault"):
        main(["up"])


def run_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(options: object) -> int:
        raise error

    monkeypatch.setattr(cli.up, "run", run)


# ------------------------------------------------------------------- options to functions


class Recorder:
    """A function that keeps what it is called with."""

    def __init__(self, result: Any = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.result = result

    def __call__(self, *args: Any, **named: Any) -> Any:
        self.calls.append((*args, *named.values()))
        return self.result


def test_up_hands_on_file_namespace_and_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    up = Recorder(7)
    monkeypatch.setattr("vlam_ros.ros.up.up", up)
    assert main(["up"]) == 7
    assert main(["up", "--params", "a.yaml", "--namespace", "robot1"]) == 7
    assert up.calls == [(None, ""), (Path("a.yaml"), "robot1")]
    assert main(["up", "--model", "folder", "--remap", "image:=/a", "--remap", "imu:=/b"]) == 7
    assert up.calls[-1] == (None, "", "folder", ["image:=/a", "imu:=/b"])


def test_training_uses_the_shipped_recipe_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = Recorder()
    monkeypatch.setattr("vlam_ros.lab.training.embedded.train_embedded", train)
    assert main(["train", "embedded"]) == 0
    options = "--recipe r.yaml --cache c --out o --threads 1 --start s"
    assert main(["train", "embedded", *options.split()]) == 0
    (recipe, cache, out, threads, start), told = train.calls
    assert recipe.parts[-2:] == ("config", "embedded.yaml")
    assert recipe.is_file()
    assert cache.is_relative_to(Path.home())
    assert out == Path("trained")  # never the checkpoint that came with the package
    assert threads >= 1
    assert start == ""
    assert told == (Path("r.yaml"), Path("c"), Path("o"), 1, "s")


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_evaluation_writes_its_report_and_fails_on_a_missed_gate(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    passed: bool,
    code: int,
) -> None:
    report = SimpleNamespace(
        passed=passed, to_json=lambda: '{"θ": 1}\n', to_markdown=lambda: "| θ |\n"
    )
    evaluate = Recorder(report)
    monkeypatch.setattr("vlam_ros.lab.evaluation.model.evaluate_model", evaluate)
    figures, table = tmp_path / "docs" / "a.json", tmp_path / "a.md"
    options = ["--scenes", "3", "--json", str(figures), "--markdown", str(table)]
    assert main(["evaluate", "model", "--model", "folder", *options]) == code
    assert evaluate.calls == [("folder", 3, ["unseen"])]
    assert figures.read_text(encoding="utf-8") == '{"θ": 1}\n'
    assert table.read_text(encoding="utf-8") == "| θ |\n"
    assert capsys.readouterr().out == "| θ |\n"
