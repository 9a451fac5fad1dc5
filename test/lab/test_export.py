"""What `vlam export` writes is the checkpoint again, to be run without PyTorch's weights."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exported import exported_tiny
from tiny_clipseg import CALIBRATION
from torch import Tensor

from vlam_ros.errors import ModelError
from vlam_ros.lab.export import export
from vlam_ros.perception.clipseg import Backend, Checkpoint, ClipsegGrounder, load_checkpoint

RUNTIMES = ("onnxruntime", "openvino")
TEXTS = ["red cup", "a box on the yellow cone", "the ball"]


@pytest.fixture(scope="module")
def exported() -> Path:
    return exported_tiny().graphs


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    return load_checkpoint(exported_tiny().weights, "cpu", "float32")


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """An exported checkpoint of one's own, to damage."""
    for file in exported.rglob("*"):
        if file.is_file():
            target = tmp_path / file.relative_to(exported)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return tmp_path


def tensors(checkpoint: Checkpoint, backend: Backend, size: int, images: int) -> list[Tensor]:
    """All that a backend makes of random images and some texts."""
    random = torch.Generator().manual_seed(size)
    activations = backend.encode_pixels(torch.randn(images, 3, size, size, generator=random))
    tokens = checkpoint.tokenizer(TEXTS, padding=True, return_tensors="pt")
    texts = backend.encode_texts(tokens.input_ids, tokens.attention_mask)
    which = torch.arange(len(texts)) % images
    masks = backend.decode_masks(activations, texts, which)
    return [*activations, backend.embed(activations), texts, masks]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("size", "images"), [(160, 1), (64, 1), (64, 3)])
def test_graphs_calculate_what_the_checkpoint_calculates(
    tiny: Checkpoint, exported: Path, runtime: str, size: int, images: int
) -> None:
    backend = load_checkpoint(exported, "cpu", "float32", runtime).backend
    ours = tensors(tiny, tiny.backend, size, images)
    theirs = tensors(tiny, backend, size, images)
    assert len(ours) == 5
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= 1e-3 * one.abs().max()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_a_run_returned_outlives_the_next_run(exported: Path, runtime: str) -> None:
    backend = load_checkpoint(exported, "cpu", "auto", runtime).backend
    first = backend.encode_pixels(torch.zeros(1, 3, 64, 64))
    before = [a.clone() for a in first]
    backend.encode_pixels(torch.ones(1, 3, 64, 64))
    assert all(torch.equal(a, b) for a, b in zip(first, before, strict=True))


def test_in_int8_the_vision_tower_is_nearly_the_same(tiny: Checkpoint, exported: Path) -> None:
    backend = load_checkpoint(exported, "cpu", "int8", "onnxruntime").backend
    assert backend.precision == "int8"
    *ours, texts, _ = tensors(tiny, tiny.backend, 160, 1)
    *theirs, same_texts, _ = tensors(tiny, backend, 160, 1)
    assert (texts - same_texts).abs().max() <= 1e-3 * texts.abs().max()
    for one, other in zip(ours, theirs, strict=True):
        apart = (one - other).abs().max() / one.abs().max()
        assert 1e-4 < apart < 0.05  # it is quantized, and it is good


def test_a_grounder_needs_nothing_but_the_folder(exported: Path, tiny: Checkpoint) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    eyes = ClipsegGrounder.from_pretrained(exported, backend="onnxruntime")
    own = ClipsegGrounder(tiny)
    assert (eyes.backend, eyes.precision, eyes.calibration) == (
        "onnxruntime", "float32", CALIBRATION,
    )  # fmt: skip
    for one, other in zip(
        own.second_look([image, image[:80]], TEXTS, [TEXTS[:1], TEXTS]),
        eyes.second_look([image, image[:80]], TEXTS, [TEXTS[:1], TEXTS]),
        strict=True,
    ):
        for a, b in zip(one, other, strict=True):
            assert b == pytest.approx(a, abs=1e-3 * float(np.abs(a).max()))
    ours, theirs = (e.similarity(e.encode_image(image), TEXTS) for e in (own, eyes))
    assert theirs == pytest.approx(ours, abs=1e-3)


def test_graphs_state_their_opset_share_their_weights_and_tell_no_paths(exported: Path) -> None:
    folder = exported / "onnx" / "float32"
    for path in folder.glob("*.onnx"):
        graph = onnx.load(path, load_external_data=False)
        assert {entry.domain: entry.version for entry in graph.opset_import}[""] == 20
        assert not re.search(rb"/[a-z]+/[a-z_]+\.py", path.read_bytes())
    weights = sum(p.numel() * p.element_size() for p in load_checkpoint_parameters(exported))
    assert (folder / "weights.bin").stat().st_size < 1.5 * weights


def load_checkpoint_parameters(exported: Path) -> list[Tensor]:
    """The weights in the graphs for one size of image."""
    folder = exported / "onnx" / "float32"
    names = ("vision_160", "embedding", "decoder_160", "texts")
    return [
        torch.from_numpy(onnx.numpy_helper.to_array(constant, str(folder)).copy())
        for name in names
        for constant in onnx.load(folder / f"{name}.onnx").graph.initializer
    ]


# ------------------------------------------------------------------------------ what goes wrong


def test_an_export_that_fails_leaves_nothing(
    tiny: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("vlam_ros.lab.export._graphs", lambda _: {})
    monkeypatch.setattr("vlam_ros.lab.export._save", fail)
    with pytest.raises(OSError, match="disk full"):
        export(tiny, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_export_writes_over_nothing(tiny: Checkpoint, exported: Path) -> None:
    with pytest.raises(ModelError, match="exists: choose a folder that does not"):
        export(tiny, exported)


def test_only_weights_in_float32_are_exported(tiny: Checkpoint, tmp_path: Path) -> None:
    half = load_checkpoint(tiny.name, "cpu", "bfloat16")
    with pytest.raises(ModelError, match="float32 on the CPU"):
        export(half, tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cpu", "bfloat16", "onnxruntime"), "onnxruntime has dtype float32, int8, not 'bfloat16'"),
        (("cuda", "auto", "openvino"), "openvino runs on the CPU only"),
        (("cpu", "auto", "tensorrt"), "tensorrt does not run on cpu"),
        (("gpu", "auto", "onnxruntime"), "device must be auto, cpu, cuda, got 'gpu'"),
        (("cpu", "auto", "tvm"), "backend must be torch, onnxruntime, tensorrt, openvino"),
    ],
)
def test_what_a_backend_cannot_do_is_refused(
    exported: Path, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(said)):
        load_checkpoint(exported, *arguments)


@pytest.mark.parametrize("backend", ["onnxruntime", "tensorrt"])
def test_a_gpu_needs_a_runtime_that_has_it(
    exported: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = SimpleNamespace(
        get_available_providers=lambda: ["CPUExecutionProvider"], __version__="1.0"
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    with pytest.raises(ModelError, match="install onnxruntime-gpu"):
        load_checkpoint(exported, "cuda", "auto", backend)


def test_tensorrt_keeps_its_engines_beside_the_graphs(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    runtime = SimpleNamespace(
        get_available_providers=lambda: ["TensorrtExecutionProvider"],
        SessionOptions=onnxruntime.SessionOptions,
        InferenceSession=lambda path, options, providers: (
            asked.append(providers[0]) or SimpleNamespace(get_inputs=list, get_outputs=list)
        ),
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    backend = load_checkpoint(exported, "auto", "auto", "tensorrt").backend
    assert (backend.device.type, backend.precision) == ("cuda", "float16")
    provider, options = asked[0]
    assert provider == "TensorrtExecutionProvider"
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == (True, False)
    assert options["trt_engine_cache_path"] == str(exported / "onnx" / "float32")


def test_a_processor_without_bfloat16_is_told_so(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openvino.Core.get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(ModelError, match="does not calculate in bfloat16"):
        load_checkpoint(exported, "cpu", "bfloat16", "openvino")


def test_a_runtime_that_is_not_installed_is_named(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    monkeypatch.delitem(
        __import__("sys").modules, "vlam_ros.perception.clipseg.exported", raising=False
    )
    with pytest.raises(ModelError, match="pip install openvino"):
        load_checkpoint(exported, "cpu", "auto", "openvino")


def test_a_checkpoint_that_was_not_exported_says_how(tiny: Checkpoint) -> None:
    for name in (tiny.name, "embedded", "someone/clipseg"):
        with pytest.raises(ModelError, match="vlam export"):
            load_checkpoint(name, "cpu", "auto", "onnxruntime")


def test_int8_must_have_been_exported(copy: Path) -> None:
    for file in (copy / "onnx" / "int8").iterdir():
        file.unlink()
    (copy / "onnx" / "int8").rmdir()
    with pytest.raises(ModelError, match=r"no graphs in int8.*vlam export --int8"):
        load_checkpoint(copy, "cpu", "int8", "onnxruntime")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "vision_64.onnx").write_bytes(b"not a graph"),
        lambda folder: (folder / "weights.bin").unlink(),
    ],
    ids=["graph", "weights"],
)
def test_damaged_graphs_are_refused(
    copy: Path, runtime: str, damage: Callable[[Path], object]
) -> None:
    damage(copy / "onnx" / "float32")
    with pytest.raises(ModelError, match=f"{runtime} cannot load .*vlam export"):
        load_checkpoint(copy, "cpu", "auto", runtime)


def test_a_size_that_was_not_exported_is_named(copy: Path) -> None:
    (copy / "onnx" / "float32" / "vision_64.onnx").unlink()
    backend = load_checkpoint(copy, "cpu", "auto", "onnxruntime").backend
    with pytest.raises(ModelError, match=r"no vision_64.onnx, only \['decoder_160.onnx'"):
        backend.encode_pixels(torch.zeros(1, 3, 64, 64))


def test_an_exported_checkpoint_has_no_weights_to_work_on(exported: Path) -> None:
    checkpoint = load_checkpoint(exported, "cpu", "auto", "onnxruntime")
    with pytest.raises(ModelError, match="has no weights to work on"):
        _ = checkpoint.model
    with pytest.raises(ModelError, match="has no model"):
        load_checkpoint(exported, "cpu", "auto", "torch")
    assert json.loads((exported / "config.json").read_text())["model_type"] == "clipseg"
