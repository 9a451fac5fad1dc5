"""The newest job wins, what was passed over is counted, answers are handed back in order."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from replayed import Witness

from vlam_ros.ros import inference
from vlam_ros.ros.inference import ATTENTION, OVERLAY, InferenceThread, decide
from vlam_ros.runtime import DecisionFailure, DecisionResult, Runtime
from vlam_ros.types import Missing, Observation, Reason

PATIENCE = 10.0


def test_a_busy_thread_goes_on_with_the_newest_job() -> None:
    started, free, told = threading.Event(), threading.Event(), threading.Semaphore(0)
    threads: set[str] = set()

    def answer(job: int) -> int:
        threads.add(threading.current_thread().name)
        started.set()
        assert free.wait(PATIENCE)
        return 10 * job

    thread = InferenceThread(answer, told.release)
    thread.put(1)
    assert started.wait(PATIENCE)
    for job in (2, 3, 4):
        thread.put(job)
    assert list(thread.results()) == []
    free.set()
    assert told.acquire(timeout=PATIENCE)
    assert told.acquire(timeout=PATIENCE)
    thread.stop()
    assert list(thread.results()) == [10, 40]
    assert thread.passed_over == 2
    assert threads == {"inference"}


def test_stopping_waits_for_the_job_at_hand_and_for_no_other() -> None:
    started, free = threading.Event(), threading.Event()

    def answer(job: int) -> int:
        started.set()
        assert free.wait(PATIENCE)
        return job

    thread = InferenceThread(answer, lambda: None)
    thread.put(1)
    assert started.wait(PATIENCE)
    thread.put(2)
    stopper = threading.Thread(target=thread.stop)
    stopper.start()
    with thread._changed:
        assert thread._changed.wait_for(lambda: thread._stopped, PATIENCE)
    free.set()
    stopper.join(PATIENCE)
    assert not stopper.is_alive()
    assert list(thread.results()) == [1]


def test_an_overlay_that_cannot_be_drawn_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*arguments: Any) -> Any:
        raise RuntimeError("no font")

    def observe(image: Any, stamp: int, now: int) -> Observation:
        return Observation(stamp, now, image, Missing("no camera"))

    monkeypatch.setattr(inference, "draw_overlay", draw)
    runtime = Runtime(Witness(), observe)
    runtime.images.put(1, np.zeros((3, 4, 3), np.uint8))
    job = runtime.next(2)
    assert job is not None
    result, images = decide(runtime, lambda: 2, lambda: None, (job, ()))
    assert isinstance(result, DecisionResult)
    assert images == {}
    failure, images = decide(runtime, lambda: 3, lambda: None, (job, {OVERLAY}))
    assert isinstance(failure, DecisionFailure)
    assert (failure.verdict.reason, images) == (Reason.INTERNAL_ERROR, {})
    assert failure.inputs is not None
    assert failure.inputs.now == 3


def test_attention_is_drawn_where_a_policy_can_say_where_it_looked() -> None:
    def observe(image: Any, stamp: int, now: int) -> Observation:
        return Observation(stamp, now, image, Missing("no camera"))

    runtime = Runtime(Witness(), observe)
    runtime.images.put(1, np.zeros((48, 64, 3), np.uint8))
    job = runtime.next(2)
    assert job is not None
    _, none = decide(runtime, lambda: 2, lambda: None, (job, {ATTENTION}))
    assert none == {}
    looked = np.full((2, 2), 0.25, np.float32)
    _, images = decide(runtime, lambda: 3, lambda: looked, (job, {ATTENTION, OVERLAY}))
    assert set(images) == {ATTENTION, OVERLAY}
