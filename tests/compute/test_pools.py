"""Every kind of pool keeps the same contract. Tasks are the library's: workers cannot import a test module."""

import operator
import os
import signal

import pytest

from couloir.compute import open_pool
from couloir.config import ComputeConfig


@pytest.fixture(scope="module", params=["serial", "threads", "local"])
def pool(request):
    with open_pool(ComputeConfig(kind=request.param, workers=2, memory_gb=1.0)) as pool:
        yield pool


def drain(pool, handles):
    left, told = set(handles), []
    while left:
        done = pool.wait(left)
        assert done
        told += done
        left -= done
    return told


def test_each_task_is_told_once_and_gives_its_result(pool):
    handles = [pool.submit(operator.mul, 2, value) for value in range(10)]
    told = drain(pool, handles)
    assert len(told) == len(set(told)) == 10
    assert [pool.result(handle) for handle in handles] == [2 * value for value in range(10)]


def test_many_tasks_at_once_are_told_like_single_ones_in_the_order_of_their_arguments(pool):
    handles = pool.submit_each(operator.neg, list(range(20)))
    assert sorted(map(id, drain(pool, handles))) == sorted(map(id, handles))
    assert [pool.result(handle) for handle in handles] == [-value for value in range(20)]
    assert pool.submit_each(operator.neg, []) == []


def test_handles_in_a_list_become_results_where_the_task_runs(pool):
    parts = [pool.submit(operator.mul, 2, value) for value in (1, 2, 3)]
    drain(pool, parts)
    whole = pool.submit(sum, [*parts, 100])
    drain(pool, [whole])
    assert pool.result(whole) == 112


def test_what_a_task_raises_is_told_without_its_result_and_raised_with_it(pool):
    handle = pool.submit(operator.truediv, 1, 0)
    drain(pool, [handle])
    assert isinstance(pool.error(handle), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        pool.result(handle)
    fine = pool.submit(operator.mul, 2, 1)
    drain(pool, [fine])
    assert pool.error(fine) is None


def test_a_serial_pool_has_one_worker_and_the_others_as_many_as_asked_for(pool):
    assert pool.workers in (1, 2)


def test_workers_of_the_local_cluster_are_processes_that_leave_ctrl_c_to_the_first():
    with open_pool(ComputeConfig(kind="local", workers=1, memory_gb=1.0)) as pool:
        handles = [pool.submit(signal.getsignal, signal.SIGINT), pool.submit(os.getpid)]
        drain(pool, handles)
        assert pool.result(handles[0]) == signal.SIG_IGN
        assert pool.result(handles[1]) != os.getpid()
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
