"""`vlam ask`: from an image file to a decision, an overlay and a chunk."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from policy_world import ToldPerceiver, WordClip, pipeline, settings, thing
from tiny_clipseg import save_tiny_checkpoint

from vlam_ros.actions import chunk_from_dict
from vlam_ros.cli.ask import SAMPLE, SAMPLE_INSTRUCTION, assumed_camera, read_image
from vlam_ros.cli.main import main
from vlam_ros.configuration import Settings
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import Camera, Decision, InstructionRequest, Observation, Outcome, Reason

GO = "go to the red cup"
SIZE = (80, 60)


@pytest.fixture
def image(tmp_path: Path) -> str:
    """A PNG, red above and blue below."""
    path = tmp_path / "view.png"
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[:30, :, 2], image[30:, :, 0] = 255, 255
    assert cv2.imwrite(str(path), image)
    return str(path)


class FakePipeline:
    """In place of the pipeline's loader: keeps settings and observation, and knows of a cup."""

    def __init__(self) -> None:
        self.settings: Settings
        self.observation: Observation

    def __call__(self, settings_: Settings) -> FakePipeline:
        self.settings = settings_
        fakes: Any = WordClip(), ToldPerceiver([thing("red cup", 1.4)])
        self._pipeline = pipeline(*fakes)
        return self

    def step(self, observation: Observation, request: InstructionRequest) -> Decision:
        self.observation = observation
        return self._pipeline.step(observation, request)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    told = FakePipeline()
    monkeypatch.setattr(Pipeline, "from_settings", told)
    return told


def test_the_decision_is_shown(
    told: FakePipeline, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", image, GO]) == 0
    shown = capsys.readouterr().out
    assert "go to red cup (1.40, 0.00) [0.90]" in shown
    assert "EXECUTE with confidence 0.90" in shown
    # The last of 8 rows: due at 0.20 + 7 * 0.25 s, at the stand-off before the cup.
    x = 1.4 - settings().policy.standoff
    row = next(line for line in shown.splitlines() if line.strip("│ ").startswith("7 "))
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:3] == ["7", "1.95", "go_to"]
    assert float(cells[3]) == pytest.approx(x, abs=0.017)
    assert cells[4:7] == ["0.00", "–", "0.00"]
    assert cells[7].split()[0] == "1"
    assert cells[7].split()[2:] == ["127", "255", "127"]


def test_the_files_hold_the_overlay_and_the_whole_chunk(
    told: FakePipeline, image: str, tmp_path: Path
) -> None:
    overlay, chunk = tmp_path / "new" / "overlay.png", tmp_path / "chunk.json"
    assert main(["ask", image, GO, "--out", str(overlay), "--json", str(chunk)]) == 0
    drawn = cv2.imread(str(overlay))
    assert drawn.shape[1] == 640
    # Red is still red at the image's upper edge.
    assert drawn[:, 600, 2].max() > 150
    read = chunk_from_dict(json.loads(chunk.read_text(encoding="utf-8")))
    assert (read.request.text, read.skill, len(read.tokens)) == (GO, "go_to", 8)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [
        "chunk.json",
        "overlay.png",
        "view.png",
    ]


def test_without_arguments_it_is_asked_about_the_image_of_the_package(
    told: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask"]) == 0
    assert SAMPLE.stat().st_size <= 60_000
    assert (told.observation.image == read_image(SAMPLE)).all()
    assert isinstance(told.observation.camera, Camera)
    # The simulated robot's camera.
    assert told.observation.camera.fx == pytest.approx(461.0, abs=0.5)
    assert SAMPLE_INSTRUCTION in capsys.readouterr().out


def test_the_embedded_model_goes_to_what_is_on_the_image_of_the_package(tmp_path: Path) -> None:
    chunk = tmp_path / "chunk.json"
    assert main(["ask", "--json", str(chunk)]) == 0
    read = chunk_from_dict(json.loads(chunk.read_text(encoding="utf-8")))
    assert (read.verdict.outcome, read.skill) == (Outcome.EXECUTE, "go_to")


@pytest.mark.parametrize("alone", ["kitchen.jpg", GO])
def test_an_image_or_an_instruction_alone_is_not_enough(
    alone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["ask", alone])
    assert "give both image and instruction" in capsys.readouterr().err


def test_a_refusal_is_an_answer_too(
    told: FakePipeline, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chunk = tmp_path / "chunk.json"
    assert main(["ask", image, "go to the green ball", "--json", str(chunk)]) == 0
    shown = capsys.readouterr().out
    assert "HOLD TARGET_NOT_FOUND" in shown
    assert "I do not see 'green ball'" in shown
    verdict = chunk_from_dict(json.loads(chunk.read_text(encoding="utf-8"))).verdict
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.TARGET_NOT_FOUND)


def test_what_is_not_plain_text_is_shown_as_it_is(
    told: FakePipeline, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", image, "go to the [red]cup[/blue]"]) == 0
    assert "verdict  HOLD" in capsys.readouterr().out


def test_options_go_before_the_parameter_file_and_that_before_the_defaults(
    told: FakePipeline, image: str, tmp_path: Path
) -> None:
    params = tmp_path / "robot.yaml"
    params.write_text(
        "/**/vlam_node: {ros__parameters: {autostart: false, camera: {height: 1.5, tilt: 0.2},"
        " policy.standoff: 0.9}}\n"
    )
    options = ["--params", str(params), "--tilt", "0.3", "--model", "folder"]
    assert main(["ask", image, GO, *options]) == 0
    assert (told.settings.camera.height, told.settings.camera.tilt) == (1.5, 0.3)
    assert told.settings.policy.standoff == 0.9
    assert told.settings.model.name_or_path == "folder"
    assert told.settings.camera.x == settings().camera.x


def test_the_camera_is_that_of_the_options(told: FakePipeline, image: str) -> None:
    assert main(["ask", image, GO, "--hfov", "90", "--height", "2", "--tilt", "0.5"]) == 0
    camera = told.observation.camera
    assert isinstance(camera, Camera)
    assert (camera.width, camera.height) == SIZE
    # tan 45° is 1: the focal length is half the width.
    assert (camera.fx, camera.fy) == pytest.approx((40.0, 40.0))
    assert camera.position[2] == 2.0
    # The optical axis, tilted down by 0.5 rad.
    assert camera.rotation[:, 2] == pytest.approx([math.cos(0.5), 0.0, -math.sin(0.5)])
    assert (told.observation.stamp, told.observation.now) == (0, 0)


def test_the_image_is_rgb(image: str) -> None:
    pixels = read_image(Path(image))
    assert pixels.shape == (60, 80, 3)
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[59, 0].tolist() == [0, 0, 255]


def test_the_outermost_columns_are_at_the_edge_of_the_field_of_view() -> None:
    camera = assumed_camera(np.zeros((60, 80, 3), np.uint8), 60.0, settings().camera)
    # Pixel i covers i - 0.5 to i + 0.5.
    left, right = (-0.5 - camera.cx) / camera.fx, (79.5 - camera.cx) / camera.fx
    assert math.degrees(math.atan(right) - math.atan(left)) == pytest.approx(60.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png", GO], "cannot read nowhere.png: No such file or directory"),
        ([__file__, GO], "is no image that OpenCV can read"),
        (["{image}", GO, "--height", "50"], "camera.height"),
        (["{image}", GO, "--params", "nowhere.yaml"], "cannot read the parameter file"),
        (["{image}", GO, "--model", "./nowhere"], "no such checkpoint folder: './nowhere'"),
    ],
    ids=["missing", "no image", "out of range", "no parameters", "no model"],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str], message: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", *(a.format(image=image) for a in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vlam ask: ")
    assert message in line


def test_a_file_that_cannot_be_written_is_named(
    told: FakePipeline, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", image, GO, "--out", f"{image}/overlay.png"]) == 2
    assert f"cannot write {image}/overlay.png" in capsys.readouterr().err


def test_an_empty_file_is_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jpg").touch()
    assert main(["ask", str(tmp_path / "empty.jpg"), GO]) == 2
    assert "empty.jpg is no image" in capsys.readouterr().err


def test_a_real_checkpoint_without_thresholds_holds(
    image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_tiny_checkpoint(tmp_path / "model")
    assert main(["ask", image, GO, "--model", str(folder)]) == 0
    assert "HOLD LOW_CONFIDENCE" in capsys.readouterr().out
