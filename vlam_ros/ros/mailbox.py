"""The way to inference and back: the newest job goes to one worker thread, answers come home.

Inference is slower than the camera. A queue before it would decide on ever older images; the
mailbox holds one job, the newest, and counts what was passed over. Answers are handed back, so
that everything but inference happens on the ROS thread and nothing of it needs a lock.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")


class Mailbox(Generic[Job]):
    """Room for one job, which a newer one replaces."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._job: Job | None = None
        self._closed = False
        self.passed_over = 0

    def put(self, job: Job) -> None:
        """Leave a job, in place of one that was not taken yet."""
        with self._changed:
            self.passed_over += self._job is not None
            self._job = job
            self._changed.notify()

    def take(self) -> Job | None:
        """Wait for the newest job; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._job is not None or self._closed)
            job, self._job = self._job, None
            return None if self._closed else job

    def close(self) -> None:
        """Make the taker stop waiting."""
        with self._changed:
            self._closed = True
            self._changed.notify()


class Worker(Generic[Job, Answer]):
    """One thread that answers the newest job, and says so through `notify` (from that thread)."""

    def __init__(self, answer: Callable[[Job], Answer], notify: Callable[[], None]) -> None:
        self._answer = answer
        self._notify = notify
        self._mailbox: Mailbox[Job] = Mailbox()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def passed_over(self) -> int:
        """How many jobs were replaced by a newer one before they were taken."""
        return self._mailbox.passed_over

    def put(self, job: Job) -> None:
        """Give it the newest job."""
        self._mailbox.put(job)

    def answers(self) -> Iterator[Answer]:
        """The answers since the last call, oldest first."""
        while True:
            try:
                yield self._answers.get_nowait()
            except queue.Empty:
                return

    def stop(self) -> None:
        """End the thread, after the job that it is at."""
        self._mailbox.close()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._mailbox.take()) is not None:
            self._answers.put(self._answer(job))
            self._notify()
