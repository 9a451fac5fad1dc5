"""The loop of the robot: observe, decide, publish; driven by topics, by a bag or by a simulator.

A source puts in what comes (images, instructions, jumps of time), asks `next` which image is to be
decided on, lets `decide` do it, on another thread if it likes, and publishes what `accept` takes.
Stamps and times are in ns of the robot's clock, which is passed in: simulated time and bags work.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from vlam_ros.errors import ImageError
from vlam_ros.fusion.synchroniser import Synchroniser
from vlam_ros.types import (
    Decision,
    DecisionInputs,
    InstructionRequest,
    Observation,
    Outcome,
    Reason,
    Verdict,
)

DEPTH_MARGIN = 0.05
"""Seconds that depth is on its way: fusion_node waits for a sweep as long as it may, and makes the
best of the last one then.
"""
IMAGES_KEPT = 8
MISSES = 3
"""Images that waited for their depth in vain, after which a node lets the next ones not wait."""


class DecisionMaker(Protocol):
    """What decides, and may remember what it saw: `vlam_ros.pipeline.Pipeline`, or what it is
    compared with.
    """

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        """Decide on one observation."""

    def reset(self) -> None:
        """Forget everything."""


@dataclass(frozen=True)
class DecisionJob:
    """An image to be decided on, and the instruction. The image is as its source has it, a message
    or pixels: it is read when it is decided on, so that one that is passed over costs nothing.

    With each jump of time an `era` begins, in which nothing is remembered of the one before.
    """

    image: Any
    stamp: int
    request: InstructionRequest
    era: int


@dataclass(frozen=True)
class DecisionResult:
    """A decision, what it was made on, and the seconds that it took to compute."""

    job: DecisionJob
    decision: Decision
    inputs: DecisionInputs
    observation: Observation
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """What was decided."""
        return self.decision.verdict


@dataclass(frozen=True)
class DecisionFailure:
    """There is no decision on an image, because of an error; `inputs` if it was asked for one."""

    job: DecisionJob
    error: Exception
    inputs: DecisionInputs | None = None

    @property
    def verdict(self) -> Verdict:
        """HOLD with STALE_SENSOR if there is no usable image, with INTERNAL_ERROR for a fault."""
        if isinstance(self.error, ImageError):
            return Verdict(Outcome.HOLD, Reason.STALE_SENSOR, str(self.error))
        message = f"{type(self.error).__name__}: {self.error}"
        return Verdict(Outcome.HOLD, Reason.INTERNAL_ERROR, message)

    @property
    def report(self) -> str:
        """For the log: what is wrong with the image, or the traceback of a fault."""
        if isinstance(self.error, ImageError):
            return str(self.error)
        return "".join(traceback.format_exception(self.error))


Result: TypeAlias = DecisionResult | DecisionFailure


class ImageSelector:
    """Which image is decided on next: every `period` ns the newest that has its depth, or the
    newest that has waited for it as long as it may.
    """

    def __init__(
        self,
        wait: int = 0,
        has_depth: Callable[[int], bool] = lambda stamp: True,
        period: int = 0,
        misses: float = math.inf,
    ) -> None:
        """Let images wait until the clock is `wait` ns from their stamp, or `has_depth` says that
        there is nothing to wait for. A source of depth that had none for `misses` images is not
        waited for until `depth_came`.
        """
        self._waiting: Synchroniser[Any] = Synchroniser(wait, IMAGES_KEPT)
        self._has_depth, self._period, self._misses = has_depth, period, misses
        self._passed_over = 0
        self.clear()

    def clear(self) -> None:
        """Time jumped: nothing that came belongs to what comes."""
        self._waiting.clear()
        self._due: tuple[int, Any] | None = None
        self._decided_at: int | None = None
        self._missed = 0
        self.newest: int | None = None

    @property
    def passed_over(self) -> int:
        """How many images made room for a newer one."""
        return self._passed_over + self._waiting.passed_over

    @property
    def deadline(self) -> int | None:
        """When (ns) an image may be due at the latest, if nothing comes; None if none waits."""
        moments = [] if self._waiting.deadline is None else [self._waiting.deadline]
        if self._due is not None and self._decided_at is not None:
            moments.append(self._decided_at + self._period)
        return min(moments, default=None)

    def put(self, stamp: int, image: Any) -> bool:
        """Take an image that came; False for the same or an older one."""
        if self.newest is not None and stamp <= self.newest:
            return False
        self._waiting.put(stamp, image)
        self.newest = stamp
        return True

    def depth_came(self) -> None:
        """There is a source of depth that can be waited for."""
        self._missed = 0

    def next(self, now: int, last: bool = False) -> tuple[int, Any] | None:
        """The image to decide on and its stamp, if it is time for one. Before the `last` time
        everything has come, and none waits.
        """
        waits = not last and self._missed < self._misses
        if due := self._waiting.due(now, lambda stamp: not waits or self._has_depth(stamp)):
            self._passed_over += len(due) - 1 + (self._due is not None)
            self._due = due[-1]
        if self._due is None:
            return None
        if self._decided_at is not None and now - self._decided_at < self._period:
            return None
        taken, self._due, self._decided_at = self._due, None, now
        self._missed += not self._has_depth(taken[0])
        return taken


class Runtime:
    """One robot, one instruction at a time.

    `request` is the instruction with its order; a blank text is none, and has its place in the
    order all the same. All but `decide` is called from one thread.
    """

    def __init__(
        self,
        maker: DecisionMaker,
        observe: Callable[[Any, int, int], Observation],
        images: ImageSelector | None = None,
        max_image_age: float = math.inf,
        epoch: int = 1,
    ) -> None:
        """Connect a source.

        Args:
            maker: what decides; it forgets everything before the first decision.
            observe: what is known of an image, taken at a stamp (ns), at a time (ns). May raise
                ImageError.
            images: how they are chosen.
            max_image_age: seconds; an image that is older than the newest by more is of another
                time.
            epoch: of the instructions.
        """
        self._maker, self._observe = maker, observe
        self.images = images or ImageSelector()
        self._max_image_age = max_image_age * 1e9
        self._shown: tuple[int, Any] | None = None
        self._outcome: Outcome | None = None  # what was said last of the instruction, if anything
        self._made_in: int | None = None  # the era of the last decision; `decide` alone knows it
        self.request = InstructionRequest("", epoch)
        self.era = 0

    # --------------------------------------------------------------------------- in

    def instruct(self, text: str) -> bool:
        """Begin an instruction, newer than any before: what is being decided does not count. False
        for the words of one that is under way, which goes on; one that is done or held begins anew.
        """
        under_way = self._outcome in (None, Outcome.EXECUTE) and not self.request.is_blank
        if under_way and text.split() == self.request.text.split():
            return False
        self._begin(text)
        return True

    def _begin(self, text: str) -> None:
        self.request = replace(self.request, text=text, sequence=self.request.sequence + 1)
        self._outcome = None

    def replan(self) -> bool:
        """Begin the instruction anew; False if there is none, or it is done."""
        if self._outcome is Outcome.DONE or self.request.is_blank:
            return False
        self._begin(self.request.text)
        return True

    def jumped_back(self, stamp: int) -> bool:
        """Whether an image with this stamp tells that time jumped back: then `reset`."""
        newest = self.images.newest
        return newest is not None and newest - stamp > self._max_image_age

    def reset(self) -> None:
        """Time jumped back: an era begins, without image, memory or instruction. A robot that went
        on with what it was told in another time would move without having been told to.
        """
        self.images.clear()
        self._shown = None
        self.era += 1
        self._begin("")

    # --------------------------------------------------------------------------- decide

    def next(self, now: int, last: bool = False) -> DecisionJob | None:
        """The job to do at `now`, if it is time for one; see `ImageSelector.next`."""
        taken = self.images.next(now, last)
        if taken is None:
            return None
        self._shown = taken
        return self.again()

    def again(self) -> DecisionJob | None:
        """The last image once more, as for a new instruction; None before the first."""
        if self._shown is None:
            return None
        stamp, image = self._shown
        return DecisionJob(image, stamp, self.request, self.era)

    def decide(self, job: DecisionJob, now: int) -> Result:
        """Decide at `now` on an image; nothing is raised. Not called twice at a time."""
        asked = None if job.request.is_blank else job.request
        inputs = None
        try:
            if job.era != self._made_in:
                self._maker.reset()
                self._made_in = job.era
            observation = self._observe(job.image, job.stamp, now)
            inputs = DecisionInputs.of(observation, asked, job.era)
            begin = time.perf_counter()
            decision = self._maker.step(observation, asked)
            seconds = time.perf_counter() - begin
            # The maker cannot know the order of a request that it is not given.
            chunk = replace(decision.chunk, request=job.request)
            decision = replace(decision, chunk=chunk)
        except Exception as error:
            return DecisionFailure(job, error, inputs)
        return DecisionResult(job, decision, inputs, observation, seconds)

    # --------------------------------------------------------------------------- publish

    def accept(self, result: Result) -> bool:
        """Whether it is to be published: the instruction and the time are still the same."""
        if (result.job.request, result.job.era) != (self.request, self.era):
            return False
        if isinstance(result, DecisionResult):
            self._outcome = result.verdict.outcome
        return True
