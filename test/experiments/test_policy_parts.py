"""What the parts of a policy are worth: each is trained and judged at the same budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import policy_parts as module
import pytest
from policy_parts import KINDS, PARTS, Judged, parts

from vlam_ros.lab.training.policy.train import PolicyRecipe
from vlam_ros.policies.transformer.inputs import PolicyInputs

JUDGED = Judged("embedded", 7, 2, 1, "enforce", 1)


def test_each_part_is_one_that_there_is() -> None:
    names = set(PolicyInputs.__dataclass_fields__)
    recipe = PolicyRecipe()
    for name, part in PARTS.items():
        assert set(part.ignores) <= names
        changed = part.of(recipe) != recipe or bool(part.without)
        assert changed is (name != "whole")


def test_a_part_is_trained_and_judged_once_and_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Any] = []

    def train(data: list[Path], *others: Any) -> None:
        trained.append((others[1].name, [path.name for path in data], others[2]))
        others[1].mkdir(parents=True)

    monkeypatch.setattr(module, "train_policy", train)
    monkeypatch.setattr(module, "judge", lambda *_: {"success": 0.5, "wrong object": 0.0})
    folders = {kind: [Path(kind)] for kind in ("demos", *KINDS)}
    recipe = PolicyRecipe(steps=3)
    first = parts(folders, tmp_path, recipe, JUDGED, ["whole"]).to_markdown()
    assert "| whole | 0.500 | 0.000 |" in first
    both = parts(folders, tmp_path, recipe, JUDGED, ["whole", "questions"]).to_markdown()
    assert [(name, data) for name, data, _ in trained] == [
        ("whole", ["demos", "blind", "questions"]),
        ("questions", ["demos", "blind"]),
    ]
    assert "| whole | 0.500" in both
    assert "| without co-fine-tuning | 0.500" in both
    assert both.count("| 0.500 |") == 2
