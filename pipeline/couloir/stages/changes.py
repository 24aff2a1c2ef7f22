"""Find what an output holds of other settings than the run file's: nothing of that is ever mixed with new work."""

from collections.abc import Iterable
from typing import Any

import yaml

from couloir.config import RunConfig
from couloir.errors import ChangedSettingsError, ConfigError, DamagedError, StoreError
from couloir.identifiers import Block
from couloir.runfile import loads
from couloir.stages.held import is_imported
from couloir.stages.marks import read_completion
from couloir.stages.settings import detection_hash, output_of, training_hash
from couloir.store.blocks import read_marks

_DECIDES = {"detect": ("detect", "spectrogram"), "train": ("train",)}
"""The sections of a run file that decide what a stage makes."""


def refuse_changes(
    config: RunConfig, blocks: Iterable[Block], *, stages: Iterable[str] = ("detect", "train")
) -> None:
    """Refuse to replace what other settings made.

    Parameters
    ----------
    config : RunConfig
    blocks : iterable of Block
        Those of the run.
    stages : iterable of str
        Which are about to run, out of detect and train.

    Raises
    ------
    ChangedSettingsError
        Saying which stages no longer match, by which settings, and what `--redo` would make again.
    """
    output = output_of(config)
    found = {
        "detect": _changed_blocks(config, blocks) if "detect" in stages else "",
        "train": _changed_model(config) if "train" in stages else "",
    }
    changed = {stage: what for stage, what in found.items() if what}
    if not changed:
        return
    before = settings_before(config)
    lines = [f"{output} holds what other settings made:"]
    lines += [f"  {stage}: {what}{_difference(before, config, stage)}" for stage, what in changed.items()]
    follow = "model, catalog and report follow" if list(changed) == ["detect"] else "catalog and report follow"
    raise ChangedSettingsError(
        "\n".join(lines)
        + f"\nWith --redo, run, detect and train make these again ({follow}). To keep them, give another "
        f"output.url, or go back to the settings in {output / 'run.yaml'}."
    )


def _changed_blocks(config: RunConfig, blocks: Iterable[Block]) -> str:
    marks = [mark for mark in read_marks(output_of(config), blocks).values() if mark]
    other = [mark for mark in marks if mark.get("settings") != detection_hash(config)]
    events = sum(int(mark.get("events", 0)) for mark in other)
    return f"{len(other):,} of {len(marks):,} blocks, {events:,} events" if other else ""


def _changed_model(config: RunConfig) -> str:
    try:
        held = read_completion(output_of(config) / "model")
    except DamagedError:  # it is made again in any case
        return ""
    if held is None or is_imported(held[0]):  # an imported model is not for the train section to decide
        return ""
    return "the model" if held[0].get("training") != training_hash(config) else ""


def refuse_other_period(config: RunConfig) -> None:
    """Refuse to take the events of one period, or of some stations, for those of others that nobody has detected.

    Raises
    ------
    StoreError
        When the latest run was of other station-days than the run file asks for.
    """
    if told := other_period(config):
        raise StoreError(
            f"{output_of(config)}: {told}, and the run file asks for others (archive.select, start, end). "
            "Run `couloir detect` first."
        )


def other_period(config: RunConfig) -> str:
    """Say of what the latest run was, where the run file asks for other station-days."""
    before, now = settings_before(config), config.archive
    if before is None:
        return ""
    was = before.archive
    if (was.select, was.start, was.end) == (now.select, now.start, now.end):
        return ""
    return f"the latest run was of {', '.join(was.select)} from {was.start} to {was.end}"


def settings_before(config: RunConfig) -> RunConfig | None:
    """Read the settings that the output was made with, as far as this version understands them."""
    text = (output_of(config) / "run.yaml").read_text()
    try:
        return loads(text) if text else None
    except (ConfigError, yaml.YAMLError):
        return None


def _difference(before: RunConfig | None, config: RunConfig, stage: str) -> str:
    """Name the settings that differ, with both values."""
    told = [
        f"{section}.{key} {was} -> {now}"
        for section in _DECIDES[stage]
        if before is not None
        for key, was, now in _unequal(getattr(before, section), getattr(config, section))
    ]
    return f" ({', '.join(told)})" if told else " (made by another version of Couloir, or with --set)"


def _unequal(before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    pairs = ((key, getattr(before, key), getattr(now, key)) for key in type(now).model_fields)
    return [(key, was, is_now) for key, was, is_now in pairs if was != is_now]
