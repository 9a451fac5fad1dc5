"""`vlam merge` from the command line: objects learned first, skills on top of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from adapted import stir
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint

from vlam_ros.cli.main import main
from vlam_ros.perception.clipseg import load_checkpoint
from vlam_ros.perception.clipseg.adapters import attach, method_named, save_adapter
from vlam_ros.policies import load_skills
from vlam_ros.resources import resource_path

FOLLOW = """
  - name: follow
    id: {id}
    prompts: [follow the object]
    needs: [target]
"""


def test_skills_are_learned_on_top_of_merged_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = save_tiny_checkpoint(tmp_path / "base")
    mugs, merged, skills = (tmp_path / name for name in ("mugs", "merged", "skills"))
    mugs.mkdir()
    model = load_checkpoint(base, "cpu", "float32").model
    save_adapter(stir(attach(model, method_named("lora", {}))), mugs)
    CALIBRATION.save(mugs)
    merging = ["merge", str(mugs), "--model", str(base), "--output", str(merged)]
    assert main(merging) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"wrote {merged}: {base} with {mugs}; use it as model.name_or_path")
    file = tmp_path / "skills.yaml"
    old = resource_path("config/skills.yaml").read_text()
    file.write_text(old + FOLLOW.format(id=len(load_skills("skills.yaml"))))
    taught = ["train", "skill", str(file), "--model", str(merged), "--out", str(skills)]
    assert main([*taught, "--steps", "2", "--device", "cpu"]) == 0
    both = load_checkpoint(merged, "cpu", "float32", adapter=skills)
    assert both.name == f"{merged} with {skills}"
    capsys.readouterr()
    assert main(merging) == 2
    assert "exists: choose a folder that does not" in capsys.readouterr().err
