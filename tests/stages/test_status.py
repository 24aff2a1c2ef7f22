"""Status tells from the output alone how far a run is, what ended it, and when it will end."""

import datetime as dt
import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from couloir.cli import main
from couloir.config import RunConfig
from couloir.errors import EXIT_FAILURES, MissingStageError
from couloir.identifiers import BandId, Block, StationDay
from couloir.runfile import dump
from couloir.stages.day_count import DayCount
from couloir.stages.detect import detect
from couloir.stages.judging import Look
from couloir.stages.plan import plan
from couloir.stages.settings import output_of
from couloir.stages.standing import Standing
from couloir.stages.status import read_status
from couloir.stages.verify import verify
from couloir.store.hold import take
from couloir.store.holder import STALE_S, Holder
from couloir.store.location import Location
from couloir.store.outcomes import Outcome, read_outcomes, write_outcomes
from couloir.store.progress import Progress, read_progress
from couloir.store.recorder import recording
from couloir.store.submission import Submission, write_submission

from .conftest import FIRST, SECOND, SerialPool, make_config
from .two_months import run_to_its_end

NOW = time.time()
BEFORE, THIS, LATER = "before", "this", "later"
"""The tokens of three holds."""
JOBS = {"detect": "123", "train": "124", "catalog": "125", "report": "125"}
DONE, NOTHING = Standing(complete=True), Standing(complete=False)
HALF = Standing(complete=False, done=40, total=100, events=7)


def iso(moment):
    return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()


def submitted(ago=60.0, **changes):
    return Submission("slurm", iso(NOW - ago), "ann", "login", JOBS | changes, logs="/scratch/logs")


def holder(ago=5.0, **changes):
    """The hold of another machine, with a sign of life some seconds ago."""
    elsewhere = replace(Holder.here(), token=THIS, machine="another", host="node03", sign=NOW - ago)
    return replace(elsewhere, **changes)


def told(stage, state="running", *, ago=5.0, token=THIS, **more):
    return Progress(stage, state, since=iso(NOW - 600), updated=NOW - ago, token=token, host="node03", **more)


def judge(*progress, standings=None, held=None, sent=None, too_many=""):
    look = Look(NOW, held, sent, {each.stage: each for each in progress})
    there = {"detect": DONE, "train": NOTHING, "catalog": NOTHING, "report": NOTHING} | (standings or {})
    return {stage.stage: stage for stage in look.judge(there, too_many)}


def states(stages):
    return [stages[name].state for name in ("detect", "train", "catalog", "report")]


def test_what_is_running_has_a_rate_and_an_end():
    at_work = told(
        "detect", done=60, total=100, rate=0.5, counts={"written": 40, "events": 7}, job="SLURM job 123"
    )
    stage = judge(at_work, standings={"detect": HALF}, held=holder())["detect"]
    assert (stage.state, stage.done, stage.total, stage.rate) == ("running", 40, 100, 0.5)
    assert stage.ends_in_s == pytest.approx(40 / 0.5 - 5)
    assert not stage.at_most
    assert stage.counts["open"] == 20
    assert "SLURM job 123" in stage.by


def test_a_clustering_may_end_earlier_than_its_rate_says():
    at_work = told("train", phase="cluster", done=500, total=1_500, rate=10.0)
    stage = judge(at_work, held=holder())["train"]
    assert (stage.phase, stage.at_most) == ("cluster", True)
    assert stage.ends_in_s == pytest.approx(95)
    assert not judge(replace(at_work, phase="pretrain"), held=holder())["train"].at_most


def test_without_a_rate_no_end_is_made_up():
    assert judge(told("train", total=10), held=holder())["train"].ends_in_s is None
    assert judge(told("train", done=10, total=10, rate=1.0), held=holder())["train"].ends_in_s is None


def test_what_its_mark_calls_complete_is_done_whatever_is_told_of_it():
    for state in ("running", "failed", "stopped"):
        stages = judge(told("train", state), standings={"train": DONE}, held=holder())
        assert stages["train"].state == "done"


def test_what_says_it_is_done_and_has_no_mark_is_to_do():
    assert judge(told("train", "done"), held=holder(released=True))["train"].state == "to do"


def test_signs_of_life_decide_whether_a_stage_is_running():
    working = told("train", ago=20 * 60)
    assert judge(working, held=holder(ago=5))["train"].state == "running"
    silent = judge(working, held=holder(ago=12 * 60))["train"]
    assert (silent.state, silent.reason) == ("silent", "no sign of life for 12 min")
    assert judge(told("train", ago=5), held=holder(ago=STALE_S + 60))["train"].state == "running"


def test_a_process_that_is_known_to_be_dead_is_silent_at_once():
    gone = replace(Holder.here(), token=THIS, pid=2**22 + 1)
    stage = judge(told("train"), held=gone)["train"]
    assert stage.state == "silent"
    assert "has died" in stage.reason


@pytest.mark.parametrize("held", [holder(released=True), holder(token=LATER, released=True), None])
def test_what_runs_under_a_hold_that_is_over_has_died(held):
    assert judge(told("train"), held=held)["train"].state == "silent"


def test_a_run_that_goes_on_makes_an_earlier_ones_end_the_past():
    failed = told("train", "failed", reason="diverged", token=BEFORE)
    assert judge(failed, held=holder(released=True))["train"].state == "failed"
    now = judge(failed, told("detect", done=1, total=2), standings={"detect": HALF}, held=holder())
    assert states(now) == ["running", "to do", "to do", "to do"]


def test_stages_wait_for_their_jobs_and_are_cancelled_with_an_earlier_one():
    at_work = told("detect", done=60, total=100)
    stages = judge(at_work, standings={"detect": HALF}, held=holder(), sent=submitted())
    assert states(stages) == ["running", "waiting", "waiting", "waiting"]
    assert stages["train"].by == "SLURM job 124"
    failed = replace(at_work, state="failed", reason="no space left")
    stages = judge(failed, standings={"detect": HALF}, held=holder(released=True), sent=submitted())
    assert states(stages) == ["failed", "cancelled", "cancelled", "cancelled"]
    assert stages["report"].reason == "detect failed"
    alone = judge(failed, standings={"detect": HALF}, held=holder(released=True))
    assert states(alone) == ["failed", "to do", "to do", "to do"]


def test_what_was_submitted_after_a_failure_waits():
    failed = told("train", "failed", ago=600, reason="diverged")
    stages = judge(failed, held=holder(released=True), sent=submitted(ago=60))
    assert states(stages) == ["done", "waiting", "waiting", "waiting"]
    assert judge(failed, held=holder(released=True), sent=submitted(ago=900))["train"].state == "failed"


def test_kubernetes_jobs_are_named_by_it():
    sent = replace(submitted(), cluster="kubernetes", jobs={"train": "couloir-train"})
    stages = judge(sent=sent)
    assert (stages["train"].state, stages["train"].by) == ("waiting", "Kubernetes job couloir-train")
    assert stages["catalog"].state == "to do"


def test_a_failure_is_of_the_past_once_a_stage_before_it_is_done_anew():
    failed = told("catalog", "failed", ago=60, reason="the labels are gone")
    assert states(judge(told("train", "done", ago=90), failed, standings={"train": DONE})) == [
        "done",
        "done",
        "failed",
        "to do",
    ]
    stages = judge(told("train", "done", ago=30), failed, standings={"train": DONE})
    assert states(stages) == ["done", "done", "to do", "to do"]
    stages = judge(told("train", "failed", ago=30), failed)
    assert (stages["train"].state, stages["catalog"].state) == ("failed", "failed")


def test_what_a_submitted_job_failed_of_stays_whatever_is_done_by_hand_meanwhile():
    failed = told("train", "failed", ago=30, token="", reason="diverged")
    stages = judge(told("detect", "done", ago=5), failed, sent=submitted(60))
    assert states(stages) == ["done", "failed", "cancelled", "cancelled"]


def test_a_job_that_is_queued_again_is_waited_for_with_its_reason():
    before = told("train", "stopped", ago=20, reason="SIGTERM")
    queued = told("train", "queued", token="", reason="SLURM has queued its job again", job="SLURM job 124")
    for held in (holder(released=True), holder(ago=STALE_S + 60)):
        stages = judge(before, queued, held=held, sent=submitted())
        assert states(stages) == ["done", "waiting", "waiting", "waiting"]
        assert stages["train"].remark == "SLURM has queued its job again"
    assert judge(queued, replace(before, state="running", updated=NOW), held=holder())["train"].state == "running"


def test_a_job_that_found_the_output_held_has_failed_while_the_other_run_goes_on():
    other = holder(token=LATER, since=iso(NOW - 30))
    failed = told("train", "failed", token="", reason="held up again and again", job="SLURM job 124")
    stages = judge(failed, held=other, sent=submitted())
    assert states(stages) == ["done", "failed", "cancelled", "cancelled"]
    later = holder(token=LATER, since=iso(NOW - 1))  # which began after that
    assert states(judge(failed, held=later, sent=submitted()))[1] == "waiting"
    by_hand = told("plan", "failed", token="", reason="by hand, and of no job")
    assert states(judge(by_hand, held=other, sent=submitted())) == ["done", "waiting", "waiting", "waiting"]


def test_a_job_that_has_failed_does_none_of_its_other_stages_any_more():
    failed = told("catalog", "failed", token="", reason="exit code 255, and its log says why")
    there = {"train": DONE, "catalog": NOTHING}
    stages = judge(failed, standings=there, sent=submitted())
    assert states(stages) == ["done", "done", "failed", "cancelled"]
    stages = judge(failed, standings=there | {"catalog": DONE}, sent=submitted())
    assert states(stages) == ["done", "done", "done", "failed"]
    assert stages["report"].reason == "exit code 255, and its log says why"
    of_the_past = replace(failed, updated=NOW - 120)
    stages = judge(of_the_past, standings=there | {"catalog": DONE}, sent=submitted(60))
    assert states(stages) == ["done", "done", "done", "waiting"]


def test_too_many_failed_days_fail_detection_once_it_is_over_and_cancel_what_follows():
    at_work = told("detect", done=60, total=100)
    now = judge(at_work, standings={"detect": HALF}, held=holder(), too_many="9 of 100 failed")
    assert now["detect"].state == "running"
    over = judge(held=holder(released=True), sent=submitted(), too_many="9 of 100 failed")
    assert (over["detect"].state, over["detect"].reason) == ("failed", "9 of 100 failed")
    assert over["train"].state == "cancelled"


def test_a_stop_is_told_with_its_signal():
    stage = judge(told("train", "stopped", reason="SIGTERM", until="X"), held=holder(released=True))["train"]
    assert stage.state == "stopped"
    assert stage.reason.startswith("SIGTERM, X")


def test_planning_is_told_while_it_goes_on_and_when_it_failed():
    assert judge(told("plan"), standings={"detect": NOTHING}, held=holder())["plan"].state == "running"
    assert "plan" not in judge(told("plan", "done"), held=holder())
    failed = told("plan", "failed", reason="/archive does not exist")
    stages = judge(failed, standings={"detect": NOTHING}, held=holder(released=True), sent=submitted(ago=600))
    assert stages["plan"].reason == "/archive does not exist"
    assert states(stages) == ["cancelled"] * 4


def test_a_comparison_that_failed_is_forgotten_with_the_next_run():
    failed = told("select-k", "failed", reason="too few events")
    assert judge(failed, held=holder(released=True))["select-k"].state == "failed"
    assert "select-k" not in judge(failed, held=holder(token=LATER, released=True))


def test_each_day_is_told_when_it_was_worked_on_and_not_when_it_was_complete_before(station, tmp_path):
    station.write()
    config, told = make_config(station.root, tmp_path / "out"), []
    made = plan(config)

    def go():
        told.clear()
        detect(
            config,
            made.inventory,
            SerialPool(),
            progress=lambda outcome: told.append(("complete", outcome.station_day.day)),
            worked=lambda key: told.append(("worked", key.day)),
        )

    go()
    assert len(told) == 4
    for day in (FIRST, SECOND):
        assert told.index(("worked", day)) < told.index(("complete", day))
    go()
    assert told == [("complete", FIRST), ("complete", SECOND)]


def test_the_count_of_a_resumed_detection_keeps_apart_what_was_complete_before(tmp_path):
    holder, days = (
        Holder.here(),
        [StationDay(BandId("XX", "AAA", "00", "HH"), FIRST + dt.timedelta(n)) for n in range(5)],
    )
    place = Location(str(tmp_path))
    with recording(place, "detect", holder=holder) as record:
        count = DayCount(record, 5)
        for day in days[:3]:
            count.complete(Outcome(day, "ok", events=2))
        assert record.now().rate is None
        for day in days[3:]:
            count.work(day)
        count.complete(Outcome(days[3], "failed", read_bytes=9))
        assert (count.before, count.worked) == (3, 2)
        assert record.now().rate > 0
    ended = read_progress(place, "detect")
    assert (ended.done, ended.total) == (5, 5)
    assert ended.counts == {"written": 4, "events": 6, "bytes": 9, "failed": 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole run on two station-months, its training cut to almost nothing."""
    return run_to_its_end(tmp_path_factory.mktemp("status"))


def of_output(config: RunConfig, url) -> RunConfig:
    return config.model_copy(update={"output": config.output.model_copy(update={"url": str(url)})})


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the run's output, and its settings; the archive is out of reach."""
    shutil.copytree(output_of(finished).local_path, tmp_path / "copy")
    archive = finished.archive.model_copy(update={"url": "/nowhere/at/all"})
    return of_output(finished, tmp_path / "copy").model_copy(update={"archive": archive})


def found(config):
    return {stage.stage: stage for stage in read_status(config).stages}


def invoke(config, tmp_path, *options):
    path = tmp_path / "run.yaml"
    path.write_text(dump(config))
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, ["status", str(path), *options])


def test_a_finished_run_is_done_from_anywhere(copy, tmp_path):
    status = read_status(copy)
    assert [(stage.stage, stage.state) for stage in status.stages] == [
        (name, "done") for name in ("detect", "train", "catalog", "report")
    ]
    assert status.in_order
    assert status.ended
    detect = status.stages[0]
    assert (detect.done, detect.total, detect.counts["events"]) == (2, 2, 22)
    result = invoke(copy, tmp_path)
    assert result.exit_code == 0, result.output
    assert "2/2 station-days" in result.stdout
    assert max(map(len, result.stdout.splitlines()[2:])) <= 80
    assert invoke(copy, tmp_path, "--watch").exit_code == 0


def test_an_output_without_a_run_is_said_to_be_one(copy, tmp_path):
    nothing = of_output(copy, tmp_path / "nothing")
    with pytest.raises(MissingStageError, match=r"holds nothing of a run yet. `couloir run` begins one"):
        read_status(nothing)
    assert invoke(nothing, tmp_path).exit_code == 1
    assert not (tmp_path / "nothing").exists()


def test_what_was_submitted_and_has_not_begun_waits(copy, tmp_path):
    new = of_output(copy, tmp_path / "new")
    write_submission(output_of(new), submitted())
    result = invoke(new, tmp_path)
    assert result.exit_code == 0, result.output
    assert "SLURM job 124" in result.stdout
    assert "Logs: /scratch/logs" in result.stdout
    assert not read_status(new).ended


def test_a_job_that_could_not_start_couloir_is_told_where_its_folder_is_reached(copy, tmp_path):
    new, folder = of_output(copy, tmp_path / "new"), tmp_path / "couloir-jobs"
    folder.mkdir()
    write_submission(output_of(new), replace(submitted(), logs=str(folder)))
    (folder / "detect.failed").write_text(f"{NOW} exit code 255, and its log says why\n")
    result = invoke(new, tmp_path)
    assert result.exit_code == EXIT_FAILURES
    assert result.stderr == "couloir: detect failed: exit code 255, and its log says why.\n"
    assert "detect: SLURM job 123 since" in result.stdout
    assert states({stage.stage: stage for stage in read_status(new).stages}) == ["failed"] + 3 * ["cancelled"]
    write_submission(output_of(new), replace(submitted(), logs=str(folder), cluster="kubernetes"))
    assert invoke(new, tmp_path).exit_code == 0


def test_what_is_cancelled_is_told_once_and_without_its_cause_twice(copy, tmp_path):
    shutil.rmtree(tmp_path / "copy" / "model")
    ended = replace(read_progress(output_of(copy), "train"), state="failed", reason="diverged", updated=NOW)
    (tmp_path / "copy" / "progress" / "train.json").write_text(json.dumps(asdict(ended)))
    write_submission(output_of(copy), submitted(ago=600))
    result = invoke(copy, tmp_path)
    assert result.exit_code == EXIT_FAILURES
    assert "report: SLURM job 125 will not run: train failed" in result.stdout
    assert result.stderr == "couloir: train failed: diverged.\n"


def test_each_stage_of_other_settings_is_to_do_again_with_what_follows(copy):
    train = copy.model_copy(update={"train": copy.train.model_copy(update={"clusters": 3})})
    stages = found(train)
    assert states(stages) == ["done", "to do", "to do", "to do"]
    assert "of other settings" in stages["train"].remark
    catalog = copy.model_copy(update={"catalog": copy.catalog.model_copy(update={"quakeml": True})})
    assert states(found(catalog)) == ["done", "done", "to do", "to do"]
    detect = copy.model_copy(update={"detect": copy.detect.model_copy(update={"on_factor": 9.0})})
    stages = found(detect)
    assert states(stages) == ["to do"] * 4
    assert "2 of 2 months there are of other settings" in stages["detect"].remark


def test_a_run_file_of_more_days_is_not_done(copy):
    longer = copy.archive.model_copy(update={"end": dt.date(2024, 4, 1)})
    stage = found(copy.model_copy(update={"archive": longer}))["detect"]
    assert stage.state == "to do"
    assert "from 2024-01-31 to 2024-02-02" in stage.remark


def test_a_month_or_a_file_that_is_gone_is_to_do_again(copy, tmp_path):
    (tmp_path / "copy" / "report" / "index.html").unlink()
    assert states(found(copy)) == ["done", "done", "done", "to do"]
    (tmp_path / "copy" / "model" / "dec.keras").unlink()
    assert states(found(copy)) == ["done", "to do", "to do", "to do"]
    shutil.rmtree(tmp_path / "copy" / "spectrograms.zarr" / "XX.AAA.00.HH" / "2024-01")
    stage = found(copy)["detect"]
    assert (stage.state, stage.done, stage.total) == ("to do", 1, 2)


def test_an_imported_model_is_done_whatever_the_train_section_says(copy, tmp_path):
    from couloir.store.sealed import seal, unseal

    mark = tmp_path / "copy" / "model" / "complete.json"
    held = unseal(mark.read_bytes())
    held["made_from"] = {"model_id": held["made_from"]["model_id"], "imported": "f" * 64}
    mark.write_bytes(seal(held))
    stage = found(copy)["train"]
    assert (stage.state, stage.remark) == ("done", "the model is imported")


def fail_day(copy):
    output, block = output_of(copy), Block.parse("XX.AAA.00.HH/2024-01")
    (outcome,) = read_outcomes(output, [block])
    write_outcomes(output, block, [replace(outcome, status="unreadable", reason="/in/x holds HTML")])


def test_more_failed_days_than_allowed_are_told_with_their_reason_and_exit_code_3(copy, tmp_path):
    fail_day(copy)
    result = invoke(copy, tmp_path)
    assert result.exit_code == EXIT_FAILURES
    assert "XX.AAA.00.HH 2024-01-31: unreadable: /in/x holds HTML" in result.stdout.replace("\n", " ")
    assert "`couloir outcomes`" in result.stdout
    assert "1 of 2 station-days failed; compute.max_failed_fraction allows 10%" in result.stderr
    half = invoke(copy, tmp_path, "--set", "compute.max_failed_fraction=0.5")
    assert half.exit_code == 0


def test_too_many_failed_days_are_told_while_detection_goes_on_and_are_those_of_this_start(copy, tmp_path):
    fail_day(copy)  # at an earlier start
    shutil.rmtree(tmp_path / "copy" / "spectrograms.zarr" / "XX.AAA.00.HH" / "2024-01")
    held = take(output_of(copy))
    try:
        for failed, in_order in ((0, True), (1, False)):
            at_work = told(
                "detect", ago=0, token=held.token, done=1, total=2, counts={"written": 1, "failed": failed}
            )
            (tmp_path / "copy" / "progress" / "detect.json").write_text(json.dumps(asdict(at_work)))
            status = read_status(copy)
            assert status.stages[0].state == "running"
            assert (status.in_order, bool(status.too_many)) == (in_order, not in_order)
    finally:
        held.release()
    assert "1 of 2 station-days failed" in status.trouble


def test_a_failed_stage_is_exit_code_3_with_its_sentence(copy, tmp_path):
    (tmp_path / "copy" / "model" / "complete.json").unlink()
    ended = read_progress(output_of(copy), "train")
    held = asdict(replace(ended, state="failed", reason="The loss is no longer finite. Try a smaller rate."))
    (tmp_path / "copy" / "progress" / "train.json").write_text(json.dumps(held))
    result = invoke(copy, tmp_path)
    assert result.exit_code == EXIT_FAILURES
    assert "couloir: train failed: The loss is no longer finite. Try a smaller rate." in result.stderr
    document = json.loads(invoke(copy, tmp_path, "--format", "json").stdout)
    assert (document["in_order"], document["ended"]) == (False, True)


def test_json_holds_what_the_table_shows(copy, tmp_path):
    fail_day(copy)
    write_submission(output_of(copy), submitted())
    document = json.loads(invoke(copy, tmp_path, "--format", "json").stdout)
    assert [stage["stage"] for stage in document["stages"]] == ["detect", "train", "catalog", "report"]
    assert document["failures"] == [
        {"station_day": "XX.AAA.00.HH 2024-01-31", "status": "unreadable", "reason": "/in/x holds HTML"}
    ]
    assert document["failed_days"] == 1
    assert document["holder"]["released"]
    assert not document["holder"]["alive"]
    assert document["submission"]["jobs"] == JOBS
    assert invoke(copy, tmp_path, "--format", "json", "--watch").exit_code == 2


def test_a_bucket_tells_the_same(copy, s3, bucket, tmp_path):
    s3.aws("s3", "sync", str(tmp_path / "copy"), f"s3://{bucket}/output", "--only-show-errors")
    output = copy.output.model_copy(update={"url": f"s3://{bucket}/output", "storage_options": s3.options()})
    there = read_status(copy.model_copy(update={"output": output}))
    here = read_status(copy)
    assert there.stages == here.stages
    assert there.holder == here.holder


def test_verify_takes_neither_progress_nor_a_submission_for_a_fault(copy, tmp_path):
    before = verify(copy, progress=lambda done, total: None)
    assert list((tmp_path / "copy" / "progress").iterdir())
    write_submission(output_of(copy), submitted())
    (tmp_path / "copy" / "progress" / "train.json").write_text("torn")
    after = verify(copy, progress=lambda done, total: None)
    assert after == before
    assert not after.problems
    shutil.rmtree(tmp_path / "copy" / "progress")
    assert verify(copy, progress=lambda done, total: None) == before


def test_every_stage_of_a_run_has_told_its_progress(finished):
    place = Location(str(output_of(finished)))
    for stage in ("plan", "detect", "train", "catalog", "report"):
        ended = read_progress(place, stage)
        assert (ended.state, ended.reason) == ("done", ""), stage
    assert read_progress(place, "detect").counts["events"] == 22
    assert read_progress(place, "train").phase == "assign"
    assert {Path(name).name for name in (place / "progress").names()} == {
        f"{stage}.json" for stage in ("plan", "detect", "train", "catalog", "report")
    }
