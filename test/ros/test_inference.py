"""The newest job wins, what was passed over is counted, answers are handed back in order."""

from __future__ import annotations

import threading
import time

from vlam_ros.ros.inference import InferenceThread

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
    assert list(thread.answers()) == []
    free.set()
    assert told.acquire(timeout=PATIENCE)
    assert told.acquire(timeout=PATIENCE)
    thread.stop()
    assert list(thread.answers()) == [10, 40]
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
    while not thread._stopped:
        time.sleep(0.001)
    free.set()
    stopper.join(PATIENCE)
    assert not stopper.is_alive()
    assert list(thread.answers()) == [1]
