import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from couloir.config import (
    PRESETS,
    ArchiveConfig,
    DetectConfig,
    OutputConfig,
    RunConfig,
    SpectrogramConfig,
    TrainConfig,
    content_hash,
)
from couloir.identifiers import Pattern
from couloir.runfile import build

ARCHIVE = {"url": "sds", "start": "2020-01-30", "end": "2020-02-02"}
OTHER = {
    "sampling_rate": 50.0,
    "band": (1.0, 20.0),
    "filter_order": 3,
    "envelope": "any",
    "on_factor": 11.0,
    "off_factor": 4.0,
    "noise_window_s": 3600.0,
    "quiet_s": 3.0,
    "merge_s": 4.0,
    "least_duration_s": 1.0,
    "edge_s": 3.0,
    "window_s": 30.0,
    "before_onset_s": 6.0,
    "min_valid_s": 500.0,
    "min_window_coverage": 0.5,
    "max_windows": 100,
    "frequencies": 64,
    "times": 64,
    "segment_s": 1.0,
    "transform": "log",
    "missing_component": "repeat",
}


def run(**sections):
    return RunConfig.model_validate({"archive": ARCHIVE, "output": {"url": "out"}, **sections})


def test_defaults_are_the_published_numbers():
    detect, spectrogram, train = DetectConfig(), SpectrogramConfig(), TrainConfig()
    assert (detect.sampling_rate, detect.band, detect.on_factor) == (100.0, (1.0, 45.0), 12.0)
    assert (detect.window_s, detect.before_onset_s, detect.window_samples) == (20.0, 5.0, 2_000)
    assert (spectrogram.frequencies, spectrogram.times, spectrogram.transform) == (128, 128, "boxcox")
    assert (train.filters, train.kernel, train.latent, train.noise) == ((12, 24, 36, 48), 3, 64, 0.6)
    assert (train.batch, train.epochs, train.kl_weight, train.reconstruction_weight) == (256, 200, 0.1, 1.0)
    assert (train.alpha, train.update_interval, train.tolerance, train.max_iterations) == (1.0, 150, 0.001, 30_000)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset):
    config = build({"archive": ARCHIVE, "output": {"url": "out"}, "preset": preset})
    assert config.preset == preset


def test_end_is_exclusive():
    config = ArchiveConfig.model_validate(ARCHIVE)
    assert config.days == (dt.date(2020, 1, 30), dt.date(2020, 1, 31), dt.date(2020, 2, 1))
    with pytest.raises(ValidationError, match="exclusive"):
        ArchiveConfig.model_validate(ARCHIVE | {"end": ARCHIVE["start"]})


@pytest.mark.parametrize("select", ["GG.*.10.EH?, XX.*.*.*", "GG.*.10.EH? XX.*.*.*", ["GG.*.10.EH?", "XX.*.*.*"]])
def test_a_selection_is_a_list_or_one_text(select):
    config = ArchiveConfig.model_validate(ARCHIVE | {"select": select})
    assert config.patterns == (Pattern("GG", "*", "10", "EH?"), Pattern("XX", "*", "*", "*"))


def test_a_wrong_pattern_is_refused():
    with pytest.raises(ValidationError, match=r"NET\.STA\.LOC\.CHA"):
        ArchiveConfig.model_validate(ARCHIVE | {"select": "GG.LH01"})


def test_settings_never_change_once_made():
    with pytest.raises(ValidationError, match="frozen"):
        DetectConfig().on_factor = 3


@pytest.mark.parametrize(
    "options",
    [
        {"key": "AKIA"},
        {"secret": "x"},
        {"TOKEN": "x"},
        {"password": "x"},
        {"username": "me"},
        {"aws_secret_access_key": "x"},
        {"client_kwargs": {"aws_access_key_id": "AKIA"}},
        {"client_kwargs": {"aws_session_token": "x"}},
        {"target_options": [{"account_key": "x"}]},
        {"connection_string": "x"},
    ],
)
@pytest.mark.parametrize("section", [ArchiveConfig, OutputConfig])
def test_credentials_are_refused_however_deep(section, options):
    with pytest.raises(ValidationError, match="is a credential"):
        section.model_validate(ARCHIVE | {"storage_options": options})


def test_a_password_in_an_options_url_is_refused():
    with pytest.raises(ValidationError, match="holds a password"):
        OutputConfig(url="s3://b/x", storage_options={"endpoint_url": "https://me:secret@host:9000"})


@pytest.mark.parametrize(
    "query", ["X-Amz-Credential=a&X-Amz-Signature=b", "sv=2020&sig=b", "X-Goog-Signature=b", "AWSAccessKeyId=a"]
)
def test_a_signed_url_is_refused(query):
    with pytest.raises(ValidationError, match="is signed"):
        OutputConfig(url=f"https://host/a?{query}")


def test_harmless_options_pass():
    options = {
        "anon": True,
        "profile": "field",
        "client_kwargs": {"region_name": "x", "endpoint_url": "http://h:9"},
    }
    assert OutputConfig(url="s3://bucket/a", storage_options=options).storage_options == options


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA:secret@bucket/a",
        "s3://AKIA:12/ret@bucket/a",
        "s3://AKIA:sec/ret@bucket/a",
        "https://me:1234@host/a",
        "FTP://me:x@host:21/a",
    ],
)
def test_a_password_in_a_url_is_refused(url):
    with pytest.raises(ValidationError, match="holds a password"):
        OutputConfig(url=url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/a:b",
        "https://host:8080/a@b",
        "ftp://me@host/a",
        "/data/a:b@c",
        "memory://x",
        "https://h/a?sigma=1",
    ],
)
def test_urls_without_a_password_pass(url):
    assert OutputConfig(url=url).url == url


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"band": [45, 1]}, "must rise"),
        ({"band": [[1, 5], [45, 5]]}, "must rise"),
        ({"band": [1, 5, 45]}, "no band: give two corners"),
        ({"band": []}, "no band: give two corners"),
        ({"band": "1-45"}, "no band: give two corners"),
        ({"band": [[1, 5], [1, 5]]}, "holds a band twice"),
        ({"band": [1, 50]}, "half the sampling rate"),
        ({"sampling_rate": 50}, "25 Hz"),
        ({"off_factor": 13}, "must not exceed on_factor"),
        ({"before_onset_s": 20}, "less than window_s"),
        ({"on_factor": 0}, "greater than 0"),
        ({"on_factor": float("nan")}, "finite number"),
        ({"min_window_coverage": 1.5}, "less than or equal to 1"),
        ({"envelope": "horizontal"}, "'vector', 'vertical' or 'any'"),
    ],
)
def test_detection_settings_that_contradict_each_other_are_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        DetectConfig(**values)


def test_a_spectrogram_must_halve_as_often_as_the_encoder_does():
    with pytest.raises(ValidationError, match=r"spectrogram\.times \(100\) must be a multiple of 16"):
        run(spectrogram={"times": 100})
    assert run(spectrogram={"times": 100}, train={"filters": [8, 8]}).spectrogram.times == 100


@pytest.mark.parametrize(
    ("spectrogram", "detect"),
    [
        ({"segment_s": 2.56}, {}),  # 256 samples do not fit the 254 points of 128 frequencies
        ({"segment_s": 0.01}, {}),
        ({"frequencies": 1024, "segment_s": 3.0}, {"window_s": 2.0, "before_onset_s": 0.5}),
        ({}, {"sampling_rate": 250}),
    ],
)
def test_a_segment_that_the_transform_or_the_window_cannot_hold_is_refused(spectrogram, detect):
    with pytest.raises(ValidationError, match=r"spectrogram\.segment_s .* must lie between"):
        run(spectrogram=spectrogram, detect=detect)


def test_content_hash_is_the_same_in_every_process():
    made = "1, DetectConfig(), SpectrogramConfig(), {'b': 1, 'a': (2, 3)}"
    code = f"from couloir.config import *; print(content_hash({made}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
        ).stdout.strip()
        for seed in ("0", "1", "2")
    }
    assert found == {content_hash(1, DetectConfig(), SpectrogramConfig(), {"a": (2, 3), "b": 1})}
    assert len(found.pop()) == 16


@pytest.mark.parametrize("section", [DetectConfig, SpectrogramConfig])
def test_content_hash_tells_every_field(section):
    plain = section()
    hashes = {content_hash(plain.model_copy(update={name: OTHER[name]})) for name in section.model_fields}
    assert len(hashes | {content_hash(plain)}) == len(section.model_fields) + 1


def test_content_hash_takes_no_notice_of_how_a_number_is_written():
    assert content_hash(DetectConfig(on_factor=12)) == content_hash(DetectConfig(on_factor=12.0))
    assert content_hash(DetectConfig.model_validate({"band": [1, 45]})) == content_hash(DetectConfig())


def test_one_band_and_several_are_read_alike():
    assert DetectConfig.model_validate({"band": [1, 20]}).bands == ((1.0, 20.0),)
    several = DetectConfig.model_validate({"band": [[1, 5], [5, 45]]})
    assert several.bands == ((1.0, 5.0), (5.0, 45.0))
    assert DetectConfig.model_validate({"band": [[1, 20]]}).bands == ((1.0, 20.0),)


def test_clustering_that_would_learn_nothing_is_refused():
    with pytest.raises(ValidationError, match="kl_weight and reconstruction_weight are both 0"):
        TrainConfig(kl_weight=0, reconstruction_weight=0)
    assert TrainConfig(kl_weight=0).reconstruction_weight


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        (0, "give 1 to 100, or a list"),
        (101, "give 1 to 100"),
        ([7], "set `seed`"),
        ([], "set `seed`"),
        ([7, 7], "differ"),
    ],
)
def test_seeds_that_are_no_several_trainings_are_told(seeds, told):
    with pytest.raises(ValueError, match=told):
        TrainConfig(seeds=seeds)
    assert TrainConfig(seeds=[7, 8]).all_seeds == (7, 8)
