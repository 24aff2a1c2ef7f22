"""Write synthetic archives with known truth: the demo's input and the benchmarks'."""

from couloir.synth.archive import write_archive, write_station_day
from couloir.synth.spec import ALL_CLASSES, FAULT_CLASSES, SynthSpec
from couloir.synth.truth import TruthRow

__all__ = ["ALL_CLASSES", "FAULT_CLASSES", "SynthSpec", "TruthRow", "write_archive", "write_station_day"]
