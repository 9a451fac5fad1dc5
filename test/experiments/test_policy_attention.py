"""Pictures of where a policy looks when it decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from policy_attention import COLUMNS, WIDTH, main, mosaic
from random_policy import random_policy


def test_pictures_stand_side_by_side() -> None:
    pictures = [np.full((240, 320, 3), shade, np.uint8) for shade in range(10, 60, 10)]
    canvas = mosaic(pictures)
    height = WIDTH * 240 // 320
    assert canvas.shape == (2 * height, COLUMNS * WIDTH, 3)
    for index, each in enumerate(pictures):
        row, column = divmod(index, COLUMNS)
        assert (canvas[row * height + 5, column * WIDTH + 5] == each[0, 0]).all()
    assert (canvas[-5, -5] == 255).all()


def test_a_policy_that_does_nothing_has_no_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = random_policy(tmp_path / "policy")
    options = ["--policy", str(policy), "--seeds", "46000000", "--out", str(tmp_path / "a.png")]
    assert main(options) == 2
    assert "carries out none of these episodes" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
