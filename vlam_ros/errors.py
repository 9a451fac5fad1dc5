"""The package's typed errors: each says what was expected, what came, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: what may have been meant, or nothing."""
    near = get_close_matches(word.lower(), known, 1)
    return f": did you mean {near[0]}?" if near else ""


class VlamError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(VlamError):
    """A parameter, configuration file or skill definition is missing, misspelt or out of range."""


class MissingExtraError(VlamError):
    """A command needs a package that comes with an extra of the installation."""


class ModelError(VlamError):
    """A checkpoint cannot be found, read or used on the requested device."""


class ImageError(VlamError):
    """An image or its camera description cannot be used: encoding, size, step or intrinsics."""


class SensorError(VlamError):
    """A message of a sensor other than the camera cannot be used: layout, frame or values."""


class UnseenError(SensorError):
    """A sensor is there, and says itself that it senses nothing."""


class InstructionError(VlamError):
    """An instruction is empty, too long, or not a sentence that the grammar understands."""


class ActionError(VlamError):
    """An action cannot be encoded in, or a token row decoded from, an action space."""


class SimulationError(VlamError):
    """A simulated scene cannot be built or rendered on this machine."""


class BagError(VlamError):
    """A bag cannot be read or written: format, topics, message types or damage."""


class ReplayError(VlamError):
    """A replay cannot be run or compared: its baseline, thresholds or topics."""


class LearningError(VlamError):
    """A training objective or its balancing cannot be computed: shapes, labels or weights."""
