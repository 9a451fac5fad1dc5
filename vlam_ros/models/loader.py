"""One way to load a checkpoint: the embedded model, a local folder or a Hugging Face id.

All three go through the same `from_pretrained`. What can go wrong on the way ends in a ModelError
that names the file and the way to get it; what was decided automatically is logged and kept in
`Checkpoint.notes`, because a robot that silently fell back to the CPU is hard to find.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
from transformers import (
    CLIPModel,
    CLIPProcessor,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    PreTrainedConfig,
)

from vlam_ros.errors import ModelError
from vlam_ros.models.calibration import FILE_NAME, Calibration

EMBEDDED = Path(__file__).with_name("embedded")
"""The folder of the checkpoint that comes with the package."""

RESAMPLING = {2: "bilinear", 3: "bicubic"}
"""The image processors' resampling filters (Pillow's numbers) that preprocessing can repeat."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# A checkpoint is complete with one file of each row.
_PARTS = (
    ("config.json",),
    ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"),
    ("preprocessor_config.json", "processor_config.json"),
    ("tokenizer.json", "vocab.json"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes pixel values: resized to `size` x `size`, scaled to 0..1, normalised.

    With `centre_crop` the picture's middle square is taken, otherwise it is squeezed.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resampling: str = "bilinear"
    centre_crop: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model with all that belongs to it.

    `model` is a CLIPSegForImageSegmentation from `load_checkpoint`, a CLIPModel from `load_clip`,
    in evaluation mode. `notes` says what was decided automatically or is missing.
    """

    model: Any
    tokenizer: CLIPTokenizer
    preprocessing: Preprocessing
    calibration: Calibration | None
    name: str
    device: torch.device
    dtype: torch.dtype
    notes: tuple[str, ...] = ()


def load_checkpoint(
    name_or_path: str | Path = "embedded", device: str = "auto", dtype: str = "auto"
) -> Checkpoint:
    """Load a CLIPSeg checkpoint.

    Args:
        name_or_path: "embedded", a folder, or a Hugging Face id as `CIDAS/clipseg-rd64-refined`.
        device: "auto" (the GPU if there is one), "cpu" or "cuda".
        dtype: "float32", "bfloat16", "float16" or "auto": float32 on the CPU, because few CPUs
            calculate in half precision and the others emulate it slower than float32; on a GPU
            bfloat16, which cannot overflow where float32 does not, or float16 where it is too old.

    Raises:
        ModelError: no such folder or id, a file is missing or damaged, the checkpoint is not a
            CLIPSeg, or the device or dtype cannot be had.
    """
    return _load(name_or_path, device, dtype, CLIPSegForImageSegmentation, CLIPSegProcessor)


def load_clip(name_or_path: str | Path, device: str = "auto", dtype: str = "auto") -> Checkpoint:
    """Load a separate CLIP checkpoint as `openai/clip-vit-base-patch16`; as `load_checkpoint`."""
    return _load(name_or_path, device, dtype, CLIPModel, CLIPProcessor)


def _load(
    name_or_path: str | Path, device: str, dtype: str, model_class: Any, processor_class: Any
) -> Checkpoint:
    torch_device, torch_dtype, notes = _placement(device, dtype)
    name, folder = str(name_or_path), _folder(name_or_path)
    source = name if folder is None else str(folder)
    # A folder is complete or refused; it is never completed from the network.
    options = {"local_files_only": folder is not None}
    if folder is not None and (missing := _missing(lambda file: (folder / file).is_file())):
        raise ModelError(
            f"the checkpoint in {folder} has no {missing}: copy the file there, or train the "
            "embedded model with `vlam train embedded`"
        )
    try:
        kind = PreTrainedConfig.get_config_dict(source, **options)[0].get("model_type")
        _require_kind(name, kind, model_class.config_class.model_type)
        model, report = model_class.from_pretrained(
            source, dtype=torch_dtype, output_loading_info=True, **options
        )
        processor = processor_class.from_pretrained(source, **options)
    except ModelError:
        raise
    # Damaged files make the libraries below raise almost anything: KeyError, SafetensorError, …
    except Exception as error:
        raise ModelError(_explanation(name, folder, error)) from error
    if absent := sorted(report["missing_keys"]):
        raise ModelError(
            f"{name} lacks {len(absent)} weights of a {model_class.__name__}, {absent[0]} the "
            "first: the file is incomplete or belongs to another model; get it again"
        )
    _require_tokenizer(name, processor.tokenizer, model.config.text_config.vocab_size)
    calibration = None if folder is None else Calibration.load(folder)
    if calibration is None:
        notes.append(f"{name} has no {FILE_NAME}: nothing it sees counts as found")
    elif calibration.crop_size % (patch := model.config.vision_config.patch_size):
        raise ModelError(
            f"{name}: crop_size {calibration.crop_size} in {FILE_NAME} is not a multiple of the "
            f"patch, {patch} pixels: calibrate the checkpoint again"
        )
    for note in notes:
        _log.warning(note)
    return Checkpoint(
        model=model.to(torch_device).eval(),
        tokenizer=processor.tokenizer,
        preprocessing=_preprocessing(name, processor.image_processor),
        calibration=calibration,
        name=name,
        device=torch_device,
        dtype=torch_dtype,
        notes=tuple(notes),
    )


def _placement(device: str, dtype: str) -> tuple[torch.device, torch.dtype, list[str]]:
    """The device and dtype to use, and what was decided here rather than asked for."""
    notes = []
    if device not in ("auto", "cpu", "cuda"):
        raise ModelError(f"device must be auto, cpu or cuda, got {device!r}")
    if dtype != "auto" and dtype not in DTYPES:
        raise ModelError(f"dtype must be auto, {', '.join(DTYPES)}, got {dtype!r}")
    if device == "cuda" and not torch.cuda.is_available():
        build = "is a CPU build" if torch.version.cuda is None else "finds no GPU"
        raise ModelError(
            f"device cuda was asked for, but torch {torch.__version__} {build}: install a CUDA "
            "build and the driver, or ask for device cpu or auto"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            notes.append("device auto: there is no CUDA GPU, the models run on the CPU")
    if dtype == "auto" and device == "cpu":
        dtype = "float32"
    elif dtype == "auto":
        dtype = "bfloat16"
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            dtype = "float16"
            notes.append("dtype auto: this GPU has no bfloat16, the models run in float16")
    return torch.device(device), DTYPES[dtype], notes


def _folder(name_or_path: str | Path) -> Path | None:
    """The folder that is meant, None for a hub id. ModelError if it can be neither."""
    if name_or_path == "embedded":
        return EMBEDDED
    name, path = str(name_or_path), Path(name_or_path).expanduser()
    if name and path.is_dir():
        return path
    if isinstance(name_or_path, Path) or name[:1] in ("/", ".", "~") or not _is_hub_id(name):
        raise ModelError(
            f"no such checkpoint folder: {name!r}; give a folder with a CLIPSeg checkpoint, a "
            "Hugging Face id, or 'embedded'"
        )
    return None


def _is_hub_id(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _missing(is_there: Callable[[str], bool]) -> str:
    """The first part of a checkpoint of which no file is there, empty if it is complete."""
    for files in _PARTS:
        if not any(is_there(file) for file in files):
            return " or ".join(files)
    return ""


def _require_kind(name: str, kind: str | None, expected: str) -> None:
    if kind != expected:
        raise ModelError(
            f"{name} holds a model of type {kind!r}, expected {expected!r}: choose another "
            "checkpoint, for masks for example CIDAS/clipseg-rd64-refined or 'embedded'"
        )


def _require_tokenizer(name: str, tokenizer: CLIPTokenizer, vocabulary_size: int) -> None:
    # Without its files transformers makes an empty tokenizer, to which all texts are the same.
    if (
        len(tokenizer) > vocabulary_size
        or tokenizer.unk_token_id in tokenizer("cup").input_ids[1:-1]
    ):
        raise ModelError(
            f"the tokenizer of {name} ({len(tokenizer)} tokens, the model has {vocabulary_size}) "
            "cannot read plain English: put the tokenizer.json, or vocab.json and merges.txt, "
            "that the model was trained with beside it"
        )


def _explanation(name: str, folder: Path | None, error: Exception) -> str:
    if folder is not None:
        return f"the checkpoint in {folder} cannot be loaded, copy it again: {error}"
    missing = _missing(lambda file: isinstance(try_to_load_from_cache(name, file), str))
    lacking = f"{missing} of it is not on this machine" if missing else "its files are damaged"
    return (
        f"{name!r} is no folder, and as a Hugging Face checkpoint it cannot be loaded: {lacking}. "
        f"With network, check the id; without, run `hf download {name} --local-dir FOLDER` where "
        "there is some and give FOLDER as the model, or use 'embedded', which needs no download. "
        f"Cause: {error}"
    )


def _preprocessing(name: str, processor: Any) -> Preprocessing:
    """What the checkpoint's image processor does; ModelError if it is nothing we can repeat."""
    crops = bool(getattr(processor, "do_center_crop", False))
    size = processor.crop_size if crops else processor.size
    steps = (processor.do_resize, processor.do_rescale, processor.do_normalize)
    if (
        not all(steps)
        or not size.height
        or size.height != size.width
        or (crops and processor.size.shortest_edge != size.height)
        or processor.resample not in RESAMPLING
        or abs(processor.rescale_factor * 255 - 1) > 1e-6
    ):
        raise ModelError(
            f"the image processor of {name} must resize to a square (bilinear or bicubic), rescale "
            f"by 1/255 and normalise, got {processor.to_dict()}"
        )
    return Preprocessing(
        size=int(size.height),
        mean=tuple(processor.image_mean),
        std=tuple(processor.image_std),
        resampling=RESAMPLING[processor.resample],
        centre_crop=crops,
    )
