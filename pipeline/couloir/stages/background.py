"""Make spectrograms of background noise as each sensor records it, from what precedes its events."""

import numpy as np
from numpy.typing import NDArray

from couloir.config import RunConfig
from couloir.dec.seeds import make_generator
from couloir.kernels.gaps import fill_gaps
from couloir.kernels.spectrogram import magnitudes, normalise
from couloir.stages.settings import Picturing
from couloir.store.spectrograms import SpectrogramArchive

EVENTS = 600
"""Events, at most, whose noise is taken."""
_SHARE = 0.9
"""Of the time before an onset; the rest may hold the first of the event."""
_QUIETEST = 0.5
"""Of a sensor's events those with the quietest noise are taken: what rises slowly is loud before its onset."""
_FEWEST = 4
"""Events of a sensor that are taken, at least, if it has them: noise is not to repeat itself."""
_FRAMES = 4
"""Frames that fit before an onset, at least; with fewer there is no background."""


def make_background(
    archive: SpectrogramArchive, config: RunConfig, *, count: int, among: NDArray[np.int64] | None = None
) -> NDArray[np.float16] | None:
    """Make spectrograms of noise by setting the frames before several events of one sensor side by side.

    A window begins `detect.before_onset_s` before its onset: what is before is noise of that sensor. The
    magnitudes of each event's noise are divided by their geometric mean, since noise has no level after
    standardisation, and laid one after the other in random order until a window is full.

    Parameters
    ----------
    archive : SpectrogramArchive
    config : RunConfig
    count : int
        Spectrograms to make.
    among : ndarray of int64, optional
        Events whose noise may be taken, by their places in the archive; all of them when not given. What is
        calibrated on other events is to know nothing of these.

    Returns
    -------
    ndarray of float16, shape (count, frequencies, times, 3), or None
        None where there are no events with all components, or too little before onsets.
    """
    picturing = Picturing(config.detect, config.spectrogram)
    starts = picturing.shape.frame_starts(config.detect.window_samples)
    before = _SHARE * config.detect.before_onset_s * config.detect.sampling_rate
    frames = int(np.count_nonzero(starts + picturing.shape.segment <= before))
    if frames < _FRAMES:
        return None
    generator = make_generator(config.train.seed, "background")
    chosen = np.flatnonzero((archive.column("window") == 0) & (archive.column("coverage") == 1))
    if among is not None:
        chosen = np.intersect1d(chosen, among)
    if len(chosen) > EVENTS:
        chosen = np.sort(generator.choice(chosen, EVENTS, replace=False))
    if not len(chosen):
        return None
    waveforms = archive.waveforms(chosen)
    whole = ~np.isnan(waveforms).any(axis=(1, 2))
    chosen, waveforms = chosen[whole], waveforms[whole]
    if not len(chosen):
        return None
    noise = np.concatenate(
        [
            magnitudes(fill_gaps(part), picturing.shape)[:, :, :frames]
            for part in np.array_split(waveforms, len(waveforms) // 32 + 1)
        ]
    )
    numbers = archive.block_numbers()[chosen]
    sensors = np.array([str(archive.blocks[number].band) for number in numbers])
    noise, sensors = _quietest(noise, sensors, archive.column("median")[chosen])
    pictures = np.stack(
        [
            _compose(noise[sensors == sensors[i]], config.spectrogram.times, generator)
            for i in generator.integers(len(noise), size=count)
        ]
    )
    return normalise(pictures, np.ones(3, bool), config.spectrogram.transform).astype(np.float16)


def _quietest(
    noise: NDArray[np.float32], sensors: NDArray[np.str_], median: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Keep of each sensor the events whose noise is least against the envelope's median; scale each to 1."""
    level = np.exp(np.log(np.maximum(noise, 1e-12)).mean(axis=(1, 2, 3)))
    loudness = level / np.maximum(median, 1e-12)
    kept = np.zeros(len(noise), bool)
    for sensor in np.unique(sensors):
        mine = np.flatnonzero(sensors == sensor)
        kept[mine[np.argsort(loudness[mine])[: max(_FEWEST, round(_QUIETEST * len(mine)))]]] = True
    return noise[kept] / level[kept, None, None, None], sensors[kept]


def _compose(noise: NDArray[np.float32], times: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Lay the noise (n, F, t, 3) of random events side by side until there are `times` frames."""
    pieces = -(-times // noise.shape[2])
    some = generator.choice(len(noise), pieces, replace=len(noise) < pieces)
    return np.concatenate(list(noise[some]), axis=1)[:, :times]
