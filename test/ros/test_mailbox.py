"""The newest job wins, what was passed over is counted, answers come home in order."""

from __future__ import annotations

import threading

from vlam_ros.ros.mailbox import Mailbox, Worker

PATIENCE = 10.0


def test_the_newest_job_replaces_the_others_and_they_are_counted() -> None:
    mailbox: Mailbox[int] = Mailbox()
    for job in range(5):
        mailbox.put(job)
    assert (mailbox.take(), mailbox.passed_over) == (4, 4)


def test_a_closed_mailbox_gives_nothing_more() -> None:
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put(1)
    mailbox.close()
    assert mailbox.take() is None


def test_a_busy_worker_goes_on_with_the_newest_job() -> None:
    started, free, told = threading.Event(), threading.Event(), threading.Semaphore(0)
    threads: set[str] = set()

    def answer(job: int) -> int:
        threads.add(threading.current_thread().name)
        started.set()
        assert free.wait(PATIENCE)
        return 10 * job

    worker = Worker(answer, told.release)
    worker.put(1)
    assert started.wait(PATIENCE)
    for job in (2, 3, 4):
        worker.put(job)
    assert list(worker.answers()) == []
    free.set()
    assert told.acquire(timeout=PATIENCE)
    assert told.acquire(timeout=PATIENCE)
    worker.stop()
    assert list(worker.answers()) == [10, 40]
    assert worker.passed_over == 2
    assert threads == {"inference"}


def test_stopping_waits_for_the_job_at_hand() -> None:
    started, free = threading.Event(), threading.Event()

    def answer(job: int) -> int:
        started.set()
        assert free.wait(PATIENCE)
        return job

    worker = Worker(answer, lambda: None)
    worker.put(1)
    assert started.wait(PATIENCE)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    free.set()
    stopper.join(PATIENCE)
    assert not stopper.is_alive()
    assert list(worker.answers()) == [1]
