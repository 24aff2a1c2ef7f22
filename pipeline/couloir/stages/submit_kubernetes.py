"""Submit a whole run to Kubernetes, each stage to begin when the one before it is done."""

import datetime as dt
import re
from dataclasses import dataclass

from couloir.compute.kubectl import as_yaml, create, delete
from couloir.compute.kubernetes_objects import certificate_of, objects_of
from couloir.compute.kubernetes_run import LONGEST_NAME, Run, scheduler_address
from couloir.compute.memory import mebibytes
from couloir.compute.pods import TLS_FOLDER
from couloir.config import RunConfig
from couloir.config.kubernetes import is_label
from couloir.errors import ConfigError
from couloir.runfile import dump
from couloir.stages.changes import refuse_changes
from couloir.stages.freezing import located, worth_workers
from couloir.stages.held import held_mark, is_imported
from couloir.stages.plan import Plan, plan
from couloir.stages.remembering import remember
from couloir.stages.seeds import with_held_seeds
from couloir.stages.under_way import refuse_twice

_OF_ONE_MACHINE = ("file", "local", "memory")
"""Protocols of URLs that mean another place, or none, in a pod."""


@dataclass(frozen=True)
class Prepared:
    """Hold what is submitted.

    Attributes
    ----------
    config : RunConfig
        The settings as they are now.
    run : Run
        What Kubernetes' objects are made from.
    seen : bool
        Whether the output is reached from here, too.
    """

    config: RunConfig
    run: Run
    seen: bool

    @property
    def text(self) -> str:
        """The objects as YAML, all but the run's certificate, which is made when they are submitted."""
        head = f"# The run {self.run.name} of Couloir, as couloir submit kubernetes submits it.\n"
        head += (
            f"# Beside it goes the Secret {self.run.name}-tls, with a certificate and a key made for this run.\n"
        )
        return head + as_yaml(objects_of(self.run))


def prepare(config: RunConfig, *, name: str, redo: bool = False, unseen: bool = False) -> Prepared:
    """Make the objects of a run, and submit nothing.

    What lies on a volume claim is not looked at: it is seen from within the cluster only.

    Parameters
    ----------
    config : RunConfig
    name : str
        Begins the names of all objects.
    redo : bool
        Whether the stages may replace what other settings made.
    unseen : bool
        Whether archive and output are reached from within the cluster only, wherever they are.

    Raises
    ------
    ConfigError
        When images or the number of workers are missing, or a path is none that pods see.
    ChangedSettingsError
        When the output holds what other settings made, and nobody said `redo`.
    """
    site = config.compute.kubernetes
    if not (is_label(name) and name[0].isalpha() and len(name) <= LONGEST_NAME):  # a Service is named by it
        raise ConfigError(
            f"--name {name}: expected at most {LONGEST_NAME} of a-z, 0-9 and - within, a letter first, as "
            "Kubernetes wants names"
        )
    images = _images(config)
    _refuse_paths(config)
    made = _planned(config, unseen=unseen)
    seen = not (unseen or site.is_on_claim(config.output.url))
    if seen:
        config = with_held_seeds(config)
    if made and seen and not redo:
        refuse_changes(config, made.inventory.blocks)
    frozen = _frozen(config, name, made)
    run = Run(
        name=name,
        run_file=f"# Written by couloir submit; the run's pods read it.\n{dump(frozen, site='kubernetes')}",
        compute=frozen.compute,
        images=images,
        worker_memory=mebibytes(made.memory_bytes / 1e9 if made else config.compute.memory_gb),
        options=("--redo",) if redo else (),
        trains=redo or not (seen and is_imported(held_mark(config))),
    )
    return Prepared(frozen, run, seen)


def submit(made: Prepared) -> None:
    """Submit a run; after an error nothing of it is left behind.

    Raises
    ------
    ClusterError
        When Kubernetes refuses it; when a run of this output is under way.
    HeldError
        When a run works on the output.
    StoreError
        When the output cannot be written.
    """
    if made.seen:
        refuse_twice(made.config)
    began = dt.datetime.now(dt.UTC)
    objects = [certificate_of(made.run), *objects_of(made.run)]
    create(objects)
    if not made.seen:
        return
    logs = f"{made.run.kubectl('logs')} --prefix --tail=-1"
    try:
        namespace = made.run.site.namespace
        remember(made.config, "kubernetes", made.run.jobs, logs=logs, at=began, namespace=namespace)
    except BaseException:  # what nobody remembers would be submitted a second time beside it
        delete(objects)
        raise


def name_of(stem: str) -> str:
    """Make a name for a run's objects from that of its run file, and of the time."""
    word = re.sub(r"[^a-z0-9]+", "-", stem.lower())[: LONGEST_NAME - 20].strip("-")
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    if not word[:1].isalpha():  # as a Service's name must begin
        word = f"run-{word}".strip("-")
    return f"{word}-{stamp}"


def _images(config: RunConfig) -> tuple[str, str]:
    site = config.compute.kubernetes
    if site.image is None or site.training.image is None:
        missing = "image" if site.image is None else "training.image"
        raise ConfigError(
            f"compute.kubernetes.{missing} is missing: name the images that the cluster pulls, `image` of the "
            "workers and `training.image` with TensorFlow. docs/deploying.md says how they are built."
        )
    return site.image, site.training.image


def _refuse_paths(config: RunConfig) -> None:
    """Refuse places that no pod sees, before pods fail on them."""
    for setting, place in located(config).items():
        ours = place.partition("://")[0] in _OF_ONE_MACHINE if "://" in place else True
        if ours and not config.compute.kubernetes.is_on_claim(place):
            raise ConfigError(
                f"{setting} ({place}) is a path that no pod sees: give a URL, like s3://bucket/prefix, or a "
                "claim in compute.kubernetes.volumes whose mount it lies in"
            )


def _planned(config: RunConfig, *, unseen: bool) -> Plan | None:
    """Count what is to do; nothing that only the cluster reaches can be counted from here."""
    compute = config.compute
    if not unseen and not compute.kubernetes.is_on_claim(config.archive.url):
        return plan(config)
    if compute.workers is None:
        raise ConfigError(
            f"only the cluster reaches archive.url ({config.archive.url}), so it is not known here how many "
            "workers it is worth: set compute.workers"
        )
    return None


def _frozen(config: RunConfig, name: str, made: Plan | None) -> RunConfig:
    compute = config.compute.model_copy(
        update={
            "kind": "dask",
            "workers": config.compute.workers or (worth_workers(made) if made else None),
            "scheduler": scheduler_address(name),
            "tls": TLS_FOLDER,
        }
    )
    return config.model_copy(update={"compute": compute})
