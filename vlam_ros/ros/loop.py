"""The way of an image through a deciding node: it waits for its depth, is decided on, and the
answer is heard if the instruction is still the same then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from sensor_msgs.msg import CompressedImage, Image

from vlam_ros.ros.decider import Answer, Job
from vlam_ros.ros.mailbox import Worker
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.synchroniser import ImageSelector
from vlam_ros.types import InstructionRequest

ImageMessage: TypeAlias = Image | CompressedImage


class DecisionLoop:
    """Lives as long as a node is active. All but the deciding happens on the caller's thread."""

    def __init__(
        self, decide: Callable[[Job], Answer], notify: Callable[[], None], wait: int
    ) -> None:
        """Start the thread that calls `decide`; `notify` says (from there) that there are answers.
        `wait` is the longest that an image waits for its depth, ns.
        """
        self._worker = Worker(decide, notify)
        self._images: ImageSelector[ImageMessage] = ImageSelector(wait)
        self._shown: ImageMessage | None = None
        # Answers of an older generation are not heard.
        self._generation = 0
        self._era = 0

    @property
    def newest(self) -> int | None:
        """The stamp (ns) of the newest image that came."""
        return self._images.newest

    @property
    def passed_over(self) -> int:
        """How many images made room for newer ones."""
        return self._images.passed_over + self._worker.passed_over

    def put(self, image: ImageMessage) -> bool:
        """Take an image that came; False for the same or an older one, by the other transport."""
        stamp = nanoseconds(image.header.stamp)
        if self.newest is not None and stamp <= self.newest:
            return False
        self._images.put(stamp, image)
        return True

    def depth(self, stamp: int) -> None:
        """The depth image of an image came."""
        self._images.depth(stamp)

    def look(
        self, now: int, depth_published: bool, request: InstructionRequest | None, overlay: bool
    ) -> None:
        """Decide on the next image, if there is one that need not wait any longer at `now`."""
        image = self._images.next(now, depth_published)
        if image is not None:
            self._shown = image
            self.again(request, overlay)

    def again(self, request: InstructionRequest | None, overlay: bool) -> None:
        """Decide on the last image that was decided on, if there was one."""
        if self._shown is not None:
            self._worker.put(Job(self._shown, request, self._generation, self._era, overlay))

    def void(self) -> None:
        """The instruction changed: no answer under way counts."""
        self._generation += 1

    def forget(self) -> None:
        """Time jumped: no image and no answer under way counts."""
        self._shown = None
        self._images.clear()
        self._era += 1
        self.void()

    def answers(self) -> Iterator[Answer]:
        """All answers since the last call, oldest first."""
        return self._worker.answers()

    def counts(self, answer: Answer) -> bool:
        """Whether the instruction and the time of an answer are still the same."""
        return answer.job.generation == self._generation

    def stop(self) -> None:
        """End the thread, after the image that it is at."""
        self._worker.stop()
