"""Settings of where and how widely a run computes."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from couloir.config.kubernetes import KubernetesConfig
from couloir.config.section import Positive, Section, Share
from couloir.config.slurm import SlurmConfig


class ComputeConfig(Section):
    """Where and how widely detection runs."""

    kind: Literal["local", "threads", "serial", "dask", "slurm"] = "local"
    """`local`: a Dask cluster of processes on this machine; `dask`: one that is there already; `slurm`: set by
    couloir submit; `threads`, `serial`: for debugging."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes; as many as cores when not given."""
    scheduler: Annotated[str, Field(pattern=r"^(tcp|tls)://[^\s/]+:\d+$")] | None = None
    """With kind dask: where its scheduler listens, like tls://host:8786."""
    tls: str | None = None
    """Folder with tls.pem and tls.key, by which the processes of a Dask cluster know each other."""
    dashboard: str = "127.0.0.1:0"
    """Where the dashboard of a Dask scheduler that Couloir starts listens; to have one, install bokeh."""
    memory_gb: Positive = 2.0
    """Memory limit of a worker, GB."""
    read_ahead_mb: Annotated[float, Field(ge=0)] = 256.0
    """Bytes of the next station-days that a worker fetches while it works on one, MB."""
    stall_s: Positive = 1_800.0
    """When no task has ended for this long, those that run are given up and told as failed, s."""
    max_failed_fraction: Share = 0.1
    """The run's exit code is not 0 when more station-days than this are unreadable or failed."""
    slurm: SlurmConfig = Field(default_factory=SlurmConfig)
    """What `couloir submit slurm` asks of a site."""
    kubernetes: KubernetesConfig = Field(default_factory=KubernetesConfig)
    """What `couloir submit kubernetes` asks of a cluster."""

    @model_validator(mode="after")
    def _check_scheduler(self) -> Self:
        if self.kind == "dask" and self.scheduler is None:
            raise ValueError("kind dask needs `scheduler`: where the cluster's scheduler listens, tls://host:8786")
        if self.scheduler and self.scheduler.startswith("tls:") and self.tls is None:
            raise ValueError(f"{self.scheduler} needs `tls`: the folder of the certificates of that cluster")
        return self
