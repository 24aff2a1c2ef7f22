"""Name what can go wrong: one base class, one leaf for each kind of mistake a user can mend."""

EXIT_INTERRUPTED = 130
EXIT_STOPPED = 143
"""Exit code after SIGTERM: what was complete stays, and the same command goes on from there."""
EXIT_FAILURES = 3
"""Exit code when the run went through, and more station-days failed than allowed; of `status`: a stage failed."""
EXIT_AGAIN = 75
"""Exit code when another run holds the output, or the cluster is gone: try again a little later."""


class CouloirError(Exception):
    """Stand above every error that Couloir raises for a user to read; its text says what to do next."""

    exit_code = 1


class ConfigError(CouloirError, ValueError):
    """Say that a run file, an environment variable or an option holds a wrong key or value."""


class ArchiveError(CouloirError, OSError):
    """Say that the waveform archive cannot be listed or holds nothing that was asked for."""


class UnreadableError(CouloirError, ValueError):
    """Say that one object of the archive does not decode."""


class UnreachableError(CouloirError, OSError):
    """Say that one object of the archive could not be fetched: it may go well another time."""


class StoreError(CouloirError, OSError):
    """Say that the spectrogram archive is missing, incomplete, or made with other settings."""


class HeldError(StoreError):
    """Say that another run holds the output."""

    exit_code = EXIT_AGAIN


class ChangedSettingsError(StoreError):
    """Say that the output holds what other settings made."""


class DamagedError(StoreError):
    """Say that what is stored is not what was written."""


class TrainingError(CouloirError, RuntimeError):
    """Say that there is too little to train on, or that training came to nothing usable."""


class ModelFileError(CouloirError, ValueError):
    """Say that a file holds no model that can be used, or that a model is not for these spectrograms."""


class MissingStageError(CouloirError, FileNotFoundError):
    """Say that a stage needs what an earlier stage has not yet written."""


class ClusterError(CouloirError, RuntimeError):
    """Say that a cluster refuses a job, does not answer, or is gone."""


class LostClusterError(ClusterError):
    """Say that a cluster does not answer, or is gone: it may be there another time."""

    exit_code = EXIT_AGAIN


class TooManyFailuresError(CouloirError, RuntimeError):
    """Say that more station-days failed than the run file allows."""

    exit_code = EXIT_FAILURES


class StageFailedError(CouloirError, RuntimeError):
    """Say that a stage of a run has failed, or died."""

    exit_code = EXIT_FAILURES


class Terminated(KeyboardInterrupt):
    """Stop because the machine, or its scheduler, said so: SIGTERM."""

    exit_code = EXIT_STOPPED


def exit_code_of(error: BaseException) -> int:
    """Give the exit code by which a process tells how it ended."""
    if isinstance(error, CouloirError | Terminated):
        return error.exit_code
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


class CouloirWarning(UserWarning):
    """Stand above every warning that Couloir gives."""
