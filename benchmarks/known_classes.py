"""Make spectrograms of events of up to eight known classes, from the generators of the synthetic archive.

Each class is one kind of source and no mixture: of the machines one engine, and hammering apart from it, since an
archive's "machinery" is several groups by itself.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from couloir.config import DetectConfig, SpectrogramConfig
from couloir.stages.settings import Picturing
from couloir.synth.earthquake import Earthquake
from couloir.synth.geometry import Site, Station, make_site
from couloir.synth.glitch import Spike
from couloir.synth.machinery import Machinery
from couloir.synth.noise import make_noise
from couloir.synth.rockfall import Rockfall
from couloir.synth.spec import SynthSpec
from couloir.synth.streams import stream
from couloir.synth.vehicle import Vehicle
from couloir.synth.wave import Source

Draw = Callable[[np.random.Generator, Site], Source]
WINDOW_S, BEFORE_S = 20.0, 5.0
LEAST_SNR = 25.0
DAY = dt.date(2024, 3, 4)


def _rockfall(rng: np.random.Generator, site: Site) -> Source:
    while True:
        fall = Rockfall.draw(rng, site)
        if 4 <= np.ptp(fall.times_s) <= 12 and len(fall.times_s) >= 6:
            return fall


def _engine(tone_hz: float) -> Draw:
    def draw(rng: np.random.Generator, site: Site) -> Source:
        tone = float(tone_hz * np.exp(rng.normal(0, 0.03)))
        return replace(Machinery.draw(rng, site), engine_hz=tone, duration_s=40.0, hammer_hz=0.0, hammer=0.0)

    return draw


def _hammer(rng: np.random.Generator, site: Site) -> Source:
    rate, strength = float(rng.uniform(0.6, 0.8)), float(rng.uniform(8, 12))
    machine = Machinery.draw(rng, site)
    return replace(machine, engine_hz=11.0, duration_s=40.0, hammer_hz=rate, hammer=strength)


def _spike(rng: np.random.Generator, site: Site) -> Source:
    return replace(Spike.draw(rng, site), component=2)


CLASSES: dict[str, Draw] = {
    "rockfall": _rockfall,
    "earthquake": Earthquake.draw_local,
    "vehicle": Vehicle.draw,
    "spike": _spike,
    "distant": Earthquake.draw_distant,
    "engine": _engine(16.5),
    "hammer": _hammer,
    "pump": _engine(5.5),
}
"""In the order in which archives of fewer classes take them."""


@cache
def _noise(seed: int, number: int, rate: float) -> NDArray[np.float32]:
    station = make_site(seed, 0).stations[number]
    return make_noise(SynthSpec(start=DAY, days=1, seed=seed, sampling_rate=rate), station, DAY)


def known_archive(
    classes: int, per_class: int, *, seed: int = 1, size: int = 32
) -> tuple[NDArray[np.float16], NDArray[np.str_]]:
    """Make as many events of each of the first few classes; see `archive_of`."""
    return archive_of(dict.fromkeys(list(CLASSES)[:classes], per_class), seed=seed, size=size)


def archive_of(
    counts: Mapping[str, int],
    *,
    seed: int = 1,
    size: int = 32,
    least_snr: float = LEAST_SNR,
    detect: DetectConfig | None = None,
    spectrogram: SpectrogramConfig | None = None,
) -> tuple[NDArray[np.float16], NDArray[np.str_]]:
    """Make spectrograms (N, size, size, 3) float16 of so many events of each class, and each one's class (N,).

    With ``detect`` and ``spectrogram`` they are made as a run file with these sections asks for.

    An event's window begins 5 s before its signal first stands out of the noise, as after detection; events that
    hardly stand out, by less than ``least_snr`` times the noise's median amplitude, are drawn again.
    """
    detect = detect or DetectConfig()
    rate = detect.sampling_rate
    site = make_site(seed, 0)
    windows, names = [], []
    for name, count in counts.items():
        rng = stream(seed, f"known {name}")
        for _ in range(count):
            windows.append(_window(CLASSES[name], rng, site, seed=seed, rate=rate, least_snr=least_snr))
            names.append(name)
    spectrogram = spectrogram or SpectrogramConfig(frequencies=size, times=size, segment_s=2 * (size - 1) / rate)
    pictures = Picturing(detect, spectrogram)(np.stack(windows))
    order = stream(seed, "known order").permutation(len(names))
    return pictures[order], np.array(names)[order]


def _window(
    draw: Draw, rng: np.random.Generator, site: Site, *, seed: int, rate: float, least_snr: float
) -> NDArray[np.float32]:
    length, before = round(WINDOW_S * rate), round(BEFORE_S * rate)
    while True:
        number = int(rng.integers(len(site.stations)))
        station: Station = site.stations[number]
        wave = draw(rng, site).record(station, rng=rng, sampling_rate=rate).samples
        noise = _noise(seed, number, rate)
        first = int(rng.integers(noise.shape[1] - length))
        window = noise[:, first : first + length].copy()
        level = float(np.median(np.abs(window)))
        loud = np.flatnonzero(np.abs(wave).max(axis=0) > 3 * level)
        if not len(loud) or np.abs(wave).max() < least_snr * level:
            continue
        start = before - int(loud[0])
        low, high = max(start, 0), min(start + wave.shape[1], length)
        window[:, low:high] += wave[:, low - start : high - start]
        return window.astype(np.float32)
