"""Describe the stages of a run on Kubernetes: detection as a DaskJob, training and report as jobs that wait."""

from couloir.compute.dask_pool import AHEAD, SETTINGS, WORKER_ENVIRONMENT
from couloir.compute.kubernetes_run import PORT, Run, labelled, scheduler_address
from couloir.compute.memory import mebibytes
from couloir.compute.pods import RUN_FILE, STAGE_SCRIPT, TLS_FOLDER, Size, Task, Tree, pod_spec
from couloir.compute.tls import CERTIFICATE, KEY

_SERVICE_CORES = 0.5
_SERVICE = 1024
_SMALL = 4096
"""Memory of pods that look after others, or write tables, asked for and at most, MiB."""
_NANNY = 300
"""What looks after a worker takes beside it, MiB."""
FOR_GOOD = [1, 2, 3, 75]
"""Exit codes of what does not go better another time; the pod itself has tried again and again what gives 75."""
_PORTS = [
    {"name": "tcp-comm", "protocol": "TCP", "port": PORT, "targetPort": "tcp-comm"},
    {"name": "http-dashboard", "protocol": "TCP", "port": 8787, "targetPort": "http-dashboard"},
]
_TLS = [
    *("--tls-ca-file", f"{TLS_FOLDER}/{CERTIFICATE}"),
    *("--tls-cert", f"{TLS_FOLDER}/{CERTIFICATE}"),
    *("--tls-key", f"{TLS_FOLDER}/{KEY}"),
]


def detection(run: Run) -> Tree:
    """Describe scheduler, workers and the run itself, for the operator of Dask; it ends them with the run."""
    site = run.site
    following = list(run.jobs.values())[1]
    task = Task(
        "runner",
        run.images[0],
        _stage(f"detect {RUN_FILE}", *run.options, then=following),
        Size(_SERVICE_CORES, _SERVICE, _SMALL),
        tls=True,
        token=True,
        grace_s=60,
    )
    service = {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": run.name, "dask.org/component": "scheduler"},
        "ports": _PORTS,
    }
    scheduler, worker = (pod_spec(site, run.name, made, restart=None) for made in (_scheduler(run), _worker(run)))
    cluster = {
        "worker": {
            "metadata": _of_component("worker", stays=False),
            "replicas": run.compute.workers or 1,
            "spec": worker,
        },
        "scheduler": {
            "metadata": _of_component("scheduler", stays=True),
            "spec": scheduler,
            "service": service,
        },
    }
    job = {"metadata": _of_component("detection", stays=True), "spec": pod_spec(site, run.name, task)}
    made = labelled(run, "kubernetes.dask.org/v1", "DaskJob", run.name, component="detection")
    return made | {"spec": {"job": job, "cluster": {"spec": cluster}}}


def _of_component(component: str, *, stays: bool) -> Tree:
    """Name a pod's part in the run; without scheduler and runner all begins anew, so they are not moved."""
    return {
        "labels": {"app.kubernetes.io/component": component},
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false" if stays else "true"},
    }


def _scheduler(run: Run) -> Task:
    """Describe the scheduler: Dask's protocol for this run alone, its pages for nobody."""
    command = ["dask", "scheduler", "--protocol", "tls", "--port", str(PORT), *_TLS]
    probe = {"tcpSocket": {"port": "tcp-comm"}}
    return Task(
        "scheduler",
        run.images[0],
        [*command, "--no-dashboard", "--dashboard-address", "127.0.0.1:8787"],
        Size(_SERVICE_CORES, _SERVICE, _SMALL),
        environment={
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(
                SETTINGS["distributed.scheduler.allowed-failures"]
            )
        },
        data=False,
        tls=True,
        more={
            "ports": [
                {"name": "tcp-comm", "containerPort": PORT, "protocol": "TCP"},
                {"name": "http-dashboard", "containerPort": 8787, "protocol": "TCP"},
            ],
            "readinessProbe": probe | {"periodSeconds": 5},
            "livenessProbe": probe | {"initialDelaySeconds": 15, "periodSeconds": 20, "failureThreshold": 6},
        },
    )


def _worker(run: Run) -> Task:
    site, compute = run.site, run.compute
    most = mebibytes(1.25 * compute.memory_gb)
    command = ["dask", "worker", scheduler_address(run.name), "--name", "$(DASK_WORKER_NAME)", *_TLS]
    command += ["--nworkers", "1", "--nthreads", str(1 + AHEAD), "--memory-limit", f"{compute.memory_gb}GB"]
    return Task(
        "worker",
        run.images[0],
        [*command, "--death-timeout", "300", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"],
        Size(site.cores, min(run.worker_memory + _NANNY, most), most),
        environment=WORKER_ENVIRONMENT | {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"},
        tls=True,
        node_selector=site.workers_node_selector,
        tolerations=site.workers_tolerations,
    )


def training(run: Run) -> Tree:
    """Describe the training's job, on GPUs where they are asked for."""
    wanted = run.site.training
    memory = mebibytes(wanted.memory_gb)
    task = Task(
        "train",
        run.images[1],
        _stage(f"train {RUN_FILE}", *run.options, then=run.jobs["report"]),
        Size(wanted.cores, memory, memory, wanted.gpus),
        token=True,
        grace_s=120,
        node_selector=wanted.node_selector,
        tolerations=wanted.tolerations,
    )
    return _waiting_job(run, "train", "training", task)


def report(run: Run) -> Tree:
    """Describe the job of catalog and report, on CPUs."""
    memory = max(_SMALL, mebibytes(run.site.training.memory_gb) // 2)
    made = [f"catalog {RUN_FILE}", f"report {RUN_FILE}"] if run.trains else [f"assign {RUN_FILE}"]
    command = ["sh", STAGE_SCRIPT, *made]
    return _waiting_job(run, "report", "report", Task("report", run.images[1], command, Size(2, memory, memory)))


def _waiting_job(run: Run, stage: str, component: str, task: Task) -> Tree:
    """Describe a job that has no pod until the stage before it lets it."""
    name = run.jobs[stage]
    made = labelled(run, "batch/v1", "Job", name, component=component)
    failing = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailJob",
            "onExitCodes": {"containerName": task.name, "operator": "In", "values": FOR_GOOD},
        },
    ]
    spec = {
        "parallelism": 0,
        "completions": 1,
        "backoffLimit": run.site.retries,
        "podFailurePolicy": {"rules": failing},
        "ttlSecondsAfterFinished": run.site.ttl_s,
        "template": {
            "metadata": {"labels": dict(made["metadata"]["labels"])},
            "spec": pod_spec(run.site, run.name, task),
        },
    }
    return made | {"spec": spec}


def _stage(*words: str, then: str) -> list[str]:
    """Give the command of a pod that runs a stage and then starts the next one's job."""
    return ["sh", STAGE_SCRIPT, " ".join(words), f"release {then}"]
