"""Describe the sites that a run is submitted to: what their schedulers want to know."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from couloir.config.section import SECRET, Count, Section

_WALLTIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


def seconds_of(walltime: str) -> int:
    """Give the seconds of a walltime as SLURM reads it.

    Parameters
    ----------
    walltime : str
        ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, ``days-hours``, ``days-hours:minutes`` or
        ``days-hours:minutes:seconds``.

    Raises
    ------
    ValueError
        When it is none of these, or zero.
    """
    found = _WALLTIME.fullmatch(walltime)
    if not found:
        raise ValueError(f"{walltime!r} is no walltime: give '04:00:00' (hours) or '1-12:00:00' (days-hours)")
    first, second, third = (int(found[name] or 0) for name in ("first", "second", "third"))
    if found["days"]:
        seconds = int(found["days"]) * 86_400 + first * 3_600 + second * 60 + third
    elif found["third"]:
        seconds = first * 3_600 + second * 60 + third
    else:
        seconds = first * 60 + second
    if not seconds:
        raise ValueError(f"{walltime!r} is no time at all")
    return seconds


def _check_walltime(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):  # YAML reads 04:00:00 as 14400
        raise ValueError(
            "write a walltime in quotes, like '04:00:00': without them YAML makes another number of it"
        )
    if isinstance(value, str):
        seconds_of(value)
    return value


def _check_line(text: str) -> str:
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError(f"{text!r} must be one line")
    return text


def _check_directive(text: str) -> str:
    if not re.match(r"--?[A-Za-z]", text):
        raise ValueError(f"{text!r} is no option of sbatch: it begins with - or --, like --exclude=node7")
    name = re.split(r"[ =]", text)[0] if text.startswith("--") else text[:2]
    for option, ours in _OURS.items():  # sbatch takes the beginning of a long name for the whole
        if option == name or (len(name) > 3 and option.startswith(name)):
            raise ValueError(f"{name} is set by {ours}")
    return text


def _check_prologue(text: str) -> str:
    for name in re.findall(r"(\w+)=", text):
        if SECRET.search(name):
            raise ValueError(
                f"{name} is a credential and does not belong in a run file, which is kept with the output: set it "
                "where you submit, whose environment the jobs have, or let a file that only you can read set it: "
                "source ~/keys.sh"
            )
    return text


_OURS = {
    **dict.fromkeys(("-p", "--partition"), "`partition`"),
    **dict.fromkeys(("-A", "--account"), "`account`"),
    **dict.fromkeys(("-q", "--qos"), "`qos`"),
    **dict.fromkeys(("-t", "--time"), "`walltime`"),
    **dict.fromkeys(("-n", "--ntasks"), "compute.workers"),
    **dict.fromkeys(("-c", "--cpus-per-task"), "`cores`"),
    **dict.fromkeys(("--mem", "--mem-per-cpu"), "`job_memory_gb`"),
    **dict.fromkeys(
        ("-J", "--job-name", "-o", "--output", "-e", "--error", "--open-mode", "-d", "--dependency"),
        "couloir itself",
    ),
    **dict.fromkeys(("--signal", "--requeue", "--no-requeue"), "couloir itself"),
    **dict.fromkeys(
        ("-a", "--array", "-M", "--clusters", "--wrap", "-D", "--chdir"),
        "nothing: the jobs would not find each other",
    ),
}
"""Options of sbatch that other settings stand for."""

Walltime = Annotated[str, BeforeValidator(_check_walltime)]
Line = Annotated[str, Field(min_length=1), AfterValidator(_check_line)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,:+@/=-]*$")]
Directive = Annotated[Line, AfterValidator(_check_directive)]
Prologue = Annotated[Line, AfterValidator(_check_prologue)]


class SlurmTraining(Section):
    """The training's job, where it differs from the others."""

    partition: Word | None = None
    """Partition with GPUs; that of the other jobs when null."""
    account: Word | None = None
    """Account that is charged; that of the other jobs when null."""
    qos: Word | None = None
    """Quality of service; that of the other jobs when null."""
    gres: Word | None = "gpu:1"
    """What is asked for: one GPU; null where `directives` ask for it (--gpus=1), or to train on CPUs."""
    cores: Count = 8
    """Cores."""
    memory_gb: Annotated[float, Field(ge=0)] = 32.0
    """Memory, GB; 0 asks for none, on sites that give whole nodes."""
    walltime: Walltime = "12:00:00"
    """Walltime of one start; training that is not done goes on in the same job, queued again."""
    directives: tuple[Directive, ...] = ()
    """Further options of sbatch, like --constraint=a100."""
    prologue: tuple[Prologue, ...] = ()
    """Lines of shell before it, in the place of the other jobs' prologue."""
    image: Line | None = None
    """Container image with TensorFlow; that of the other jobs when null."""


class SlurmConfig(Section):
    """What `couloir submit slurm` asks of a site."""

    workers_as: Literal["tasks", "jobs"] = "tasks"
    """`tasks`: one allocation in which all workers run; `jobs`: each worker is a job of its own."""
    adaptive: bool = False
    """With workers_as jobs: only as many as there is work for, up to compute.workers."""
    partition: Word | None = None
    """Partition; the site's own choice when null."""
    account: Word | None = None
    """Account that is charged."""
    qos: Word | None = None
    """Quality of service."""
    walltime: Walltime = "12:00:00"
    """Walltime of one start of a job; what is not done then goes on in the same job, queued again."""
    cores: Count = 1
    """Cores of a worker."""
    job_memory_gb: Annotated[float, Field(ge=0)] | None = None
    """Memory asked for each worker, GB; a quarter more than compute.memory_gb when null; 0 asks for none, on sites
    that give whole nodes."""
    directives: tuple[Directive, ...] = ()
    """Further options of sbatch for all jobs, like --exclude=node7."""
    prologue: tuple[Prologue, ...] = ()
    """Lines of shell before the work: modules, an environment to activate."""
    scratch: Line | None = None
    """Folder on each node where Dask may put what does not fit into memory, like /local/$USER; when null TMPDIR's,
    or /tmp."""
    interface: Word | None = None
    """Network interface between nodes, like ib0."""
    container: Literal["none", "apptainer", "charliecloud", "podman"] = "none"
    """What runs the image."""
    image: Line | None = None
    """Container image: a .sif file or what is fetched or unpacked, like docker://, oci-archive: (apptainer), an
    unpacked folder (charliecloud), a name (podman)."""
    binds: tuple[Line, ...] = ()
    """Further folders that the container sees, like /data/labels; those of archive and output are bound anyway."""
    folder: Line = "couloir-jobs"
    """Folder for scripts, logs and certificates, which all nodes must reach; a path from where it is submitted."""
    warn_s: Annotated[int, Field(ge=10, le=3_600)] = 120
    """How long before its walltime a job is told to stop in order, s."""
    requeues: Annotated[int, Field(ge=0, le=1_000)] = 50
    """How often a job that was told to stop goes on at most; one that is killed goes on three times."""
    training: SlurmTraining = Field(default_factory=SlurmTraining)
    """The training's job."""

    @field_validator("directives", "prologue", "binds", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_container(self) -> Self:
        if self.container != "none" and self.image is None:
            raise ValueError(f"container {self.container} needs `image`, the image that it runs")
        if self.container == "none" and (self.image or self.training.image or self.binds):
            raise ValueError("`image` and `binds` need `container`: apptainer, charliecloud or podman")
        if self.container != "none" and self.workers_as == "jobs":
            raise ValueError(
                "workers_as jobs does not go with a container, in which there is no sbatch: use workers_as tasks"
            )
        if self.adaptive and self.workers_as == "tasks":
            raise ValueError(
                "adaptive goes with workers_as jobs: the tasks of one allocation are all there at once"
            )
        return self

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        for name, walltime in (("walltime", self.walltime), ("training.walltime", self.training.walltime)):
            if seconds_of(walltime) <= self.warn_s:
                raise ValueError(f"{name} ({walltime}) must be longer than warn_s ({self.warn_s} s)")
        if self.workers_as == "jobs" and self.lifetime_s <= self.warn_s:
            raise ValueError(
                f"walltime ({self.walltime}) is too short for workers that end by themselves, and hand over their "
                f"work, between {3 * self.warn_s} and {self.warn_s} s before: a longer one, or a smaller warn_s"
            )
        return self

    @property
    def lifetime_s(self) -> int:
        """How long a worker that is a job works, give or take `warn_s`, s."""
        return seconds_of(self.walltime) - 2 * self.warn_s
