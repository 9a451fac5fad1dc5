"""`vlam train finetune` and `distil`: options become settings, and what was worth is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlam_ros.cli.main import main
from vlam_ros.lab.cli.train import METHODS
from vlam_ros.lab.training.finetune import RATES
from vlam_ros.lab.training.fit import FitSettings
from vlam_ros.perception.clipseg.adapters import METHODS as KNOWN


class Job:
    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **named: Any) -> str:
        self.calls.append((args, named))
        return "new: IoU 0.100 before, 0.600 after"


@pytest.mark.parametrize("subject", ["finetune", "distil"])
def test_help_has_an_example(subject: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", subject, "--help"])
    assert ended.value.code == 0
    assert f"example:\n  vlam train {subject} " in capsys.readouterr().out


def test_all_methods_can_be_chosen() -> None:
    assert set(METHODS) == set(KNOWN)


def test_tuning_gets_what_the_options_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job()
    monkeypatch.setattr("vlam_ros.lab.training.jobs.finetune_folder", job)
    assert main(["train", "finetune", "cups", "--out", "tuned"]) == 0
    options = "--model m --method bitfit --replay old --balance --steps 9 --rate 0.1 --images 3"
    more = "--accumulate 2 --validate-every 4 --patience 5 --seed 6 --device cpu --threads 1"
    assert main(["train", "finetune", "cups", "--out", "o", *options.split(), *more.split(),
                 "--dtype", "bfloat16", "--crops", "7", "--surgery",
                 "--cosines-every", "8"]) == 0  # fmt: skip
    (first, named), (second, told) = job.calls
    assert first[:3] == ("embedded", Path("cups"), Path("tuned"))
    assert first[4] == "lora"
    assert first[3].rate == RATES["lora"]
    assert (named["replay"], named["balanced"], named["images"]) == (None, False, 1)
    assert second == (
        "m",
        Path("cups"),
        Path("o"),
        FitSettings(steps=9, rate=0.1, warmup=20, accumulate=2, validate_every=4, save_every=4,
                    patience=5, cosines_every=8, surgery=True, seed=6, device="cpu",
                    dtype="bfloat16"),
        "bitfit",
    )  # fmt: skip
    assert told == {"replay": Path("old"), "balanced": True, "images": 3, "crops": 7,
                    "threads": 1}  # fmt: skip
    assert "new: IoU 0.100 before, 0.600 after" in capsys.readouterr().out


def test_distilling_gets_what_the_options_say(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job()
    monkeypatch.setattr("vlam_ros.lab.training.jobs.distil_folder", job)
    assert main(["train", "distil", "rooms", "--teacher", "big", "--out", "small"]) == 0
    ((arguments, named),) = job.calls
    assert arguments[:4] == ("big", "embedded", Path("rooms"), Path("small"))
    assert arguments[4].steps == 2000
    assert named["images"] == 8


@pytest.mark.parametrize(
    "arguments",
    ["finetune cups", "finetune cups --out o --method lorax", "finetune cups --out o --steps 0",
     "distil rooms --out o", "distil rooms --teacher t --out o --rate 0"],
)  # fmt: skip
def test_wrong_options_are_refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments.split()])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_setting_out_of_range_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "finetune", "cups", "--out", "o", "--device", "tpu"]) == 2
    assert "vlam train: device must be auto, cpu or cuda, got 'tpu'" in capsys.readouterr().err
