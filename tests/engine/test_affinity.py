"""Threads with seats: what waits is done once, in order of preference, and what a seat loses is done by another."""

import contextlib
import functools
import itertools
import threading
import time

import pytest

from vjax.engine.affinity import MAX_LOST, AffinityPool, WorkerLostError


class Seat(frozenset):
    """What it is prepared for; a context manager as a cache is."""

    full = True

    def __enter__(self) -> "Seat":
        return self

    def __exit__(self, *_) -> None:
        pass


def test_threads_without_a_seat_take_no_work_and_no_turn():
    """One seat for nine threads: each piece of work must wake the thread that has it."""
    free = threading.Semaphore(1)
    with AffinityPool(lambda closing: Seat() if free.acquire(blocking=False) else None, size=9) as crew:
        for i in range(50):
            assert crew.submit(lambda seat, i=i: i * i).result(timeout=30) == i * i


def test_a_seat_takes_what_it_is_prepared_for_first():
    begun, go, order = threading.Event(), threading.Event(), []

    def wait(seat: Seat) -> None:
        begun.set()
        go.wait(30)

    with AffinityPool(lambda closing: Seat({"mine"}), size=1) as crew:
        crew.submit(wait)
        assert begun.wait(30)
        done = [
            crew.submit(lambda seat, name=name: order.append(name), key)
            for name, key in (("a", "other"), ("b", "mine"), ("c", None), ("d", "mine"))
        ]
        go.set()
        for future in done:
            future.result(timeout=30)
    assert order == ["b", "d", "a", "c"]


@contextlib.contextmanager
def one_busy_one_free(full: bool):
    """A crew, its free seat, and an event that ends the work of the other, which is prepared for "key"."""
    mine, other = Seat({"key"}), Seat()
    other.full = full
    seats, begun, go = iter([mine, other]), threading.Event(), threading.Event()

    def open_worker(closing: threading.Event) -> Seat:
        seat = next(seats)
        assert seat is mine or begun.wait(30)
        return seat

    def wait(seat: Seat) -> None:
        begun.set()
        go.wait(30)

    with AffinityPool(open_worker, size=2) as crew:
        crew.submit(wait, "key")
        yield crew, other, go
        go.set()


def test_a_full_seat_leaves_a_key_to_those_who_are_prepared_while_little_of_it_waits():
    """It takes of the key once two pieces of it wait, and leaves the second."""
    with one_busy_one_free(full=True) as (crew, other, go):
        one = crew.submit(lambda seat: seat, "key")
        assert crew.submit(lambda seat: seat).result(timeout=30) is other  # it is there, and has seen what waits
        assert not one.done()
        two = crew.submit(lambda seat: seat, "key")
        assert one.result(timeout=30) is other
        assert not two.done()
        go.set()
        two.result(timeout=30)


def test_a_seat_with_room_helps_with_little():
    with one_busy_one_free(full=False) as (crew, other, _):
        assert crew.submit(lambda seat: seat, "key").result(timeout=30) is other


def test_seats_stay_with_their_keys():
    """Four seats with room for two of four keys are prepared a few times in all, not in each round."""
    prepared = []

    class Room(list):
        __enter__, __exit__ = Seat.__enter__, Seat.__exit__
        full = property(lambda self: len(self) >= 2)

    def work(seat: Room, key: int) -> None:
        if key not in seat:
            seat[:] = [*seat, key][-2:]
            prepared.append(key)
        time.sleep(0.002)

    with AffinityPool(lambda closing: Room(), size=4) as crew:
        for _ in range(20):
            one_round = [(functools.partial(work, key=key), key) for key in range(4) for _ in range(8)]
            for future in crew.submit_all(one_round):
                future.result(timeout=30)
    assert len(prepared) < 20 * 5  # first come, first served makes it 170


def test_what_a_seat_loses_is_done_on_another():
    seats = [Seat({i}) for i in range(3)]
    opened = iter(seats)

    def work(seat: Seat) -> Seat:
        if seat is not seats[2]:
            raise WorkerLostError("its machine is gone")
        return seat

    with AffinityPool(lambda closing: next(opened, None), size=1) as crew:
        assert crew.submit(work).result(timeout=30) is seats[2]
        assert crew.submit(work).result(timeout=30) is seats[2]


def test_what_costs_every_seat_is_given_up_and_costs_nobody_else():
    tries = itertools.count()

    def deadly(seat: Seat) -> None:
        next(tries)
        raise WorkerLostError("out of memory")

    with AffinityPool(lambda closing: Seat(), size=2) as crew:
        with pytest.raises(
            ConnectionError, match=f"{MAX_LOST} workers were lost over one sound; the last: out of memory"
        ):
            crew.submit(deadly).result(timeout=30)
        assert crew.submit(lambda seat: "well").result(timeout=30) == "well"
    assert next(tries) == MAX_LOST


def test_errors_are_answers():
    def fail(seat: Seat) -> None:
        raise ValueError("of the work")

    def refuse(closing: threading.Event) -> Seat:
        raise ConnectionError("no seat anywhere")

    with AffinityPool(lambda closing: Seat(), size=1) as crew:
        with pytest.raises(ValueError, match="of the work"):
            crew.submit(fail).result(timeout=30)
        assert crew.submit(lambda seat: 1).result(timeout=30) == 1
    with AffinityPool(refuse, size=1) as crew, pytest.raises(ConnectionError, match="no seat anywhere"):
        crew.submit(lambda seat: 1).result(timeout=30)


def test_at_the_end_what_waits_is_cancelled_and_what_runs_is_awaited():
    begun, go = threading.Event(), threading.Event()

    def wait(seat: Seat) -> str:
        begun.set()
        go.wait(30)
        return "done"

    with contextlib.ExitStack() as stack:
        crew = stack.enter_context(AffinityPool(lambda closing: Seat(), size=1))
        running = crew.submit(wait)
        assert begun.wait(30)
        waiting = crew.submit(wait)
        threading.Timer(0.1, go.set).start()
    assert running.result(timeout=0) == "done"
    assert waiting.cancelled()
