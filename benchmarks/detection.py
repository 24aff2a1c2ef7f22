"""Compare one station-day's way to its triggers with the plain way, and with decoding alone."""

import argparse
import datetime as dt
import io
import tempfile
from pathlib import Path

from timing import in_turns, ratio, show, use_one_core

use_one_core()

import obspy  # noqa: E402 - the number of threads is set before NumPy is loaded

from baselines.detection import detect as detect_plainly  # noqa: E402
from couloir.archive.fetch import Fetcher  # noqa: E402
from couloir.archive.record import DayReader  # noqa: E402
from couloir.runfile import build  # noqa: E402
from couloir.stages.midnight import DetectedDays  # noqa: E402
from couloir.stages.plan import plan  # noqa: E402
from couloir.stages.settings import detection_rule  # noqa: E402
from couloir.synth import SynthSpec, write_archive  # noqa: E402

DAY = dt.date(2024, 3, 5)


def main() -> None:
    """Print the times and the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        write_archive(folder, SynthSpec(start=DAY, days=1, stations=1))
        archive = {"url": folder, "start": DAY, "end": DAY + dt.timedelta(days=1)}
        config = build({"archive": archive, "output": {"url": f"{folder}/out"}})
        inventory = plan(config).inventory
        (key,) = inventory.chosen
        files = [Path(item.path) for item in inventory.files[key].objects]
        rule = detection_rule(config.detect)

        def couloir() -> int:
            import fsspec

            fetcher = Fetcher(fsspec.filesystem("file"))
            reader = DayReader(fetcher, inventory.around(key, reach=2), config.detect.sampling_rate, 35.0)
            return len(DetectedDays(reader, rule).owned_triggers(key.day))

        ways = {
            "plain ObsPy + SciPy": lambda: detect_plainly(files),
            "decoding alone": lambda: [obspy.read(io.BytesIO(path.read_bytes())) for path in files],
            "couloir": couloir,
        }
        seconds = in_turns(ways, rounds=rounds)
        size = sum(path.stat().st_size for path in files)
        print(f"one station-day, {len(files)} channels, {size / 1e6:.1f} MB, {couloir()} triggers, one core")
    show(seconds)
    print(f"plain / couloir:    {ratio(seconds, 'plain ObsPy + SciPy', 'couloir'):.1f}  (10 or more is wanted)")
    print(f"couloir / decoding: {ratio(seconds, 'couloir', 'decoding alone'):.1f}  (4 or less is wanted)")


if __name__ == "__main__":
    main()
