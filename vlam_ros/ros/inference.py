"""Inference on a thread of its own, so that ROS goes on meanwhile.

Inference is slower than the camera. A queue before it would decide on ever older images: there is
room for one job, the newest, and what is passed over is counted. Results are handed back, so that
everything but inference happens on the ROS thread and nothing of it needs a lock.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from vlam_ros.language import Lexicon
from vlam_ros.runtime import (
    DecisionFailure,
    DecisionJob,
    DecisionMaker,
    Result,
    Runtime,
)
from vlam_ros.types import Uint8Array
from vlam_ros.visualization import draw_attention, draw_overlay

if TYPE_CHECKING:  # the models are imported with the pipeline, not with the node
    from vlam_ros.perception.clipseg import ClipsegGrounder

OVERLAY, ATTENTION = "~/overlay", "~/attention"
"""Topics of images that are drawn of a decision."""
NodeJob: TypeAlias = tuple[DecisionJob, Collection[str]]
"""An image to decide on, and the topics on which somebody wants to see what comes of it."""
NodeResult: TypeAlias = tuple[Result, Mapping[str, Uint8Array]]
"""What came of it, and what is to be seen on each of the topics: uint8[H,W,3] RGB."""
Attention: TypeAlias = Callable[[], "npt.NDArray[np.float32] | None"]


class NodePipeline(DecisionMaker, Protocol):
    """What a node needs of `vlam_ros.pipeline.Pipeline`."""

    @property
    def grounder(self) -> ClipsegGrounder:
        """The models in use."""

    @property
    def lexicon(self) -> Lexicon:
        """What words mean to this robot."""

    def warm_up(self) -> None:
        """Run once, so that the first decision is not the slowest."""

    def attention(self) -> npt.NDArray[np.float32] | None:
        """Where it looked when it decided last, float32[h,w]; None if it cannot say."""


def describe(models: ClipsegGrounder) -> dict[str, str]:
    """For diagnostics: which models run where."""
    return {
        "model": models.name,
        "backend": models.backend,
        "device": str(models.device),
        "precision": models.precision,
        "notes": "; ".join(models.notes),
    }


def decide(
    runtime: Runtime, clock: Callable[[], int], look: Attention, node_job: NodeJob
) -> NodeResult:
    """Decide at the `clock`'s time (ns), and draw what is wanted; `look` says where it looked."""
    job, wanted = node_job
    result = runtime.decide(job, clock())
    if not wanted or isinstance(result, DecisionFailure):
        return result, {}
    image, text = result.observation.image, job.request.text
    drawn = {}
    try:
        if OVERLAY in wanted:
            drawn[OVERLAY] = draw_overlay(image, result.decision, text)
        if ATTENTION in wanted and (looked := look()) is not None:
            drawn[ATTENTION] = draw_attention(image, looked, result.decision, text)
    except Exception as error:
        return DecisionFailure(job, error, result.inputs), {}
    return result, drawn


class InferenceThread:
    """Does the newest job, and says so through `notify` (from that thread)."""

    def __init__(self, do: Callable[[NodeJob], NodeResult], notify: Callable[[], None]) -> None:
        """Start it."""
        self._do, self._notify = do, notify
        self._changed = threading.Condition()
        self._job: NodeJob | None = None
        self._stopped = False
        self._results: queue.SimpleQueue[NodeResult] = queue.SimpleQueue()
        self.passed_over = 0
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def put(self, job: NodeJob) -> None:
        """Leave a job, in place of one that was not begun yet."""
        with self._changed:
            self.passed_over += self._job is not None
            self._job = job
            self._changed.notify()

    def results(self) -> Iterator[NodeResult]:
        """What came of the jobs since the last call, oldest first."""
        while not self._results.empty():
            yield self._results.get()

    def stop(self) -> None:
        """End the thread, after the job that it is at."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._take()) is not None:
            self._results.put(self._do(job))
            self._notify()

    def _take(self) -> NodeJob | None:
        """Wait for the newest job; None once the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._job is not None or self._stopped)
            job, self._job = self._job, None
            return None if self._stopped else job
