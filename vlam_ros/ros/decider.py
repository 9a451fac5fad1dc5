"""One image to one answer on the inference thread, whatever the image is.

The image is converted here and not on the ROS thread, so that a passed-over one costs nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sensor_msgs.msg import CompressedImage, Image

from vlam_ros.configuration import Settings
from vlam_ros.errors import ImageError
from vlam_ros.ros.images import image_from_message
from vlam_ros.ros.observation import Sensors
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import (
    Decision,
    DecisionInputs,
    InstructionRequest,
    Outcome,
    Reason,
    Uint8Array,
    Verdict,
    decision_maker,
)
from vlam_ros.visualization import draw_overlay


class Models(Protocol):
    """What a node tells about `vlam_ros.perception.Grounder`."""

    @property
    def name(self) -> str:
        """Which checkpoint it is."""

    @property
    def device(self) -> object:
        """Where it runs."""

    @property
    def backend(self) -> str:
        """What runs it."""

    @property
    def precision(self) -> str:
        """In which it calculates."""

    @property
    def notes(self) -> Sequence[str]:
        """What loading decided by itself, as a fallback to the CPU."""


class DecisionMaker(decision_maker.DecisionMaker, Protocol):
    """What a node needs of `vlam_ros.pipeline.Pipeline`."""

    @property
    def grounder(self) -> Models:
        """The models in use."""

    def warm_up(self) -> None:
        """Run once, so that the first decision is not the slowest."""


def describe(models: Models) -> dict[str, str]:
    """For diagnostics: which models run where."""
    return {
        "model": models.name,
        "backend": models.backend,
        "device": str(models.device),
        "precision": models.precision,
        "notes": "; ".join(models.notes),
    }


@dataclass(frozen=True)
class Job:
    """An image to decide on. Answers of an older generation than the node's are not wanted any
    more: the instruction changed, or time jumped. With each jump of time an era begins, in which
    nothing is remembered of the one before.
    """

    message: Image | CompressedImage
    request: InstructionRequest | None
    generation: int
    era: int
    with_overlay: bool

    @property
    def stamp(self) -> int:
        """When the image was taken, ns."""
        return nanoseconds(self.message.header.stamp)


@dataclass(frozen=True)
class Answer:
    """A decision, or the verdict and report of why there is none; and what the pipeline was asked
    about, if it was.
    """

    job: Job
    verdict: Verdict
    inputs: DecisionInputs | None = None
    decision: Decision | None = None
    overlay: Uint8Array | None = None
    report: str = ""


class Decider:
    """Turns jobs into answers with a pipeline that only the calling thread may use."""

    def __init__(
        self,
        pipeline: DecisionMaker,
        settings: Settings,
        sensors: Callable[[], Sensors],
        clock: Callable[[], int],
    ) -> None:
        """Read the newest `sensors` and the node's `clock` (ns) at each decision."""
        self._pipeline = pipeline
        self._limits = settings.sensors
        self._sensors = sensors
        self._clock = clock
        self._era: int | None = None

    def __call__(self, job: Job) -> Answer:
        """Decide; a bad image answers HOLD with STALE_SENSOR (there is no usable image), a
        fault of the program HOLD with INTERNAL_ERROR and its traceback in the report.
        """
        now, inputs = self._clock(), None
        try:
            if job.era != self._era:
                self._pipeline.reset()
                self._era = job.era
            image = image_from_message(job.message)
            observation = self._sensors().observation(image, job.stamp, now, self._limits)
            inputs = DecisionInputs.of(observation, job.request, job.era)
            decision = self._pipeline.step(observation, job.request)
            text = job.request.text if job.request else ""
            overlay = draw_overlay(image, decision, text) if job.with_overlay else None
        except ImageError as error:
            verdict = Verdict(Outcome.HOLD, Reason.STALE_SENSOR, str(error))
            return Answer(job, verdict, report=str(error))
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            verdict = Verdict(Outcome.HOLD, Reason.INTERNAL_ERROR, message)
            return Answer(job, verdict, inputs, report=traceback.format_exc())
        return Answer(job, decision.verdict, inputs, decision, overlay)
