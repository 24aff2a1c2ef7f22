import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import obspy
import pytest

from couloir.config import RunConfig
from couloir.identifiers import day_start_ns
from couloir.runfile import build
from couloir.stages.detect import detect
from couloir.stages.plan import plan
from couloir.store.outcomes import Outcome
from couloir.store.spectrograms import SpectrogramArchive

RATE = 20.0
FIRST = dt.date(2024, 1, 31)  # two days that lie in different months, and so in different blocks
SECOND = dt.date(2024, 2, 1)


@dataclass
class Station:
    """A made-up station of one archive: noise, to which bursts are added, written day by day as SDS."""

    root: Path
    rate: float = RATE
    name: str = "AAA"
    channels: tuple[str, ...] = ("HHE", "HHN", "HHZ")
    levels: dict[dt.date, float] = field(default_factory=lambda: {FIRST: 100.0, SECOND: 100.0})
    bursts: list[tuple[int, float, float]] = field(default_factory=list)  # onset ns, duration s, amplitude
    offset: int = 0

    def burst(self, when: str, duration: float = 3.0, amplitude: float = 4_000.0) -> int:
        onset = obspy.UTCDateTime(when).ns
        self.bursts.append((onset, duration, amplitude))
        return onset

    def samples(self, day: dt.date, component: int) -> np.ndarray:
        n = round(86_400 * self.rate)
        rng = np.random.default_rng([day.toordinal(), component])
        level = np.full(n, self.levels[day])
        calm = round(300 * self.rate)  # the ground does not change at midnight, only the day's noise as a whole
        level[:calm] = level[-calm:] = min(self.levels.values())
        data = rng.normal(0, 1, n) * level + self.offset
        for onset, duration, amplitude in self.bursts:
            length = round(duration * self.rate)
            wave = amplitude * np.sin(2 * np.pi * 3.0 * np.arange(length) / self.rate + component)
            first = round((onset - day_start_ns(day)) * self.rate / 1e9)
            a, b = max(first, 0), min(first + length, n)
            if b > a:
                data[a:b] += wave[a - first : b - first]
        return np.rint(data).astype(np.int32)

    def path(self, day: dt.date, channel: str) -> Path:
        folder = self.root / f"{day:%Y}" / "XX" / self.name / f"{channel}.D"
        return folder / f"XX.{self.name}.00.{channel}.D.{day:%Y.%j}"

    def write(self, *days: dt.date, edit: Callable[[np.ndarray], list] | None = None) -> "Station":
        for day in days or tuple(self.levels):
            for number, channel in enumerate(self.channels):
                pieces = [(0.0, self.samples(day, number))]
                if edit:
                    pieces = edit(pieces[0][1])
                stream = obspy.Stream()
                for after, data in pieces:
                    header = {
                        "network": "XX",
                        "station": self.name,
                        "location": "00",
                        "channel": channel,
                        "sampling_rate": self.rate,
                        "starttime": obspy.UTCDateTime(ns=day_start_ns(day)) + after,
                    }
                    stream.append(obspy.Trace(np.ascontiguousarray(data), header))
                path = self.path(day, channel)
                path.parent.mkdir(parents=True, exist_ok=True)
                stream.write(str(path), format="MSEED", encoding="STEIM2", reclen=512)
        return self


@pytest.fixture
def station(tmp_path) -> Station:
    return Station(tmp_path / "archive")


@dataclass
class Run:
    """One detection run on an archive and what it left."""

    config: RunConfig
    outcomes: list[Outcome]
    archive: SpectrogramArchive

    @property
    def events(self) -> list[tuple[str, int, int]]:
        numbers = self.archive.block_numbers()
        starts, onsets = self.archive.column("start_time"), self.archive.column("onset_time")
        rows = zip(numbers, starts, onsets, strict=True)
        return [(self.archive.blocks[n].key, int(start), int(onset)) for n, start, onset in rows]


class SerialPool:
    """Run each task at once, in this process."""

    workers = 1

    def submit(self, function, *arguments):
        return _Done(function(*[_plain(argument) for argument in arguments]))

    def submit_each(self, function, arguments):
        return [self.submit(function, argument, argument.fetch()) for argument in arguments]

    def wait(self, handles, *, timeout_s):
        return set(handles)

    def give_up(self, handles):
        raise AssertionError("a serial pool ends what it begins")

    def result(self, handle):
        return handle.value

    def error(self, handle):
        return None

    def close(self, *, at_once=False):
        pass


class _Done:
    def __init__(self, value):
        self.value = value


def _plain(argument):
    if isinstance(argument, list):
        return [_plain(item) for item in argument]
    return argument.value if isinstance(argument, _Done) else argument


def make_config(root: Path, output: Path, **sections) -> RunConfig:
    tree = {
        "archive": {"url": str(root), "start": FIRST, "end": SECOND + dt.timedelta(days=1)},
        "output": {"url": str(output)},
        "detect": {"sampling_rate": RATE, "band": [1.0, 8.0]},
        "spectrogram": {"frequencies": 16, "times": 16},
    }
    for name, section in sections.items():
        tree[name] = {**tree.get(name, {}), **section}
    return build(tree)


@pytest.fixture
def run(station, tmp_path):
    """Detect in the station's archive; sections of the run file as keyword arguments."""

    def detect_it(*, output: str = "output", pool=None, seen=None, **sections) -> Run:
        config = make_config(station.root, tmp_path / output, **sections)
        made = plan(config)
        told = (lambda outcome: None) if seen is None else seen.append
        outcomes = detect(
            config, made.inventory, pool or SerialPool(), progress=told, sensitivities=made.sensitivities
        )
        blocks = sorted(made.inventory.blocks)
        from couloir.stages.settings import output_of

        return Run(config, outcomes, SpectrogramArchive(output_of(config), blocks))

    return detect_it
