"""Images and binds of a site's containers, looked for where the run is submitted."""

from pathlib import Path

import pytest

from couloir.compute.slurm_images import with_absolute_images
from couloir.config.slurm import SlurmConfig
from couloir.errors import ConfigError


def site(**settings) -> SlurmConfig:
    return SlurmConfig(**({"container": "apptainer", "image": "docker://example.org/couloir"} | settings))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in a folder that is the home, too, with two images and a folder of labels."""
    for name in ("couloir.sif", "train.sif"):
        (tmp_path / name).touch()
    (tmp_path / "labels").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("image", ["couloir.sif", "~/couloir.sif"])
def test_paths_are_those_of_where_the_run_is_submitted(image, here):
    found = with_absolute_images(
        site(image=image, binds=["labels", "~/labels:/mnt"], training={"image": "train.sif"})
    )
    assert found.image == str(here / "couloir.sif")
    assert found.training.image == str(here / "train.sif")
    assert found.binds == (str(here / "labels"), f"{here / 'labels'}:/mnt")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"image": "nowhere.sif"}, r"compute\.slurm\.image \(nowhere\.sif\) is not there"),
        (
            {"training": {"image": "/nowhere.sif"}},
            r"compute\.slurm\.training\.image \(/nowhere\.sif\) is not there",
        ),
        ({"binds": ["nowhere:/mnt"]}, r"compute\.slurm\.binds \(nowhere:/mnt\) names what is not there"),
        ({"container": "charliecloud", "image": "nowhere"}, r"compute\.slurm\.image \(nowhere\) is not there"),
        ({"container": "charliecloud"}, r"compute\.slurm\.image \(docker://.*\) is not there"),
        ({"image": "nowhere:typo.sif"}, r"compute\.slurm\.image \(nowhere:typo\.sif\) is not there"),
        ({"image": "oci-archive:nowhere.tar"}, r"compute\.slurm\.image \(nowhere\.tar\) names what is not there"),
        ({"container": "podman", "image": "a", "binds": ["./nowhere:/mnt"]}, r"names what is not there"),
        ({"image": "~nobody-of-that-name/couloir.sif"}, "whose home that is, is not known here"),
        ({"binds": ["~nobody-of-that-name:/mnt"]}, "whose home that is, is not known here"),
    ],
)
def test_what_is_not_there_is_told_before_a_job_looks_for_it(settings, told, here):
    with pytest.raises(ConfigError, match=told):
        with_absolute_images(site(**settings))


@pytest.mark.parametrize("image", ["docker-archive:train.sif", "oci-archive:~/train.sif:1.0", "oci:labels"])
def test_archives_that_apptainer_unpacks_are_looked_for_here(image, here):
    kind, path = image.split(":", 1)
    expected = f"{kind}:{here / path.removeprefix('~/')}"
    assert with_absolute_images(site(image=image)).image == expected


def test_an_image_may_have_a_colon_in_its_name(here):
    (here / "couloir:1.0.sif").touch()
    assert with_absolute_images(site(image="couloir:1.0.sif")).image == str(here / "couloir:1.0.sif")


def test_a_folder_that_is_here_is_no_volume_of_podman(here):
    found = with_absolute_images(site(container="podman", image="a", binds=["labels:/mnt", "models:/models"]))
    assert found.binds == (f"{here / 'labels'}:/mnt", "models:/models")


def test_names_of_registries_and_folders_of_the_nodes_stay_as_they_are(here):
    assert with_absolute_images(site(binds=["/local/of/nodes:/tmp"])) == site(binds=["/local/of/nodes:/tmp"])
    podman = site(container="podman", image="localhost/couloir-worker", binds=["models:/models", "/local:/tmp"])
    assert with_absolute_images(podman) == podman
    for image in ("oci-archive:/images/couloir.tar", "docker-daemon:couloir:1.0"):
        assert with_absolute_images(site(image=image)).image == image
    assert with_absolute_images(SlurmConfig()) == SlurmConfig()
    assert Path.cwd() == here
