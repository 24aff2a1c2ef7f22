"""The demo on a real Kubernetes node with Dask's operator, and what can befall its pods on the way."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kubesite
import manifests
import pytest
import s3server
import yaml

pytestmark = pytest.mark.skipif(bool(kubesite.missing()), reason=kubesite.missing())
COULOIR = [sys.executable, "-m", "couloir.cli"]
SPACE = "seismology"
DAYS = "2"
"""Enough work for something to happen on the way."""

EXHAUST = """
import os, time
for process in filter(str.isdigit, os.listdir("/proc")):
    if process != str(os.getpid()):
        open(f"/proc/{process}/oom_score_adj", "w").write("1000")
while True:
    if os.fork() == 0:
        held = bytes([1]) * (48 << 20)
        time.sleep(600)
    time.sleep(0.02)
"""
"""Takes all memory that a container may have, in small portions: Linux then kills others in it."""


@pytest.fixture(scope="module")
def node():
    """Start a node that has the images, in whose network this test then is, with the operator."""
    scratch = Path(tempfile.mkdtemp(prefix="couloir-kube-images-"))
    folder = Path(os.environ.get("KUBE_NODE") or tempfile.mkdtemp(prefix="couloir-kube-"))
    made = kubesite.KubeNode(folder, kubesite.image_archives(scratch))
    try:
        made.start()
        with kubesite.within(made.network):
            made.start_operator()
            made.kubectl("delete", "namespace", SPACE, "--ignore-not-found", check=False)
            made.kubectl("create", "namespace", SPACE)
            yield made
    finally:
        made.stop()
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="module")
def bucket(node):
    """Start an S3 server beside the pods, and give the environment of those who use it."""
    server = s3server.S3Server(Path(tempfile.mkdtemp(prefix="couloir-s3-")), host=kubesite.ADDRESS).start()
    try:
        server.make_bucket("demo")
        keys = s3server.KEYS | {"AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
        literals = [f"--from-literal={name}={value}" for name, value in keys.items()]
        node.kubectl("--namespace", SPACE, "create", "secret", "generic", "s3-keys", *literals)
        server.given = node.environment | keys
        yield server
    finally:
        server.close()


def couloir(bucket, folder, *arguments, code=0):
    done = subprocess.run(
        [*COULOIR, *arguments], cwd=folder, env=bucket.given, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def laptop(bucket, tmp_path_factory):
    """Run the demo in the bucket without Kubernetes, and give the folder of its run file."""
    folder = tmp_path_factory.mktemp("demo")
    couloir(bucket, folder, "demo", "s3://demo/laptop", "--days", DAYS)
    return folder


def contents(bucket, folder, prefix):
    """Give the bytes of every object under a prefix."""
    bucket.aws("s3", "sync", f"s3://demo/{prefix}", str(folder / prefix), "--only-show-errors")
    root = folder / prefix
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def settings(output, **compute):
    site = "compute.kubernetes"
    told = {
        "output.url": f"s3://demo/{output}",
        "compute.workers": 2,
        "compute.memory_gb": 1.2,
        f"{site}.namespace": SPACE,
        f"{site}.secret": "s3-keys",
        f"{site}.image": f"localhost/couloir-worker:{kubesite.TAG}",
        f"{site}.training.image": f"localhost/couloir-train:{kubesite.TAG}",
        f"{site}.training.gpus": 0,
        f"{site}.training.cores": 2,
        f"{site}.training.memory_gb": 4.0,
    } | compute
    return [word for name, value in told.items() for word in ("--set", f"{name}={value}")]


def pods(node, part):
    """Give the pods of a part of a run, with their phases."""
    chosen = node.get("pods", "--namespace", SPACE, "--selector", f"app.kubernetes.io/component={part}")
    return {pod["metadata"]["name"]: pod for pod in chosen}


def working(node):
    """Give the names of the workers that run."""
    found = pods(node, "worker").items()
    return [
        name
        for name, pod in found
        if all(c["ready"] for c in pod["status"].get("containerStatuses", [{"ready": 0}]))
    ]


def restarts(node):
    """Give why containers of workers ended before."""
    states = [pod["status"].get("containerStatuses", []) for pod in pods(node, "worker").values()]
    return [each["lastState"].get("terminated", {}).get("reason") for held in states for each in held]


def job(node, name):
    return next(j for j in node.get("jobs", "--namespace", SPACE) if j["metadata"]["name"] == name)["status"]


def logs(node, run):
    return node.kubectl(
        "--namespace",
        SPACE,
        "logs",
        "--selector",
        f"app.kubernetes.io/instance={run}",
        "--tail=50",
        "--prefix",
        check=False,
    )


@pytest.fixture(scope="module")
def cluster_run(node, bucket, laptop):
    """Run the same on Kubernetes; a worker is deleted and another one's memory used up on the way."""
    couloir(bucket, laptop, "submit", "kubernetes", "demo.yaml", "--name=demo", *settings("cluster"))
    seen = {"jobs at first": {j["metadata"]["name"]: j["status"] for j in node.get("jobs", "--namespace", SPACE)}}
    node.wait_for(lambda: bucket.keys("demo", "cluster/hold/"), 300)
    first, second = node.wait_for(lambda: working(node)[1:] and working(node), 120)
    node.kubectl("--namespace", SPACE, "exec", first, "--", "python", "-c", EXHAUST, check=False)
    seen["reasons"] = node.wait_for(lambda: [reason for reason in restarts(node) if reason], 60)
    node.kubectl("--namespace", SPACE, "delete", "pod", second, "--grace-period=0", "--force")
    seen["runner"] = pods(node, "detection")["demo-runner"]["status"]["phase"]
    node.wait_for(lambda: bucket.keys("demo", "cluster/model/checkpoint/"), 300)
    (training,) = pods(node, "training")
    node.kubectl("--namespace", SPACE, "delete", "pod", training)
    try:
        seen["trainings"] = node.wait_for(lambda: set(pods(node, "training")) - {training}, 60)
        node.wait_for(lambda: job(node, "demo-report").get("succeeded"), 900)
    except TimeoutError as error:
        raise AssertionError(logs(node, "demo")) from error
    return seen


def test_training_and_report_wait_without_a_pod(cluster_run):
    assert set(cluster_run["jobs at first"]) == {"demo-train", "demo-report"}
    assert not any(status.get("active") for status in cluster_run["jobs at first"].values())


def test_workers_died_while_detection_ran_and_others_came(cluster_run, node):
    assert "OOMKilled" in cluster_run["reasons"]
    assert cluster_run["runner"] == "Running"
    (made,) = node.get("daskjobs", "--namespace", SPACE)
    assert made["status"]["jobStatus"] == "Successful"
    node.wait_for(lambda: not pods(node, "worker") and not pods(node, "scheduler"), 60)


def test_a_training_whose_pod_is_deleted_goes_on_in_another(cluster_run, node):
    (again,) = cluster_run["trainings"]
    assert pods(node, "training")[again]["status"]["phase"] == "Succeeded"


def test_the_catalog_is_that_of_the_laptop_byte_for_byte(cluster_run, bucket, laptop, tmp_path):
    for part in ("spectrograms.zarr", "catalog"):
        here, there = (contents(bucket, tmp_path, f"{place}/{part}") for place in ("laptop/output", "cluster"))
        assert here
        assert set(here) == set(there)
        assert [name for name in here if here[name] != there[name]] == []
    assert any(key.endswith("report/index.html") for key in bucket.keys("demo", "cluster"))
    couloir(bucket, laptop, "verify", "demo.yaml", *settings("cluster"))


def test_the_run_s_account_may_start_its_own_jobs_and_nothing_else(cluster_run, node):
    def may(verb, what):
        account = f"--as=system:serviceaccount:{SPACE}:demo"
        return node.kubectl("auth", "can-i", verb, what, account, "--namespace", SPACE, check=False).strip()

    assert may("patch", "jobs/demo-train") == "yes"
    asked = [
        ("patch", "jobs/other"),
        ("list", "jobs"),
        ("create", "pods"),
        ("get", "secrets"),
        ("delete", "jobs/demo-train"),
    ]
    assert {may(verb, what) for verb, what in asked} == {"no"}


def test_a_name_that_is_taken_is_refused_and_nothing_is_touched(cluster_run, node, bucket, laptop):
    before = node.kubectl("--namespace", SPACE, "get", "secret", "demo-tls", "--output=jsonpath={.metadata.uid}")
    told = couloir(
        bucket, laptop, "submit", "kubernetes", "demo.yaml", "--name=demo", *settings("cluster"), code=1
    )
    assert "already exists" in told.stderr
    after = node.kubectl("--namespace", SPACE, "get", "secret", "demo-tls", "--output=jsonpath={.metadata.uid}")
    assert before == after


def test_a_stage_that_failed_starts_nothing_after_it(cluster_run, node, bucket, laptop):
    broken = {
        "archive.url": "s3://demo/laptop/archive",
        "detect.min_valid_s": 100_000,
        "compute.max_failed_fraction": 0,
    }
    broken |= {"archive.select": "XX.NONE.*.*"}
    told = couloir(
        bucket, laptop, "submit", "kubernetes", "demo.yaml", "--name=bad", "--unseen", *settings("bad", **broken)
    )
    assert "bad-train" in told.stderr
    node.wait_for(
        lambda: [
            j
            for j in node.get("daskjobs", "--namespace", SPACE)
            if j.get("status", {}).get("jobStatus") == "Failed"
        ],
        180,
    )
    assert not job(node, "bad-train").get("active")
    assert "matches nothing" in logs(node, "bad") or "XX.NONE" in logs(node, "bad")


def daily(bucket):
    """Give the daily job for the demo's archive, to begin within a minute, as Kubernetes 1.20 knows such jobs."""
    made = manifests.kustomized("daily")
    run = {
        "preset": "small",
        "archive": {"url": "s3://demo/laptop/archive", "start": "2024-03-04"},
        "output": {"url": "s3://demo/cluster"},
        "catalog": {"truth": "s3://demo/laptop/archive/truth.csv"},
        "compute": {"kind": "local", "workers": 1, "memory_gb": 1.2},
    }
    for tree in made:
        tree["metadata"]["namespace"] = SPACE
        if tree["kind"] == "ConfigMap":
            tree["data"]["run.yaml"] = yaml.safe_dump(run)
        elif tree["kind"] == "CronJob":
            tree["apiVersion"] = "batch/v1beta1"
            tree["spec"]["schedule"] = "* * * * *"
            (container,) = tree["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            container["image"] = f"localhost/couloir-train:{kubesite.TAG}"
            container["envFrom"] = [{"secretRef": {"name": "s3-keys"}}]
    return yaml.safe_dump_all(made)


def test_the_daily_job_applies_the_model_up_to_today(cluster_run, node, bucket):
    before = bucket.keys("demo", "cluster/model/")
    node.kubectl("create", "--filename=-", given=daily(bucket))
    chosen = ("--namespace", SPACE, "--selector", "app.kubernetes.io/instance=couloir-daily")
    try:
        done = node.wait_for(
            lambda: [p for p in node.get("pods", *chosen) if p["status"]["phase"] in ("Succeeded", "Failed")], 300
        )
    finally:
        told = logs(node, "couloir-daily")
    assert done[0]["status"]["phase"] == "Succeeded", told
    assert bucket.keys("demo", "cluster/model/") == before
    assert "trained on these very events" in told
