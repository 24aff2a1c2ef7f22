"""Give memory in the unit that clusters are asked in."""


def mebibytes(gigabytes: float) -> int:
    """Turn GB, of a run file, into MiB, of SLURM and Kubernetes."""
    return round(gigabytes * 1e9 / 2**20)
