"""The way of a picture through a deciding node: it waits for its depth, is decided on, and the
answer is heard if the instruction is still the same then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from sensor_msgs.msg import CompressedImage, Image

from vlam_ros.ros.decider import Answer, Job
from vlam_ros.ros.mailbox import Worker
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.synchroniser import Pictures
from vlam_ros.types import InstructionRequest

Picture: TypeAlias = Image | CompressedImage


class DecisionLoop:
    """Lives as long as a node is active. All but the deciding happens on the caller's thread."""

    def __init__(
        self, decide: Callable[[Job], Answer], notify: Callable[[], None], wait: int
    ) -> None:
        """Start the thread that calls `decide`; `notify` says (from there) that there are answers.
        `wait` is the longest that a picture waits for its depth, ns.
        """
        self._worker = Worker(decide, notify)
        self._pictures: Pictures[Picture] = Pictures(wait)
        self._shown: Picture | None = None
        # Answers of an older generation are not heard.
        self._generation = 0
        self._era = 0

    @property
    def newest(self) -> int | None:
        """The stamp (ns) of the newest picture that came."""
        return self._pictures.newest

    @property
    def passed_over(self) -> int:
        """How many pictures made room for newer ones."""
        return self._pictures.passed_over + self._worker.passed_over

    def put(self, picture: Picture) -> bool:
        """Take a picture that came; False for the same or an older one, by the other transport."""
        stamp = nanoseconds(picture.header.stamp)
        if self.newest is not None and stamp <= self.newest:
            return False
        self._pictures.put(stamp, picture)
        return True

    def depth(self, stamp: int) -> None:
        """The depth image of a picture came."""
        self._pictures.depth(stamp)

    def look(
        self, now: int, depth_published: bool, request: InstructionRequest | None, overlay: bool
    ) -> None:
        """Decide on the next picture, if there is one that need not wait any longer at `now`."""
        picture = self._pictures.next(now, depth_published)
        if picture is not None:
            self._shown = picture
            self.again(request, overlay)

    def again(self, request: InstructionRequest | None, overlay: bool) -> None:
        """Decide on the last picture that was decided on, if there was one."""
        if self._shown is not None:
            self._worker.put(Job(self._shown, request, self._generation, self._era, overlay))

    def void(self) -> None:
        """The instruction changed: no answer under way counts."""
        self._generation += 1

    def forget(self) -> None:
        """Time jumped: no picture and no answer under way counts."""
        self._shown = None
        self._pictures.clear()
        self._era += 1
        self.void()

    def answers(self) -> Iterator[Answer]:
        """All answers since the last call, oldest first."""
        return self._worker.answers()

    def counts(self, answer: Answer) -> bool:
        """Whether the instruction and the time of an answer are still the same."""
        return answer.job.generation == self._generation

    def stop(self) -> None:
        """End the thread, after the picture that it is at."""
        self._worker.stop()
