import os
import re

import pytest
import yaml

from couloir.config import PRESETS, RunConfig
from couloir.errors import ConfigError
from couloir.runfile import dump, load, template

PLAIN = """\
archive:
  url: sds
  start: 2020-01-01
  end: 2020-02-01
output:
  url: out
"""


@pytest.fixture
def read(tmp_path):
    def read(text=PLAIN, *overrides, **environment):
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, overrides=overrides, environment=environment)

    return read


@pytest.fixture
def complaint(read):
    """Give the text of the error that a run file makes."""

    def complaint(text=PLAIN, *overrides, **environment):
        with pytest.raises(ConfigError) as caught:
            read(text, *overrides, **environment)
        return str(caught.value)

    return complaint


def test_what_the_file_does_not_say_is_the_default(read):
    config = read()
    assert config == RunConfig.model_validate(yaml.safe_load(PLAIN))
    assert config.train.epochs == 200


def test_each_source_goes_before_the_next(read):
    """Default, preset, file, environment, command line."""
    small = PLAIN + "preset: small\n"
    filed = small + "train:\n  epochs: 3\n"
    variable = {"COULOIR_TRAIN__EPOCHS": "4"}
    assert read().train.epochs == 200
    preset = PRESETS["small"]["train"]
    assert read(small).train.epochs == preset["epochs"] != 3
    assert read(filed).train.epochs == 3
    assert read(filed, **variable).train.epochs == 4
    assert read(filed, "train.epochs=5", **variable).train.epochs == 5
    assert read(filed, "train.epochs=5", "train.epochs=6").train.epochs == 6
    assert read(filed).train.batch == preset["batch"] != 256  # what the file leaves alone is the preset's


def test_the_preset_itself_may_come_from_anywhere(read):
    assert read(PLAIN, "preset=small").train.latent == 16
    assert read(PLAIN, COULOIR_PRESET="small").train.latent == 16
    assert read(PLAIN + "preset: small\n", "preset=luhu").train.latent == 64


def test_values_of_options_and_variables_are_read_as_yaml(read):
    config = read(
        PLAIN,
        "archive.select=GG.*.10.EH?, XX.*.*.*",
        "catalog.quakeml=true",
        "detect.band=[2, 40]",
        "archive.start=2020-01-15",
        COULOIR_ARCHIVE__STORAGE_OPTIONS__ANON="true",
        COULOIR_COMPUTE__WORKERS="3",
    )
    assert config.archive.select == ("GG.*.10.EH?", "XX.*.*.*")
    assert config.catalog.quakeml is True
    assert config.detect.band == (2.0, 40.0)
    assert config.archive.start.day == 15
    assert config.archive.storage_options == {"anon": True}
    assert config.compute.workers == 3
    assert read(PLAIN, "archive.select=*.LH01.*.*").archive.select == ("*.LH01.*.*",)


def test_the_process_environment_is_used_when_none_is_given(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "COULOIR_TRAIN__SEED", "7")
    (tmp_path / "run.yaml").write_text(PLAIN)
    assert load(tmp_path / "run.yaml").train.seed == 7


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_name(complaint):
    text = complaint(PLAIN + "detect:\n  quiet_s: 1\n  on_facter: 3\n")
    assert re.search(r"run\.yaml:9: detect\.on_facter: unknown key, did you mean 'on_factor'\?", text)
    assert "allowed here: sampling_rate, band, filter_order" in text


def test_an_unknown_section_is_named_with_those_there_are(complaint):
    text = complaint(PLAIN + "detection:\n  on_factor: 3\n")
    assert re.search(r"run\.yaml:7: detection: unknown key, did you mean 'detect'\?", text)
    assert "archive, output, preset, detect" in text


def test_a_wrong_value_is_named_with_what_is_allowed(complaint):
    text = complaint(PLAIN + "detect:\n  envelope: vertica\n  on_factor: loud\n")
    assert re.search(
        r"run\.yaml:8: detect\.envelope: .*'vector', 'vertical' or 'any' \(found 'vertica'\)"
        r", did you mean 'vertical'\?",
        text,
    )
    assert re.search(r"run\.yaml:9: detect\.on_factor: .*valid number.* \(found 'loud'\)", text)


def test_a_contradiction_names_its_section(complaint):
    text = complaint(PLAIN + "detect:\n  off_factor: 20\n")
    assert re.search(r"run\.yaml:7: detect: off_factor \(20\) must not exceed on_factor \(12\)", text)


def test_a_missing_key_is_named(complaint):
    assert re.search(r"run\.yaml:1: archive\.end: is missing", complaint(PLAIN.replace("  end: 2020-02-01\n", "")))
    assert "output: is missing" in complaint(PLAIN.split("output")[0])


def test_options_and_variables_are_named_where_they_are_wrong(complaint):
    assert "--set detect.on_factor: detect.on_factor:" in complaint(PLAIN, "detect.on_factor=-1")
    text = complaint(PLAIN, COULOIR_DETECT__ON_FACTOR="-1")
    assert "environment variable COULOIR_DETECT__ON_FACTOR: detect.on_factor:" in text
    assert "did you mean 'on_factor'?" in complaint(PLAIN, COULOIR_DETECT__ON_FACTR="3")


@pytest.mark.parametrize("name", ["COULOIR_DETEKT__ON_FACTOR", "COULOIR_HOME", "COULOIR_DETECT", "COULOIR_"])
def test_a_variable_that_sets_nothing_is_refused(complaint, name):
    text = complaint(PLAIN, **{name: "3", "COULOIR_DETECT__ON_FACTOR": "10"})
    assert f"environment variable {name} sets nothing" in text
    assert "COULOIR_DETECT__KEY" in text


@pytest.mark.parametrize("option", ["detect.on_factor", "=3", ""])
def test_an_option_without_a_key_and_value_is_refused(complaint, option):
    assert "expected section.key=value" in complaint(PLAIN, option)


def test_a_key_that_is_there_twice_is_refused(complaint):
    assert re.search(
        r"run\.yaml:9: detect\.quiet_s is there twice", complaint(PLAIN + "detect:\n  quiet_s: 1\n  quiet_s: 2\n")
    )
    assert re.search(r"run\.yaml:7: output is there twice", complaint(PLAIN + "output:\n  url: other\n"))


@pytest.mark.parametrize("preset", ["smal", "[small]", "3"])
def test_an_unknown_preset_is_refused_with_those_there_are(complaint, preset):
    text = complaint(f"{PLAIN}preset: {preset}\n")
    assert re.search(r"run\.yaml:7: preset: .* is unknown", text)
    assert "luhu, small" in text
    assert ("did you mean 'small'?" in text) is (preset == "smal" or preset == "[small]")


def test_a_credential_is_refused_and_not_repeated(complaint):
    text = complaint(PLAIN + "  storage_options:\n    secret: hunter2\n")
    assert re.search(r"run\.yaml:7: output\.storage_options: 'secret' is a credential", text)
    assert "AWS_SECRET_ACCESS_KEY" in text
    assert "hunter2" not in text
    assert "hunter2" not in complaint(PLAIN.replace("url: out", "url: s3://me:hunter2@bucket/a"))


def test_what_is_no_yaml_is_refused(complaint):
    assert "run.yaml is not valid YAML" in complaint(PLAIN + "detect: [\n")
    assert "run.yaml is not valid YAML" in complaint(PLAIN.replace("url: sds", "url: sds\n  select: *.*.*.*"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "just text\n", "- a\n- b\n"])
def test_a_file_without_sections_is_refused(complaint, text):
    assert "holds no sections" in complaint(text)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the run file .*nowhere\.yaml.*couloir init"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigError, match="not a text file"):
        load(tmp_path / "picture.png")


def test_a_section_without_keys_is_as_if_it_were_not_there(read):
    assert read(PLAIN + "detect:\n  # on_factor: 3\n") == read()
    assert read(PLAIN + "compute:\n  slurm:\n    training:\n      # cores: 3\n") == read()


def keys_of(tree):
    for key, value in tree.items():
        yield key
        if isinstance(value, dict):
            yield from keys_of(value)


def test_the_template_is_a_run_file_that_says_every_default(tmp_path, read):
    text = template("sds", "out")
    config = read(text)
    assert config == read(PLAIN.replace("2020-02-01", "2021-01-01"))
    head, *sections = re.split(r"^(?=\w+:  #)", text.split("preset:")[1], flags=re.MULTILINE)
    assert len(sections) == len(config.model_dump()) - 1
    for number, section in enumerate(sections):
        for key in keys_of(config.model_dump()[section.split(":")[0]]):
            section, found = re.subn(
                rf"^( +)(# )?{key}:(?=  # | \S+$| [\[{{'].*$)", rf"\1{key}:", section, flags=re.MULTILINE
            )
            assert found >= 1, key
        sections[number] = section
    assert read("".join(["preset:", head, *sections])) == config


def test_settings_written_in_full_read_back_equal(read, tmp_path):
    config = read(
        PLAIN + "preset: small\n",
        "detect.band=[2, 40]",
        "archive.select=GG.*.--.EH?",
        "output.storage_options={anon: true}",
    )
    assert read(dump(config)) == config
