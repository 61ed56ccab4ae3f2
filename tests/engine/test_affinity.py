"""Tests of AffinityPool: all work is done once, in order of preference, and another worker does lost work."""

import contextlib
import functools
import itertools
import threading
import time

import pytest

from vjax.engine import affinity
from vjax.engine.affinity import MAX_LOST, AffinityPool, WorkerLostError


class Worker(frozenset):
    """The keys that a worker is prepared for. It is a context manager, as a cache is."""

    full = True

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        pass


def test_submit_with_more_threads_than_workers_wakes_the_thread_with_the_worker():
    """Nine threads share one worker: each piece of work must wake the thread that has it."""
    free = threading.Semaphore(1)
    with AffinityPool(lambda closing: Worker() if free.acquire(blocking=False) else None, size=9) as pool:
        for i in range(50):
            assert pool.submit(lambda worker, i=i: i * i).result(timeout=30) == i * i


def test_submit_with_keys_gives_a_worker_its_prepared_keys_first():
    begun, go, order = threading.Event(), threading.Event(), []

    def wait(worker: Worker) -> None:
        begun.set()
        go.wait(30)

    with AffinityPool(lambda closing: Worker({"prepared"}), size=1) as pool:
        pool.submit(wait)
        assert begun.wait(30)
        done = [
            pool.submit(lambda worker, name=name: order.append(name), key)
            for name, key in (("a", "other"), ("b", "prepared"), ("c", None), ("d", "prepared"))
        ]
        go.set()
        for future in done:
            future.result(timeout=30)
    assert order == ["b", "d", "a", "c"]


@contextlib.contextmanager
def one_busy_one_free(full: bool):
    """A pool, its free worker, and an event that ends the work of the busy worker, which is prepared for "key"."""
    busy, free = Worker({"key"}), Worker()
    free.full = full
    workers, begun, go = iter([busy, free]), threading.Event(), threading.Event()

    def open_worker(closing: threading.Event) -> Worker:
        worker = next(workers)
        assert worker is busy or begun.wait(30)
        return worker

    def wait(worker: Worker) -> None:
        begun.set()
        go.wait(30)

    with AffinityPool(open_worker, size=2) as pool:
        pool.submit(wait, "key")
        yield pool, free, go
        go.set()


def test_submit_of_little_work_leaves_the_key_to_the_prepared_worker():
    """The full worker takes work of the key once two pieces of it wait, and leaves the second."""
    with one_busy_one_free(full=True) as (pool, free, go):
        one = pool.submit(lambda worker: worker, "key")
        assert pool.submit(lambda worker: worker).result(timeout=30) is free  # by now it has left the waiting work
        assert not one.done()
        two = pool.submit(lambda worker: worker, "key")
        assert one.result(timeout=30) is free
        assert not two.done()
        go.set()
        two.result(timeout=30)


def test_submit_of_little_work_uses_a_worker_that_is_not_full():
    with one_busy_one_free(full=False) as (pool, free, _):
        assert pool.submit(lambda worker: worker, "key").result(timeout=30) is free


def test_submit_all_of_four_keys_rarely_prepares_workers_again():
    """Four workers have room for two of four keys. They are prepared a few times in all, not in each round."""
    prepared = []

    class TwoKeys(list):
        __enter__, __exit__ = Worker.__enter__, Worker.__exit__
        full = property(lambda self: len(self) >= 2)

    def work(worker: TwoKeys, key: int) -> None:
        if key not in worker:
            worker[:] = [*worker, key][-2:]
            prepared.append(key)
        time.sleep(0.002)

    with AffinityPool(lambda closing: TwoKeys(), size=4) as pool:
        for _ in range(20):
            one_round = [(functools.partial(work, key=key), key) for key in range(4) for _ in range(8)]
            for future in pool.submit_all(one_round):
                future.result(timeout=30)
    assert len(prepared) < 20 * 5  # without preferences it is 170


def test_submit_with_a_lost_worker_does_the_work_on_another():
    workers = [Worker({i}) for i in range(3)]
    opened = iter(workers)

    def work(worker: Worker) -> Worker:
        if worker is not workers[2]:
            raise WorkerLostError("its machine is lost")
        return worker

    with AffinityPool(lambda closing: next(opened, None), size=1) as pool:
        assert pool.submit(work).result(timeout=30) is workers[2]
        assert pool.submit(work).result(timeout=30) is workers[2]


def test_submit_of_work_that_loses_every_worker_fails_alone():
    tries = itertools.count()

    def lose_worker(worker: Worker) -> None:
        next(tries)
        raise WorkerLostError("out of memory")

    with AffinityPool(lambda closing: Worker(), size=2) as pool:
        message = f"{MAX_LOST} workers were lost while they rendered one sound; the last: out of memory"
        with pytest.raises(ConnectionError, match=message):
            pool.submit(lose_worker).result(timeout=30)
        assert pool.submit(lambda worker: "done").result(timeout=30) == "done"
    assert next(tries) == MAX_LOST


def test_submit_with_an_error_raises_it_from_the_future(monkeypatch):
    monkeypatch.setattr(affinity, "_RETRY_S", 0.01)

    def fail(worker: Worker) -> None:
        raise ValueError("of the work")

    def open_nothing(closing: threading.Event) -> Worker:
        raise ConnectionError("no worker exists")

    with AffinityPool(lambda closing: Worker(), size=1) as pool:
        with pytest.raises(ValueError, match="of the work"):
            pool.submit(fail).result(timeout=30)
        assert pool.submit(lambda worker: 1).result(timeout=30) == 1
    with AffinityPool(open_nothing, size=1) as pool, pytest.raises(ConnectionError, match="no worker exists"):
        pool.submit(lambda worker: 1).result(timeout=30)


def test_exit_cancels_waiting_work_and_waits_for_running_work():
    begun, go = threading.Event(), threading.Event()

    def wait(worker: Worker) -> str:
        begun.set()
        go.wait(30)
        return "done"

    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(AffinityPool(lambda closing: Worker(), size=1))
        running = pool.submit(wait)
        assert begun.wait(30)
        waiting = pool.submit(wait)
        threading.Timer(0.1, go.set).start()
    assert running.result(timeout=0) == "done"
    assert waiting.cancelled()
