"""Say which job of a cluster a process is part of, as its environment tells."""

from collections.abc import Mapping


def slurm_job(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Give the number of the SLURM job, and how often it was begun again; None outside of one."""
    number, again = environment.get("SLURM_JOB_ID"), environment.get("SLURM_RESTART_COUNT", "")
    return (number, int(again) if again.isdigit() else 0) if number else None


def cluster_job(environment: Mapping[str, str]) -> tuple[str, int]:
    """Name the cluster's job that a process is part of, if any, and say how often that was begun again."""
    if found := slurm_job(environment):
        return f"SLURM job {found[0]}", found[1]
    if "KUBERNETES_SERVICE_HOST" in environment:
        return f"pod {environment.get('HOSTNAME', '')}".rstrip(), 0
    return "", 0
