import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import signal, stats

from couloir.kernels.bandpass import design_bandpass
from couloir.kernels.detection import DetectionRule, EnvelopeTrace, detect
from couloir.kernels.grid import Grid, Piece, assemble
from couloir.kernels.noise import NoiseCurve, NoiseLevel
from couloir.kernels.trigger import TriggerRule, true_runs

RATE = 20.0
BAND = (1.0, 8.0)
EDGE = 40
N = 24_000
OWN = slice(700, N - 700)
BURST = 100


def rule(envelope="vector", on=12.0, off=5.0, edge=EDGE, bands=(BAND,), noise_window=None):
    return DetectionRule(
        bandpasses=tuple(design_bandpass(band, RATE) for band in bands),
        envelope=envelope,
        on_factor=on,
        off_factor=off,
        edge=edge,
        trigger=TriggerRule(quiet=40, merge=100, least=10),
        noise_window=noise_window,
    )


def noise(seed, n=N, level=100.0):
    return np.random.default_rng(seed).normal(0, level, n)


def burst(onset, n=N, amplitude=8_000.0, length=BURST):
    wave = np.zeros(n)
    wave[onset : onset + length] = amplitude * np.sin(2 * np.pi * 3 * np.arange(length) / RATE)
    return wave


def whole(samples):
    return Grid(samples, np.array([[0, len(samples)]]))


def gappy(samples, gaps, offsets):
    """Cut stretches out of a recording, and put each segment that is left on a level of its own."""
    held = np.ones(len(samples), bool)
    for first, length in gaps:
        held[first : first + length] = False
    parts = [
        Piece(int(first), np.rint(samples[first:last] + offsets[number % len(offsets)]).astype(np.int32))
        for number, (first, last) in enumerate(true_runs(held))
    ]
    return assemble(parts, len(samples)), held


gap_lists = st.lists(st.tuples(st.integers(0, N - 1), st.integers(3, 3_000)), max_size=12)
offset_lists = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=5)


@settings(max_examples=40)
@given(st.integers(0, 10**6), gap_lists, offset_lists, st.sampled_from(["vector", "vertical", "any"]))
def test_gaps_and_steps_between_segments_cause_no_detection(seed, gaps, offsets, envelope):
    grid, held = gappy(noise(seed), gaps, offsets)
    assume(held[OWN].sum() > 3_000)
    assert detect({"Z": grid}, OWN, rule(envelope)).triggers == ()


@settings(max_examples=40)
@given(st.integers(0, 10**6), gap_lists, offset_lists)
def test_triggers_of_a_gappy_record_are_among_those_of_the_whole_one(seed, gaps, offsets):
    onsets = np.arange(2_000, N - 2_000, 2_500)
    samples = noise(seed) + sum(burst(onset) for onset in onsets)
    full = detect({"Z": whole(samples)}, OWN, rule()).triggers
    assert len(full) == len(onsets)
    grid, held = gappy(samples, gaps, offsets)
    assume(held[OWN].sum() > 8_000)
    detection = detect({"Z": grid}, OWN, rule())
    settled = signal.convolve(~held, np.ones(2 * EDGE + 1), "same") < 0.5
    for trigger in detection.triggers:
        assert any(trigger.onset < other.end and other.onset < trigger.end for other in full)
    for other in full:  # a burst with all its surroundings is found as before
        if settled[other.onset - 150 : other.end + 150].all():
            near = [found for found in detection.triggers if found.onset < other.end and other.onset < found.end]
            assert len(near) == 1
            assert abs(near[0].onset - other.onset) <= 10
            assert abs(near[0].end - other.end) <= 40


@settings(max_examples=20)
@given(st.integers(0, 10**6), gap_lists)
def test_samples_near_gaps_neither_count_nor_trigger(seed, gaps):
    grid, _ = gappy(noise(seed), gaps, [0])
    trace = detect({"Z": grid}, OWN, rule()).envelopes[0]
    valid = np.zeros(N, bool)
    for first, last in grid.runs:
        valid[first + EDGE : max(last - EDGE, first + EDGE)] = True
    assert np.array_equal(trace.runs, true_runs(valid))
    assert trace.valid == valid[OWN].sum()
    assert (trace.squared[~valid] == 0).all()


def plain_envelope(samples):
    """Take the envelope by SciPy, with ends so long that its periodic Hilbert transform does not reach inside."""
    sections = signal.butter(4, BAND, "bandpass", fs=RATE, output="sos")
    padded = np.pad(signal.detrend(np.asarray(samples, float)), 8_000, mode="reflect", reflect_type="odd")
    return np.abs(signal.hilbert(signal.sosfiltfilt(sections, padded)))[8_000:-8_000]


@pytest.mark.parametrize("names", ["Z", "NZ", "ENZ"])
def test_vector_envelope_noise_and_triggers_agree_with_scipy(names):
    quake = burst(9_000, amplitude=3_000, length=400)
    parts = {
        name: noise(seed, level=60.0 + 50 * seed) + quake * (1 + seed) for seed, name in enumerate(names, start=1)
    }
    detection = detect({name: whole(samples) for name, samples in parts.items()}, OWN, rule())
    envelope = np.sqrt(sum(plain_envelope(samples) ** 2 for samples in parts.values()))
    level = detection.envelopes[0].noise
    median, mad = np.median(envelope[OWN]), stats.median_abs_deviation(envelope[OWN])
    assert level.median == pytest.approx(median, rel=1e-5)
    assert level.mad == pytest.approx(mad, rel=1e-4)
    over = np.flatnonzero(envelope > median + 12 * mad)
    assert [trigger.onset for trigger in detection.triggers] == pytest.approx([over[0]], abs=1)
    ended = np.flatnonzero(envelope[:9_450] > median + 5 * mad)[-1] + 1
    assert [trigger.end for trigger in detection.triggers] == pytest.approx([ended], abs=1)
    position, amplitude = detection.loudest(8_500, 10_000)[0].peak(8_500, 10_000)
    assert amplitude == pytest.approx(envelope[8_500:10_000].max(), rel=1e-4)
    assert envelope[position] == pytest.approx(amplitude, rel=1e-4)


def test_vertical_takes_no_notice_of_the_horizontals():
    parts = {"E": whole(noise(1) + burst(5_000)), "N": whole(noise(2)), "Z": whole(noise(3) + burst(9_000))}
    found = detect(parts, OWN, rule("vertical"))
    assert [round(trigger.onset, -2) for trigger in found.triggers] == [9_000]
    assert found.triggers == detect({"Z": parts["Z"]}, OWN, rule()).triggers
    del parts["Z"]
    assert detect(parts, OWN, rule("vertical")).envelopes == ()


def test_any_triggers_on_each_component_by_its_own_noise():
    parts = {
        "E": whole(noise(1, level=1_000.0)),
        "N": whole(noise(2, level=1.0) + burst(5_000, amplitude=60)),
        "Z": whole(noise(3) + burst(9_000, amplitude=3_000)),
    }
    found = detect(parts, OWN, rule("any"))
    assert [round(trigger.onset, -2) for trigger in found.triggers] == [5_000, 9_000]
    assert [round(trigger.onset, -2) for trigger in detect(parts, OWN, rule("vector")).triggers] == []
    assert found.loudest(5_000, 5_100)[1] == found.envelopes[1].noise
    assert found.loudest(9_000, 9_100)[1] == found.envelopes[2].noise


def test_any_goes_on_where_one_component_has_a_gap():
    quake = burst(9_000, length=400)
    torn, _ = gappy(noise(1) + quake, [(9_150, 50)], [0])
    found = detect({"N": torn, "Z": whole(noise(2) + quake)}, OWN, rule("any"))
    assert len(found.triggers) == 1
    assert found.triggers[0].end - found.triggers[0].onset >= 390
    assert len(detect({"N": torn}, OWN, rule("any")).triggers) == 2


def test_vector_counts_a_sample_only_where_every_component_has_it():
    one, _ = gappy(noise(1), [(3_000, 500)], [0])
    other, _ = gappy(noise(2), [(3_300, 900)], [0])
    trace = detect({"N": one, "Z": other}, slice(0, N), rule()).envelopes[0]
    assert trace.runs.tolist() == [[EDGE, 3_000 - EDGE], [4_200 + EDGE, N - EDGE]]


DEAD = {
    "zeros": np.zeros(N),
    "constant": np.full(N, 5_000),
    "ramp": np.arange(N) * 3 - 70_000,
    "spike": np.where(np.arange(N) == 12_000, 100_000, 4),
    "step": np.where(np.arange(N) < 9_000, 0, 100_000),
    "drift": 1e6 * np.sin(2 * np.pi * np.arange(N) / N),
}


@pytest.mark.parametrize("envelope", ["vector", "vertical", "any"])
@pytest.mark.parametrize("name", DEAD)
def test_a_dead_channel_is_flat_and_has_no_triggers(envelope, name):
    found = detect({"Z": whole(DEAD[name])}, OWN, rule(envelope))
    assert found.flat
    assert found.triggers == ()
    with pytest.raises(ValueError, match="flat"):
        found.loudest(11_000, 13_000)


def test_a_dead_component_among_live_ones_does_not_silence_them():
    parts = {"N": whole(np.zeros(N)), "Z": whole(noise(3) + burst(9_000))}
    for envelope in ("vector", "any"):
        found = detect(parts, OWN, rule(envelope))
        assert not found.flat
        assert len(found.triggers) == 1
        assert found.loudest(9_000, 9_100)[1].mad > 0


def test_values_beyond_all_measure_are_flat_and_not_a_flood_of_triggers():
    samples = noise(1)
    samples[::2] *= 1e30
    with np.errstate(all="ignore"):
        found = detect({"Z": whole(samples)}, OWN, rule())
    assert found.flat
    assert found.triggers == ()


def test_nothing_recorded_gives_no_noise_and_no_triggers():
    found = detect({"Z": assemble([], N)}, OWN, rule())
    assert (found.valid, found.triggers, found.envelopes[0].noise) == (0, (), None)
    assert detect({}, OWN, rule()).triggers == ()


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(4_000, 12_000), st.integers(100, 8_000))
def test_triggers_and_noise_come_from_the_days_own_slice(seed, first, length):
    own = slice(first, first + length + 3_000)
    samples = noise(seed) + burst(own.start - 60) + burst(own.stop - 50) + burst(own.stop + 800)
    found = detect({"Z": whole(samples)}, own, rule())
    assert all(own.start <= trigger.onset < trigger.end <= own.stop for trigger in found.triggers)
    assert [round(trigger.onset - own.start, -1) for trigger in found.triggers[:1]] == [0]
    assert len(found.triggers) == 2
    louder = samples.copy()
    louder[own.stop + 900 :] *= 50  # what lies outside does not count for the noise
    assert detect({"Z": whole(louder)}, own, rule()).envelopes[0].noise.median == pytest.approx(
        found.envelopes[0].noise.median, rel=1e-4
    )


def test_positions_over_a_threshold_are_strictly_over_it():
    squared = np.array([0, 1, 4, 9, 16, 0], np.float32)
    noise = NoiseLevel(1.0, 1.0)
    trace = EnvelopeTrace("Z", BAND, squared, np.array([[1, 5]]), 4, noise, NoiseCurve.level(noise))
    assert trace.above(1.0, slice(0, 6)).tolist() == [3, 4]
    assert trace.above(1.0, slice(0, 4)).tolist() == [3]
    assert trace.keep_above(2.0, np.array([2, 3, 4])).tolist() == [4]
    assert trace.peak(-5, 99) == (4, 4.0)


def test_five_thousand_segments_give_what_each_gives_by_itself():
    segment, pause, count = 300, 46, 5_000
    n = count * (segment + pause)
    samples = noise(5, n) + burst(round(n / 2) // 346 * 346 + 100, n, length=80)
    runs = np.arange(count)[:, None] * (segment + pause) + [0, segment]
    found = detect({"Z": Grid(samples, runs)}, slice(0, n), rule())
    assert found.valid == count * (segment - 2 * EDGE)
    assert len(found.triggers) == 1
    first, last = runs[count // 2]
    alone = design_bandpass(BAND, RATE).squared_envelope(samples[first:last])
    inner = slice(first + EDGE, last - EDGE)
    assert np.array_equal(found.envelopes[0].squared[inner], alone[EDGE:-EDGE])


LOW, HIGH = (1.0, 2.5), (5.0, 8.0)


def tone(onset, frequency, amplitude):
    wave = np.zeros(N)
    wave[onset : onset + BURST] = (
        amplitude * np.hanning(BURST) * np.sin(2 * np.pi * frequency * np.arange(BURST) / RATE)
    )
    return wave


def test_each_of_several_bands_triggers_by_its_own_noise():
    ground = signal.sosfiltfilt(signal.butter(4, LOW, "bandpass", fs=RATE, output="sos"), noise(1, level=4_000.0))
    samples = noise(2, level=20.0) + ground + tone(5_000, 6.5, 1_500.0) + tone(15_000, 1.7, 60_000.0)
    grids = {"Z": whole(samples)}
    assert [round(t.onset, -2) for t in detect(grids, OWN, rule()).triggers] == [
        15_000
    ]  # the swell hides the other
    both = detect(grids, OWN, rule(bands=(LOW, HIGH)))
    assert [round(t.onset, -2) for t in both.triggers] == [5_000, 15_000]
    for trigger, band in zip(both.triggers, (HIGH, LOW), strict=True):
        envelope, level = both.loudest(trigger.onset, trigger.end)
        assert envelope.band == band
        assert level == envelope.noise
    for envelope, band in zip(both.envelopes, (LOW, HIGH), strict=True):
        alone = detect(grids, OWN, rule(bands=(band,))).envelopes[0]
        assert np.array_equal(envelope.squared, alone.squared)
        assert both.like(alone) is envelope
    assert detect(grids, OWN, rule()).envelopes[0].band == BAND


@settings(max_examples=20)
@given(st.floats(-12, 3), st.integers(0, 10**6))
def test_a_common_gain_scales_amplitudes_and_leaves_the_triggers(exponent, seed):
    grids = {name: whole(noise(seed + k) + burst(9_000)) for k, name in enumerate("ENZ")}
    gain = 10.0**exponent
    plain, scaled = detect(grids, OWN, rule()), detect(grids, OWN, rule(), gains=dict.fromkeys("ENZ", gain))
    assert scaled.triggers == plain.triggers
    assert scaled.envelopes[0].noise.mad == pytest.approx(gain * plain.envelopes[0].noise.mad, rel=1e-5)
    first, last = plain.triggers[0].onset, plain.triggers[0].end
    peaks = [found.loudest(first, last)[0].peak(first, last) for found in (plain, scaled)]
    assert peaks[1][1] == pytest.approx(gain * peaks[0][1], rel=1e-5)


def test_gains_weigh_the_components_of_the_vector():
    grids = {"N": whole(noise(1)), "Z": whole(noise(2, level=5_000.0) + burst(9_000, amplitude=20_000))}
    weighed = detect(grids, OWN, rule(), gains={"N": 1.0, "Z": 0.01}).envelopes[0]
    expected = plain_envelope(grids["N"].samples) ** 2 + (0.01 * plain_envelope(grids["Z"].samples)) ** 2
    assert np.abs(np.sqrt(weighed.squared) - np.sqrt(expected))[OWN].max() < 1e-4 * np.sqrt(expected).max()


def test_a_running_window_finds_at_night_what_the_working_day_hides():
    level = np.where((np.arange(N) > 8_000) & (np.arange(N) < 20_000), 1_500.0, 100.0)
    samples = np.random.default_rng(3).normal(0, 1, N) * level + burst(4_000, amplitude=4_000)
    grids = {"Z": whole(samples)}
    assert detect(grids, OWN, rule()).triggers == ()
    found = detect(grids, OWN, rule(noise_window=2_000))
    assert [round(trigger.onset, -2) for trigger in found.triggers] == [4_000]
    night = found.loudest(4_000, 4_100)[1]
    assert night.median == pytest.approx(np.median(plain_envelope(samples)[3_000:5_000]), rel=0.05)
    day = found.envelopes[0].curve.at(14_000)
    assert day.median == pytest.approx(15 * night.median, rel=0.1)


def test_a_window_as_long_as_the_day_gives_nearly_the_noise_of_the_day():
    grids = {"Z": whole(noise(5) + burst(9_000))}
    running, plain = detect(grids, OWN, rule(noise_window=N)), detect(grids, OWN, rule())
    assert running.envelopes[0].curve.at(N // 2).median == pytest.approx(plain.envelopes[0].noise.median, rel=0.01)
    (one,), (other,) = running.triggers, plain.triggers
    assert abs(one.onset - other.onset) <= 2
    assert abs(one.end - other.end) <= 5


@settings(max_examples=20)
@given(st.integers(0, 10**6), gap_lists, st.sampled_from([700, 2_500, 9_000]))
def test_with_a_running_window_gaps_and_steps_cause_no_detection(seed, gaps, window):
    grid, held = gappy(noise(seed), gaps, [0, 10**5])
    assume(held[OWN].sum() > 6_000)
    assert detect({"Z": grid}, OWN, rule(on=16.0, noise_window=window)).triggers == ()


@settings(max_examples=40)
@given(
    rate=st.sampled_from([20.0, 40.0, 50.0, 100.0, 200.0, 250.0]),
    seconds=st.integers(300, 1_500),
    gaps=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 4_000)), max_size=8),
    blocks=st.tuples(st.sampled_from([3_000, 1 << 12, 1 << 13]), st.sampled_from([1 << 14, 20_000, 1 << 15])),
    exponent=st.integers(-3, 6),
    seed=st.integers(0, 10**6),
)
def test_triggers_do_not_depend_on_how_the_day_is_cut_into_blocks(rate, seconds, gaps, blocks, exponent, seed):
    n = round(seconds * rate)
    samples = 10.0**exponent * (noise(seed, n) + burst(n // 3, n) + burst(2 * n // 3, n, amplitude=3_000.0))
    grid, _ = gappy_floats(samples, [(round(where * (n - 1)), length) for where, length in gaps])
    found = []
    for block in blocks:
        bandpass = design_bandpass((1.0, 0.4 * rate), rate, block=block)
        trigger = TriggerRule(quiet=round(2 * rate), merge=round(5 * rate), least=round(0.2 * rate))
        cut = DetectionRule((bandpass,), "vector", 12.0, 5.0, round(2 * rate), trigger)
        found.append(detect({"Z": grid}, slice(0, n), cut))
    one, other = found
    assert one.triggers == other.triggers
    if one.envelopes[0].noise:
        largest = float(np.sqrt(one.envelopes[0].squared.max()))
        assert (
            np.abs(np.sqrt(one.envelopes[0].squared) - np.sqrt(other.envelopes[0].squared)).max() <= 1e-5 * largest
        )
        assert one.envelopes[0].noise.mad == pytest.approx(
            other.envelopes[0].noise.mad, rel=1e-5, abs=1e-6 * largest
        )


def gappy_floats(samples, gaps):
    held = np.ones(len(samples), bool)
    for first, length in gaps:
        held[first : first + length] = False
    parts = [Piece(int(first), samples[first:last]) for first, last in true_runs(held)]
    return assemble(parts, len(samples)), held
