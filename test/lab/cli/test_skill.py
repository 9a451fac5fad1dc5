"""`vlam train skill`: options to functions, exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlam_ros.cli.main import main
from vlam_ros.lab.training.fit import FitSettings
from vlam_ros.lab.training.skills import RATES, STEPS
from vlam_ros.perception.clipseg.adapters import METHODS


def test_teaching_gets_what_the_options_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[Any, ...]] = []

    def job(*arguments: Any) -> str:
        calls.append(arguments)
        return "new skills understood: 0.100 before, 0.900 after"

    monkeypatch.setattr("vlam_ros.lab.training.skills.learn_skills_file", job)
    assert main(["train", "skill", "mine.yaml", "--out", "o"]) == 0
    options = "--model m --method full --steps 9 --rate 0.1 --seed 4 --device cpu --threads 1"
    assert main(["train", "skill", "mine.yaml", "--out", "o", *options.split()]) == 0
    first, second = calls
    assert first[:3] == ("embedded", Path("mine.yaml"), Path("o"))
    method = first[4]
    assert first[3] == FitSettings(steps=STEPS, rate=RATES[method])
    assert second == (
        "m", Path("mine.yaml"), Path("o"),
        FitSettings(steps=9, rate=0.1, seed=4, device="cpu"), "full", 1,
    )  # fmt: skip
    assert "0.100 before, 0.900 after" in capsys.readouterr().out


def test_each_method_has_a_rate() -> None:
    assert set(RATES) == set(METHODS)


@pytest.mark.parametrize(
    "arguments",
    ["train skill mine.yaml", "train skill --out o", "train skill mine.yaml --out o --steps 0",
     "train skill mine.yaml --out o --method lorax"],
)  # fmt: skip
def test_wrong_options_are_refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_missing_skills_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.yaml"
    assert main(["train", "skill", str(missing), "--out", str(tmp_path / "o")]) == 2
    assert "vlam train: " in capsys.readouterr().err
