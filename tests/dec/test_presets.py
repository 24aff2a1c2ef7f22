"""Each published system is a preset: its network, its settings, and that it trains."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from couloir.config import PRESETS, AugmentConfig, TrainConfig
from couloir.dec.networks import LATENT, RECONSTRUCTION, build_autoencoder, decoder_of, encoder_of
from couloir.dec.training import train
from couloir.errors import TrainingError
from couloir.runfile import build

DIGITS = {"mnist": (28, 28, 1), "usps": (16, 16, 1)}
RUN = {
    "archive": {"url": "nowhere", "start": "2024-01-01", "end": "2024-01-02"},
    "output": {"url": "nowhere"},
}


def settings_of(preset, **changes):
    return TrainConfig.model_validate({**PRESETS[preset].get("train", {}), **changes})


def dense(*sizes):
    return sum((before + 1) * after for before, after in itertools.pairwise(sizes))


def convolved(kernels, channels):
    steps = zip(kernels, channels, channels[1:], strict=False)
    return sum((kernel**2 * before + 1) * after for kernel, before, after in steps)


def test_luhu_is_the_defaults_with_the_published_number_of_parameters():
    assert settings_of("luhu") == TrainConfig()
    assert build_autoencoder((128, 128, 3), settings_of("luhu")).count_params() == 449_035


@pytest.mark.parametrize("preset", ["dec", "idec"])
@pytest.mark.parametrize("shape", DIGITS.values(), ids=DIGITS)
def test_dec_and_idec_are_500_500_2000_10_and_back(preset, shape):
    model = build_autoencoder(shape, settings_of(preset))
    pixels = int(np.prod(shape))
    assert encoder_of(model).count_params() == dense(pixels, 500, 500, 2000, 10)
    assert decoder_of(model).count_params() == dense(10, 2000, 500, 500, pixels)
    assert model.output.shape == (None, *shape)


@pytest.mark.parametrize("preset", ["dcec", "conv-da"])
@pytest.mark.parametrize(("shape", "side"), [((28, 28, 1), 3), ((16, 16, 1), 2)], ids=DIGITS)
def test_dcec_and_conv_da_convolve_by_5_5_3_to_three_or_two_pixels_and_back(preset, shape, side):
    model = build_autoencoder(shape, settings_of(preset))
    flat = side * side * 128
    encoder = convolved((5, 5, 3), (1, 32, 64, 128)) + dense(flat, 10)
    decoder = dense(10, flat) + convolved((3, 5, 5), (128, 64, 32, 1))
    assert encoder_of(model).count_params() == encoder
    assert decoder_of(model).count_params() == decoder
    assert model.output.shape == (None, *shape)


def test_mousavi2019_pools_16_x_48_to_a_bottleneck_of_12():
    model = build_autoencoder((16, 48, 3), settings_of("mousavi2019"))
    assert encoder_of(model).count_params() == convolved((3, 3, 3), (3, 4, 2, 1))
    assert decoder_of(model).count_params() == convolved((3, 3, 3, 3), (1, 1, 2, 4, 3))
    assert model.get_layer(LATENT).output.shape == (None, 12)
    assert model.output.shape == (None, 16, 48, 3)
    activations = {layer.name: layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")}
    linear = {name for name, activation in activations.items() if activation == "linear"}
    assert set(activations.values()) == {"tanh", "linear"}
    assert linear == {"encoder_3", RECONSTRUCTION}


def test_the_pooled_network_says_which_latent_length_fits():
    with pytest.raises(TrainingError, match=r"train\.latent is 12.*leaves 2 x 4 x 1 values.*to 8"):
        build_autoencoder((16, 32, 3), settings_of("mousavi2019"))
    with pytest.raises(TrainingError, match="multiples of 8"):
        build_autoencoder((16, 44, 3), settings_of("mousavi2019"))


@pytest.mark.parametrize("shape", [(28, 30, 1), (28, 14, 1), (2, 2, 1)])
def test_sizes_that_are_odd_on_one_axis_only_or_too_small_are_refused(shape):
    with pytest.raises(TrainingError, match="multiples of 8"):
        build_autoencoder(shape, settings_of("dcec"))


def test_fan_in_weights_lie_within_one_over_the_root_of_the_inputs():
    model = build_autoencoder((16, 16, 1), settings_of("dec"))
    first, *_ = model.get_layer("encoder_2").get_weights()
    limit = (1 / 500) ** 0.5
    assert 0.99 * limit < np.abs(first).max() <= limit
    assert np.std(first) == pytest.approx(limit / 3**0.5, rel=0.01)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_a_run_file_that_fits_its_own_network(preset):
    config = build({**RUN, "preset": preset})
    shape = (config.spectrogram.frequencies, config.spectrogram.times, 3)
    if config.train.network != "dense":  # of 25 million weights, and any shape fits
        assert build_autoencoder(shape, config.train).output.shape == (None, *shape)


@pytest.mark.parametrize("preset", ["dec", "idec", "dcec", "mousavi2019", "conv-da"])
def test_every_preset_trains_and_finds_two_plain_kinds(preset, tmp_path):
    shape = (16, 48, 3) if preset == "mousavi2019" else (16, 16, 1)
    generator = np.random.default_rng(1)
    kinds = np.arange(60) % 2
    samples = generator.normal(scale=0.2, size=(60, *shape)).astype(np.float32)
    samples[kinds == 0, :5] += 1.5
    samples[kinds == 1, 9:] += 1.5
    short = {
        "clusters": 2,
        "batch": 20,
        "epochs": 12,
        "max_iterations": 6,
        "update_interval": 3,
        "kmeans_starts": 3,
    }
    small = {"units": [30, 30, 60]} if preset in ("dec", "idec") else {}
    trained = train(samples, settings_of(preset, **short, **small), folder=tmp_path)
    agreement = np.mean(trained.labels == kinds)
    assert max(agreement, 1 - agreement) == 1


def test_kernels_must_be_as_many_as_filters():
    with pytest.raises(ValidationError, match=r"kernel \[5, 3\] must be one size, or one for each of the 3"):
        settings_of("dcec", kernel=[5, 3])


def test_a_run_file_with_a_pooled_network_names_the_latent_length():
    with pytest.raises(Exception, match=r"train\.latent \(12\) must be 256"):
        build(
            {**RUN, "preset": "mousavi2019", "spectrogram": {"frequencies": 128, "times": 128, "segment_s": 0.75}}
        )


def test_augmentation_is_a_section_of_the_run_file():
    config = build({**RUN, "train": {"augment": {"time_shift": 0.2}}})
    assert config.train.augment == AugmentConfig(time_shift=0.2)
    with pytest.raises(Exception, match=r"train\.augment\.time_shft: unknown key, did you mean 'time_shift'"):
        build({**RUN, "train": {"augment": {"time_shft": 0.2}}})
