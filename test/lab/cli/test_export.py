"""`vlam export` from the command line, and the images of a bag that fix the ranges of int8."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from exported import tiny_weights

from vlam_ros.cli.main import main
from vlam_ros.lab.cli.export import TYPICAL, typical_images
from vlam_ros.perception.clipseg import ClipsegGrounder

BAGS = Path(__file__).parents[2] / "data" / "bags"


def test_images_come_from_all_over_a_bag() -> None:
    bag = next(p for p in sorted(BAGS.iterdir()) if p.is_dir())
    images = typical_images(bag)
    assert 1 <= len(images) <= TYPICAL + 1
    assert all(p.dtype == np.uint8 and p.shape[2] == 3 for p in images)


@pytest.mark.timeout(300)
def test_an_exported_checkpoint_runs_in_int8_with_ranges_of_a_bag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = next(p for p in sorted(BAGS.iterdir()) if p.is_dir())
    weights, out = tiny_weights(), tmp_path / "out"
    arguments = ["export", "--model", str(weights), "--output", str(out), "--int8"]
    assert main([*arguments, "--typical", str(bag)]) == 0
    assert capsys.readouterr().out == f"wrote {out}: ONNX opset 20, float32 and int8\n"
    graph = onnx.load(out / "onnx" / "int8" / "vision_160.onnx")
    kinds = {node.op_type for node in graph.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert "DynamicQuantizeLinear" not in kinds
    image = typical_images(bag)[0]
    masks = []
    for folder, backend, dtype in (
        (weights, "torch", "float32"),
        (out, "onnxruntime", "int8"),
        (out, "openvino", "int8"),
    ):
        eyes = ClipsegGrounder.from_pretrained(folder, "cpu", dtype, backend=backend)
        masks.append(eyes.segment(eyes.encode_image(image), ["red cup", "ball"]))
    for other in masks[1:]:
        assert 0 < np.abs(other - masks[0]).max() < 0.1 * np.ptp(masks[0])


def test_what_makes_no_sense_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--output", str(tmp_path / "a"), "--typical", "bag"]) == 2
    assert "--typical is for --int8" in capsys.readouterr().err
    assert main(["export", "--output", str(tmp_path)]) == 2
    assert "exists: choose a folder that does not" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
