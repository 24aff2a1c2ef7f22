"""Make report data of any shape, and read a page back as elements."""

import datetime as dt
from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
import pytest

from couloir.identifiers import DAY_NS, NS_PER_S, day_start_ns
from couloir.report import ClusterView, DayOutcome, DetectionRow, ReportData, ScoreRow, TypicalEvent

FIRST_DAY = dt.date(2020, 3, 28)
STATIONS = ("GG.LH01.10.EH", "GG.LH02.10.EH", "GG.LH03.10.EH")
VOID = {"meta", "link", "br", "img", "hr", "input"}


def spectrogram(rng, *, size=32):
    return rng.normal(size=(size, size, 3)).astype(np.float32)


def typical_event(rng, *, rank=0, size=32, samples=400, **changes):
    values = {
        "event_id": f"event-{rank}",
        "station": STATIONS[0],
        "onset_ns": day_start_ns(FIRST_DAY) + 3723 * NS_PER_S,
        "confidence": 0.87,
        "snr": 41.0,
        "waveform": rng.normal(scale=300, size=(3, samples)).astype(np.float32),
        "spectrogram": spectrogram(rng, size=size),
    }
    return TypicalEvent(**(values | changes))


def training_log():
    nan = np.full(10, np.nan)
    return {
        "phase": np.array(["pretrain"] * 10 + ["cluster"] * 10),
        "step": np.concatenate([np.arange(10), np.arange(10) * 150]),
        "loss": np.concatenate([1 / np.arange(1, 11), nan]),
        "reconstruction": np.concatenate([nan, np.linspace(0.3, 0.2, 10)]),
        "kl": np.concatenate([nan, np.linspace(0.2, 0.1, 10)]),
        "changed": np.concatenate([nan, 0.3 / np.arange(1, 11) ** 2]),
        "seconds": np.arange(20.0),
    }


def outcomes(days, stations=STATIONS):
    return tuple(
        DayOutcome(station, FIRST_DAY + dt.timedelta(days=i), "ok", 3, "")
        for station in stations
        for i in range(days)
    )


def report_data(*, clusters=3, events=60, days=20, seed=0, typical=1, size=32, samples=400, **changes):
    """Make a report of evenly drawn events; ``changes`` replace whole fields."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, max(1, clusters), events).astype(np.int32)
    views = tuple(
        ClusterView(
            cluster=number,
            events=int((cluster == number).sum()),
            majority_class="rockfall" if number % 2 == 0 else None,
            purity=0.75 if number % 2 == 0 else None,
            labelled=8 if number % 2 == 0 else 0,
            mean_spectrogram=spectrogram(rng, size=size),
            typical=tuple(typical_event(rng, rank=rank, size=size, samples=samples) for rank in range(typical)),
        )
        for number in range(clusters)
    )
    values = {
        "title": "Slope network",
        "facts": (("Archive", "/data/sds"),),
        "sampling_rate": 100.0,
        "window_s": 20.0,
        "before_onset_s": 5.0,
        "cluster": cluster,
        "onset_ns": day_start_ns(FIRST_DAY) + rng.integers(0, days * DAY_NS, events),
        "confidence": rng.random(events).astype(np.float32),
        "snr": rng.uniform(5, 90, events).astype(np.float32),
        "station_index": rng.integers(0, len(STATIONS), events).astype(np.int32),
        "stations": STATIONS,
        "clusters": views,
        "latent_map": rng.normal(size=(events, 2)).astype(np.float32),
        "latent_cluster": cluster,
        "training": training_log(),
        "outcomes": outcomes(days),
        "scores": (ScoreRow("DEC", 0.83, 0.71, 0.66, 0.79), ScoreRow("k-means on PCA", 0.61, 0.43, 0.88, 0.52)),
        "detection": (DetectionRow("all", 70, 60, 60 / 70, 0.9), DetectionRow("rockfall", 30, 29, 29 / 30, None)),
        "confusion": (("rockfall", "vehicle"), rng.integers(0, 20, (2, clusters))),
    }
    return ReportData(**(values | changes))


def without_events(**changes):
    none = np.empty(0, dtype=np.int32)
    values = {
        "latent_map": np.empty((0, 2)),
        "latent_cluster": none,
        "training": {},
        "scores": (),
        "detection": (),
    }
    return report_data(events=0, clusters=0, **(values | {"confusion": None} | changes))


@dataclass(eq=False)
class Element:
    tag: str
    attributes: dict = field(repr=False)  # short, lest a failing test writes out the whole page
    parent: "Element | None" = field(default=None, repr=False)
    children: list = field(default_factory=list, repr=False)
    pieces: list = field(default_factory=list, repr=False)

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag=None, **attributes):
        names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.walk()
            if (tag is None or element.tag == tag)
            and all(element.attributes.get(name) == value for name, value in names.items())
        ]

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self):
        return " ".join("".join(self._texts()).split())

    def _texts(self):
        for piece in self.pieces:
            if isinstance(piece, str):
                yield piece
            else:
                yield " "
                yield from piece._texts()


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self.open = self.root

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice: {attrs}"
        element = Element(tag, dict(attrs), self.open)
        self.open.children.append(element)
        self.open.pieces.append(element)
        if tag not in VOID:
            self.open = element

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open = self.open.parent

    def handle_endtag(self, tag):
        assert self.open.tag == tag, f"</{tag}> closes <{self.open.tag}> at {self.getpos()}"
        self.open = self.open.parent

    def handle_data(self, data):
        self.open.pieces.append(data)


def parse(html):
    """Read HTML as elements; fail where it is not well nested."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open is reader.root, f"<{reader.open.tag}> is never closed"
    return reader.root


@pytest.fixture(scope="session")
def build():
    return report_data


@pytest.fixture(scope="session")
def build_empty():
    return without_events


@pytest.fixture(scope="session")
def build_event():
    return typical_event


@pytest.fixture(scope="session")
def build_outcomes():
    return outcomes


@pytest.fixture(scope="session")
def read():
    return parse
