"""One way to load a checkpoint: the embedded model, a local folder or a Hugging Face id.

All three go through the same `from_pretrained`. What can go wrong on the way ends in a ModelError
that names the file and the way to get it; what was decided automatically is logged and kept in
`Checkpoint.notes`, because a robot that silently fell back to the CPU is hard to find.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    validate_repo_id,
)
from transformers import (
    CLIPModel,
    CLIPProcessor,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    PreTrainedConfig,
)
from transformers.utils import logging as transformers_logging

from vlam_ros.errors import ModelError
from vlam_ros.perception.calibration import (
    FILE_NAME,
    UNCALIBRATED_MASK_THRESHOLD,
    Calibration,
    calibrate_command,
)
from vlam_ros.perception.clipseg.adapters import load_adapter
from vlam_ros.perception.clipseg.adapters.attach import DTYPES
from vlam_ros.perception.clipseg.backend import Backend, TorchBackend
from vlam_ros.perception.clipseg.exported import load_exported
from vlam_ros.perception.clipseg.preprocess import Preprocessing

MODELS = Path(__file__).parents[2] / "models"
SHIPPED = {
    "embedded": MODELS / "embedded-2",
    "embedded-2": MODELS / "embedded-2",
    "embedded-1": MODELS / "embedded-1",
}
"""The checkpoints that come with the package: the newest edition, and each by its number."""
EMBEDDED = SHIPPED["embedded"]

BACKENDS = ("torch", "onnxruntime", "tensorrt", "openvino")
DEVICES = ("auto", "cpu", "cuda")

# A checkpoint is complete with one file of each row.
_PARTS = (
    ("config.json",),
    ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"),
    ("preprocessor_config.json", "processor_config.json"),
    ("tokenizer.json", "vocab.json"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A CLIPSeg from `load_checkpoint`, or a CLIP from `load_clip`.

    `backend` runs it; `processor` is Hugging Face's, and `preprocessing` what it does to images;
    `notes` says what was decided automatically or is missing.
    """

    backend: Backend
    config: Any
    processor: Any
    preprocessing: Preprocessing
    calibration: Calibration | None
    name: str
    notes: tuple[str, ...] = ()

    @property
    def tokenizer(self) -> CLIPTokenizer:
        """The tokenizer of the text tower."""
        return self.processor.tokenizer

    @property
    def crop_size(self) -> int:
        """Side in pixels of what the second look cuts out; without calibration the images'."""
        return self.calibration.crop_size if self.calibration else self.preprocessing.size

    @property
    def mask_threshold(self) -> float:
        """Probability from which a pixel can belong to a phrase."""
        return self.calibration.mask_threshold if self.calibration else UNCALIBRATED_MASK_THRESHOLD

    @property
    def model(self) -> Any:
        """The CLIPSegForImageSegmentation or CLIPModel itself, in evaluation mode.

        Raises:
            ModelError: an exported checkpoint has none.
        """
        if isinstance(self.backend, TorchBackend):
            return self.backend.model
        raise ModelError(
            f"{self.name} runs on {self.backend.name} and has no weights to work on: use the "
            "checkpoint that it was exported from"
        )


def load_checkpoint(
    name_or_path: str | Path = "embedded",
    device: str = "auto",
    dtype: str = "auto",
    backend: str = "torch",
    compiled: bool = False,
    adapter: str | Path = "",
) -> Checkpoint:
    """Load a CLIPSeg checkpoint.

    Args:
        name_or_path: a name of SHIPPED, a folder, or a Hugging Face id as
            `CIDAS/clipseg-rd64-refined`; for backends other than torch a folder that `vlam export`
            wrote.
        device: "auto" (the GPU if there is one), "cpu" or "cuda".
        dtype: "float32", "bfloat16", "float16", "int8" or "auto". With torch that is float32 on the
            CPU, because few CPUs calculate in half precision and the others emulate it slower than
            float32; on a GPU bfloat16, which cannot overflow where float32 does not, or float16
            where it is too old. TensorRT's is float16, the others' float32.
        backend: one of BACKENDS.
        compiled: with torch, whether to compile the model; see TorchBackend.
        adapter: with torch, the folder or file of an adapter that was tuned on this checkpoint. The
            calibration is then the one beside the adapter.

    Raises:
        ModelError: no such folder or id, a file is missing or damaged, the checkpoint is not a
            CLIPSeg, the adapter is for another one, or the backend, device or dtype cannot be had.
    """
    if backend == "torch":
        kinds = (CLIPSegForImageSegmentation, CLIPSegProcessor)
        return _load(name_or_path, device, dtype, *kinds, compiled, adapter)
    if backend not in BACKENDS:
        raise ModelError(f"backend must be {', '.join(BACKENDS)}, got {backend!r}")
    if compiled:
        raise ModelError(f"only backend torch can be compiled, {backend} always is")
    if adapter:
        raise ModelError(
            f"backend {backend} takes no adapter: export the checkpoint with it, `vlam export "
            f"--adapter {adapter}`"
        )
    return _load_exported(name_or_path, device, dtype, backend)


def load_clip(name_or_path: str | Path, device: str = "auto", dtype: str = "auto") -> Checkpoint:
    """Load a separate CLIP checkpoint as `openai/clip-vit-base-patch16`; as `load_checkpoint`."""
    return _load(name_or_path, device, dtype, CLIPModel, CLIPProcessor)


def _load(
    name_or_path: str | Path,
    device: str,
    dtype: str,
    model_class: Any,
    processor_class: Any,
    compiled: bool = False,
    adapter: str | Path = "",
) -> Checkpoint:
    _require_device(device)
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
    with _loading(name, folder):
        _require_kind(name, source, options, model_class.config_class.model_type)
        model, report = model_class.from_pretrained(
            source, dtype=torch_dtype, output_loading_info=True, **options
        )
        processor = processor_class.from_pretrained(source, **options)
    if absent := sorted(report["missing_keys"]):
        raise ModelError(
            f"{name} lacks {len(absent)} weights of a {model_class.__name__}, {absent[0]} the "
            "first: the file is incomplete or belongs to another model; get it again"
        )
    thresholds = folder
    if adapter:
        adaptation = load_adapter(model, adapter)
        if adaptation.method.mergeable:
            adaptation.merge()
        path = Path(adapter).expanduser()
        thresholds = path if path.is_dir() else path.parent  # those of the tuned model
        name = f"{name} with {path}"
    backend = TorchBackend(model.to(torch_device).eval(), compiled)
    return _checkpoint(name, thresholds, backend, model.config, processor, notes)


def _load_exported(name_or_path: str | Path, device: str, dtype: str, backend: str) -> Checkpoint:
    _require_device(device)
    name, folder = str(name_or_path), _folder(name_or_path)
    if folder is None:
        raise ModelError(
            f"backend {backend} runs what `vlam export --model {name} --output FOLDER` writes: "
            "give that FOLDER as the model"
        )
    options: dict[str, Any] = {"local_files_only": True}
    with _loading(name, folder):
        _require_kind(name, folder, options, CLIPSegConfig.model_type)
        config = CLIPSegConfig.from_pretrained(folder, **options)
        processor = CLIPSegProcessor.from_pretrained(folder, **options)
    graphs = load_exported(folder, backend, device, dtype, config)
    return _checkpoint(name, folder, graphs, config, processor, [])


@contextmanager
def _loading(name: str, folder: Path | None) -> Iterator[None]:
    """Let the libraries load without a word in the node's log, and explain what they raise."""
    with ExitStack() as afterwards, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in map(logging.getLogger, ("transformers", "huggingface_hub")):
            afterwards.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        if transformers_logging.is_progress_bar_enabled():
            afterwards.callback(transformers_logging.enable_progress_bar)
            transformers_logging.disable_progress_bar()
        if not are_progress_bars_disabled():
            afterwards.callback(enable_progress_bars)
            disable_progress_bars()
        try:
            yield
        except ModelError:
            raise
        # Damaged files make the libraries raise almost anything: KeyError, SafetensorError, …
        except Exception as error:
            raise ModelError(_explanation(name, folder, error)) from error


def _checkpoint(
    name: str, folder: Path | None, backend: Backend, config: Any, processor: Any, notes: list[str]
) -> Checkpoint:
    """Put together what was loaded, after a look at whether it fits together."""
    _require_tokenizer(name, processor.tokenizer, config.text_config.vocab_size)
    calibration = None if folder is None else Calibration.load(folder)
    if calibration is None or calibration.is_provisional:
        command = calibrate_command(*name.split(" with ", 1))
        lack = "is not calibrated" if calibration else f"has no {FILE_NAME}"
        notes.append(f"{name} {lack}: nothing it sees counts as found before `{command}`")
    if calibration and calibration.crop_size % (patch := config.vision_config.patch_size):
        raise ModelError(
            f"{name}: crop_size {calibration.crop_size} in {FILE_NAME} is not a multiple of the "
            f"patch, {patch} pixels: calibrate the checkpoint again"
        )
    known = calibration.familiarity if calibration else None
    layers = getattr(config, "extract_layers", ())  # a CLIP has none, and judges no images
    width = config.vision_config.hidden_size
    if known and layers and known.width not in (width, len(layers) * width):
        raise ModelError(
            f"{name}: what its calibration says of familiar images is another model's: calibrate "
            "the checkpoint again"
        )
    for note in notes:
        _log.warning(note)
    return Checkpoint(
        backend=backend,
        config=config,
        processor=processor,
        preprocessing=Preprocessing.of(name, processor.image_processor),
        calibration=calibration,
        name=name,
        notes=tuple(notes),
    )


def _placement(device: str, dtype: str) -> tuple[torch.device, torch.dtype, list[str]]:
    """The device and dtype to use, and what was decided here rather than asked for."""
    notes = []
    if dtype != "auto" and dtype not in DTYPES:
        raise ModelError(
            f"dtype must be auto, {', '.join(DTYPES)} with backend torch, got {dtype!r}"
        )
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
    if isinstance(name_or_path, str) and name_or_path in SHIPPED:
        return SHIPPED[name_or_path]
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


def _require_device(device: str) -> None:
    if device not in DEVICES:
        raise ModelError(f"device must be {', '.join(DEVICES)}, got {device!r}")


def _require_kind(name: str, source: Any, options: dict[str, Any], expected: str) -> None:
    kind = PreTrainedConfig.get_config_dict(source, **options)[0].get("model_type")
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
