"""A stage tells how it gets on, seldom and at its end, on a disk and in a bucket, and never dies of it."""

import json
import signal
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace

import pytest

from couloir.errors import HeldError, LostClusterError, StoreError, Terminated, TrainingError
from couloir.store import recorder as module
from couloir.store.cluster_job import cluster_job
from couloir.store.holder import Holder
from couloir.store.location import Location
from couloir.store.progress import Progress, note_failure, read_progress, write_progress
from couloir.store.recorder import Recorder, recording
from couloir.store.submission import Submission, read_submission, write_submission

NEVER = 3_600.0


@pytest.fixture(params=["local", "s3"])
def output(request, tmp_path):
    if request.param == "local":
        return Location(str(tmp_path / "out"))
    options = request.getfixturevalue("s3").options()
    return Location(f"s3://{request.getfixturevalue('bucket')}/out", options)


@pytest.fixture
def here(tmp_path):
    return Location(str(tmp_path / "out"))


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def recorder(here, clock):
    made = Recorder(here, Progress("train", "running", since="", updated=0), every_s=NEVER, clock=clock)
    yield made
    made.drop()


def writings(monkeypatch):
    """Count what is written."""
    written = []
    real = Location.write_bytes

    def write(self, data):
        written.append(json.loads(data))
        real(self, data)

    monkeypatch.setattr(Location, "write_bytes", write)
    return written


def test_what_was_told_is_read_on_a_disk_and_in_a_bucket(output):
    holder = Holder.here()
    with recording(output, "train", holder=holder) as record:
        record.tell(3, 10, phase="cluster", unit="iterations", remark="loss 0.1", counts={"events": 7})
    found = read_progress(output, "train")
    assert (found.state, found.phase, found.done, found.total) == ("done", "cluster", 3, 10)
    assert (found.token, found.host, found.pid) == (holder.token, holder.host, holder.pid)
    assert (found.unit, found.remark, found.counts) == ("iterations", "loss 0.1", {"events": 7})
    assert read_progress(output, "detect") is None


def test_however_often_it_is_told_it_writes_at_its_begin_and_at_its_end(here, monkeypatch):
    written = writings(monkeypatch)
    with recording(here, "train", holder=Holder.here(), every_s=NEVER) as record:
        while not written:
            time.sleep(0.01)
        for step in range(10_000):
            record.tell(step, 10_000)
    assert [each["state"] for each in written] == ["running", "done"]
    assert written[-1]["done"] == 9_999


def test_it_writes_again_while_nothing_is_told(here, monkeypatch):
    written = writings(monkeypatch)
    with recording(here, "train", holder=Holder.here(), every_s=0.02):
        end = time.monotonic() + 30
        while len(written) < 4 and time.monotonic() < end:
            time.sleep(0.01)
    assert [each["state"] for each in written[:4]] == ["running"] * 4
    assert written[3]["updated"] > written[0]["updated"]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (Terminated(), "stopped", "SIGTERM"),
        (KeyboardInterrupt(), "stopped", "interrupted"),
        (TrainingError("Too few events. Detect more."), "failed", "Too few events. Detect more."),
        (ZeroDivisionError("by nought"), "failed", "ZeroDivisionError: by nought"),
    ],
)
def test_the_end_says_what_ended_it(here, error, state, reason):
    with pytest.raises(type(error)), recording(here, "train", holder=Holder.here()):
        raise error
    found = read_progress(here, "train")
    assert (found.state, found.reason) == (state, reason)
    assert found.until


def test_who_was_taken_over_from_writes_no_more(here, monkeypatch):
    written = writings(monkeypatch)
    with pytest.raises(HeldError), recording(here, "train", holder=Holder.here()):
        raise HeldError("taken over")
    assert {each["state"] for each in written} <= {"running"}


def test_a_cluster_that_is_gone_has_stopped_the_stage_and_another_try_goes_on(here):
    with pytest.raises(LostClusterError), recording(here, "detect", holder=Holder.here()):
        raise LostClusterError("the Dask scheduler does not answer")
    told = read_progress(here, "detect")
    assert (told.state, told.reason) == ("stopped", "the Dask scheduler does not answer")


def test_an_output_that_takes_nothing_ends_no_stage(here, monkeypatch):
    def refuse(self, data):
        raise StoreError("no space left")

    monkeypatch.setattr(Location, "write_bytes", refuse)
    with recording(here, "train", holder=Holder.here(), every_s=0.01) as record:
        record.tell(1, 2)
        time.sleep(0.05)
    assert read_progress(here, "train") is None


def test_a_writing_that_hangs_holds_up_neither_work_nor_its_end(here, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(Location, "write_bytes", lambda self, data: release.wait(60))
    monkeypatch.setattr(module, "_HASTE", module.Patience(total_s=0.05, attempt_s=0.05))
    told = []

    def work():
        recorder = Recorder(here, Progress("train", "running", since="", updated=0), every_s=NEVER)
        recorder.tell(1, 2)
        told.append("told")
        recorder.drop()
        told.append("ended")

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(30)
    release.set()
    assert told == ["told", "ended"]


def test_the_rate_is_of_this_start_alone(recorder, clock):
    recorder.tell(90, 100, before=90)
    clock.now += 10
    recorder.tell(95, 100, before=95)  # those that were complete are told one by one
    assert recorder.now().rate is None
    recorder.tell(98, 100, before=95)
    clock.now += 20
    assert recorder.now().rate == pytest.approx(3 / 30)


def test_a_phase_that_goes_on_from_somewhere_is_measured_from_there(recorder, clock):
    recorder.tell(50, 50, phase="pretrain")
    clock.now += 5
    recorder.tell(400, 1_000, phase="cluster")
    clock.now += 10
    recorder.tell(420, 1_000, phase="cluster")
    assert recorder.now().rate == pytest.approx(2.0)


def test_the_rate_is_that_of_the_last_stretch(recorder, clock):
    done = 0
    for rate in [1] * 100 + [10] * 100:
        recorder.tell(done, 10_000)
        recorder.now()
        clock.now += 10
        done += 10 * rate
    recorder.tell(done, 10_000)
    assert recorder.now().rate == pytest.approx(10)


def test_what_a_later_version_adds_is_passed_over_and_what_is_torn_is_nothing(here):
    place = here / "progress" / "train.json"
    place.write_text('{"stage": "train", "state": "done", "since": "", "updated": 1.0, "mood": "good"}')
    assert read_progress(here, "train").state == "done"
    for text in ('{"stage": "tra', "[]", "{}", "null"):
        place.write_text(text)
        assert read_progress(here, "train") is None


def test_the_job_is_named_as_the_cluster_does():
    assert cluster_job({}) == ("", 0)
    assert cluster_job({"SLURM_JOB_ID": "124"}) == ("SLURM job 124", 0)
    assert cluster_job({"SLURM_JOB_ID": "124", "SLURM_RESTART_COUNT": "2"}) == ("SLURM job 124", 2)
    assert cluster_job({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "train-x7"}) == ("pod train-x7", 0)
    assert cluster_job({"HOSTNAME": "laptop"}) == ("", 0)


def test_a_job_of_slurm_tells_its_number(here, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "124")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with recording(here, "detect", holder=Holder.here()):
        pass
    assert read_progress(here, "detect").by.endswith(", SLURM job 124 (restart 1)")


def test_what_was_submitted_is_kept_and_damage_is_told(output):
    assert read_submission(output) is None
    sent = Submission(
        "slurm", "2024-03-04T05:06:07+00:00", "ann", "login", {"detect": "123"}, logs="/scratch/logs"
    )
    write_submission(output, sent)
    assert read_submission(output) == sent
    assert (sent.job("detect"), sent.job("train")) == ("SLURM job 123", "")
    (output / "submission.json").write_bytes((output / "submission.json").read_bytes().replace(b"123", b"124"))
    with pytest.raises(StoreError, match=r"submission\.json is damaged .* Remove it"):
        read_submission(output)


def test_sigterm_in_the_middle_of_a_stage_is_told_as_stopped(here):
    from couloir import stop

    before = signal.getsignal(signal.SIGTERM)
    stop.listen()
    try:
        with pytest.raises(Terminated), recording(here, "detect", holder=Holder.here()):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
        stop._asked = False
    assert read_progress(here, "detect").state == "stopped"


def test_a_job_that_ended_for_good_is_told_where_its_stage_could_not(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    output = Location(str(tmp_path))
    note_failure(output, "detect", "failed with exit code 1")
    told = read_progress(output, "detect")
    assert (told.state, told.reason, told.job) == ("failed", "failed with exit code 1", "SLURM job 7")
    note_failure(output, "detect", "was cancelled")
    assert read_progress(output, "detect").reason == "failed with exit code 1", "the first reason is the cause"
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    with suppress(KeyboardInterrupt), recording(output, "detect", holder=Holder.here()) as record:
        record.tell(3, 10)
        raise KeyboardInterrupt
    assert note_failure(output, "detect", "exit code 137", unbegun=True)
    assert read_progress(output, "detect").state == "stopped", "it had begun, and told how it ended"
    note_failure(output, "detect", "was cancelled with its job")
    told = read_progress(output, "detect")
    assert (told.state, told.done, told.reason) == ("failed", 3, "was cancelled with its job")


HOUR_AGO = time.time() - 3_600


@pytest.mark.parametrize(
    ("held", "state"),
    [
        ({}, "running"),
        ({"pid": 2**22 + 1}, "failed"),  # it was killed here
        ({"machine": "another", "sign": HOUR_AGO}, "failed"),
        ({"released": True}, "failed"),
        ({"token": "of a later run"}, "failed"),
        (None, "failed"),
    ],
)
def test_a_failure_is_told_unless_another_run_lives_and_works_on_the_stage(held, state, here, monkeypatch):
    holder = Holder.here()
    if held is not None:
        place = here / "hold" / "000001.json"
        place.write_text(json.dumps(asdict(replace(holder, **held))))
    write_progress(
        here / "progress" / "detect.json",
        Progress("detect", "running", since="", updated=HOUR_AGO, token=holder.token, job="SLURM job 6"),
    )
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert note_failure(here, "detect", "exit code 1", unbegun=True) == (state == "failed")
    told = read_progress(here, "detect")
    assert (told.state, told.job) == (state, "SLURM job 7" if state == "failed" else "SLURM job 6")
