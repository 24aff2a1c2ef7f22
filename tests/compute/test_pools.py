"""Every kind of pool keeps the same contract."""

import itertools
import operator
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

import psutil
import pytest
from daskcluster import dask_cluster
from tasks import Number, SlowToFetch, done_at, negate, sleep_if_negative, span

from couloir.compute import open_pool
from couloir.compute.remote import RemotePool, connect
from couloir.compute.tls import make_certificate, security_of
from couloir.config import ComputeConfig
from couloir.errors import ClusterError, ConfigError


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as settings:
        yield settings


@pytest.fixture(scope="module", params=["serial", "threads", "local", "dask"])
def pool(request):
    settings = request.getfixturevalue("cluster") if request.param == "dask" else {"kind": request.param}
    with open_pool(ComputeConfig(**{"workers": 2, "memory_gb": 1.0} | settings)) as pool:
        yield pool


def drain(pool, handles):
    left, told = set(handles), []
    while left:
        done = pool.wait(left, timeout_s=60)
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
    handles = pool.submit_each(negate, [Number(value) for value in range(20)])
    assert sorted(map(id, drain(pool, handles))) == sorted(map(id, handles))
    assert [pool.result(handle) for handle in handles] == [-value for value in range(20)]
    assert pool.submit_each(negate, []) == []


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
    before = signal.getsignal(signal.SIGINT)
    with open_pool(ComputeConfig(kind="local", workers=1, memory_gb=1.0)) as pool:
        handles = [pool.submit(signal.getsignal, signal.SIGINT), pool.submit(os.getpid)]
        drain(pool, handles)
        assert pool.result(handles[0]) == signal.SIG_IGN
        assert pool.result(handles[1]) != os.getpid()
    assert signal.getsignal(signal.SIGINT) == before


def test_a_cluster_that_does_not_close_in_time_is_no_error_and_leaves_no_worker(monkeypatch):
    def too_late(**_):
        raise TimeoutError("timed out after 10 s")

    with open_pool(ComputeConfig(kind="local", workers=1, memory_gb=1.0)) as pool:
        handle = pool.submit(os.getpid)
        drain(pool, [handle])
        worker = psutil.Process(pool.result(handle))
        really_close = pool._cluster.close
        monkeypatch.setattr(pool._cluster, "close", too_late)
    worker.wait(30)
    really_close()


def test_a_wait_ends_without_any_task_ending(pool):
    handle = pool.submit(time.sleep, 1.5)
    if pool.workers == 2:
        assert pool.wait([handle], timeout_s=0.2) == set()
    drain(pool, [handle])


def spans(pool, **options):
    """Give, in order of their work, when tasks began to fetch, began to work and ended."""
    handles = pool.submit_each(span, [SlowToFetch(value, seconds=0.5, **options) for value in range(4)])
    drain(pool, handles)
    return sorted((pool.result(handle) for handle in handles), key=lambda times: times[1])


def test_a_worker_fetches_for_the_next_tasks_while_it_works_on_one_at_a_time():
    with open_pool(ComputeConfig(kind="local", workers=1, memory_gb=1.0)) as pool:
        pairs = list(itertools.pairwise(spans(pool)))
    assert all(first[2] <= second[1] for first, second in pairs), "two at work at once"
    assert any(second[0] < first[2] for first, second in pairs), "fetched one after another"


def test_fetching_ahead_keeps_to_its_budget_of_bytes():
    with open_pool(ComputeConfig(kind="local", workers=1, memory_gb=1.0, read_ahead_mb=1.0)) as pool:
        pairs = list(itertools.pairwise(spans(pool, bytes_ahead=2_000_000)))
    assert all(second[0] >= first[2] for first, second in pairs)


@pytest.mark.parametrize("kind", ["local", "dask"])
def test_a_task_that_does_not_end_is_given_up_and_the_others_go_on(kind, cluster):
    settings = cluster if kind == "dask" else {"kind": kind, "workers": 2}
    with open_pool(ComputeConfig(**settings, memory_gb=1.0, stall_s=60)) as pool:
        handles = pool.submit_each(sleep_if_negative, [Number(value) for value in (1, 2, -3, 4, 5, 6)])
        left = set(handles)
        while done := pool.wait(left, timeout_s=3):
            left -= done
        stuck = pool.give_up(left)
        assert stuck == {handles[2]}
        drain(pool, left - stuck)
        assert sorted(pool.result(handle) for handle in set(handles) - stuck) == [1, 2, 4, 5, 6]


def interrupt_at_work():
    with open_pool(ComputeConfig(workers=2, memory_gb=1.0)) as pool:
        pool.submit_each(sleep_if_negative, [Number(-1), Number(-1)])
        time.sleep(0.5)
        raise KeyboardInterrupt


def test_closing_at_once_does_not_wait_for_tasks_of_ten_minutes():
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupt_at_work()
    assert time.monotonic() - began < 120


ORPHANS = """
import sys, time
from couloir.compute import open_pool
from couloir.config import ComputeConfig
from tasks import Number, sleep_if_negative

if __name__ == "__main__":
    with open_pool(ComputeConfig(workers=2, memory_gb=1.0)) as pool:
        pool.submit_each(sleep_if_negative, [Number(-1), Number(-1)])
        print("ready", flush=True)
        time.sleep(600)
"""


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"ready\n"
    time.sleep(1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def test_a_pool_without_workers_waits_and_gives_nothing_up(tmp_path):
    with dask_cluster(tmp_path, workers=0) as found, open_pool(ComputeConfig(**found | {"workers": 2})) as pool:
        handles = pool.submit_each(negate, [Number(1)])
        assert pool.wait(handles, timeout_s=0.5) == set()
        assert pool.give_up(handles) == set()


def test_a_worker_whose_time_is_over_hands_its_results_to_others(tmp_path):
    with dask_cluster(tmp_path, first_worker=("--lifetime", "15s")) as settings:
        pool = RemotePool(ComputeConfig(**settings))
        while len(pool._addresses()) < 2:
            time.sleep(0.1)
        handles = pool.submit_each(done_at, [Number(value) for value in range(8)])
        drain(pool, handles)
        before = time.time()
        while len(pool._addresses()) > 1:
            time.sleep(0.1)
        assert all(pool.result(handle) <= before for handle in handles), "made again"
        pool.close()


def test_a_cluster_that_goes_away_is_told_and_ends_the_run(tmp_path):
    with dask_cluster(tmp_path, workers=1) as settings:
        pool = RemotePool(ComputeConfig(**settings))
        handles = pool.submit_each(sleep_if_negative, [Number(-1)])
        pool.wait(handles, timeout_s=2)
    lost = pool.wait(handles, timeout_s=60)
    assert lost == set(handles)
    with pytest.raises(ClusterError, match="lost the Dask cluster"):
        pool.error(handles[0])
    pool.close(at_once=True)


def test_who_has_no_certificate_or_another_is_refused(tmp_path, cluster):
    make_certificate(tmp_path / "other")
    plain = {"kind": "dask", "scheduler": cluster["scheduler"].replace("tls:", "tcp:")}
    for settings in (cluster | {"tls": str(tmp_path / "other")}, plain):
        with pytest.raises(ClusterError, match=r"the Dask scheduler at .* does not answer"):
            connect(ComputeConfig(**settings), timeout_s=5)
    connect(ComputeConfig(**cluster), timeout_s=30).close()


def test_a_run_s_certificate_is_for_its_user_alone(tmp_path):
    make_certificate(tmp_path / "tls")
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "tls").iterdir())
    with pytest.raises(ConfigError, match=r"needs tls\.pem"):
        security_of(tmp_path / "nowhere")


def test_the_scheduler_itself_hangs_up_on_who_shows_no_certificate(cluster):
    host, port = cluster["scheduler"].removeprefix("tls://").split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        secured = context.wrap_socket(plain)
        with (
            secured,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):  # TLS 1.3 tells the refusal with the first answer
            secured.recv(1)
