"""Find the images and binds of a site's containers, before jobs look for them from elsewhere."""

import re
from pathlib import Path

from couloir.compute.paths import absolute
from couloir.config.slurm import SlurmConfig
from couloir.errors import ConfigError

_FETCHED = re.compile(r"[a-z]+://|docker-daemon:")
"""How images begin that Apptainer fetches by itself."""
_UNPACKED = re.compile(r"oci:|oci-archive:|docker-archive:")
"""How images begin that Apptainer unpacks; a path follows, and a tag perhaps."""


def with_absolute_images(site: SlurmConfig) -> SlurmConfig:
    """Put absolute paths in the place of a site's images and binds.

    Podman's images are names, and stay as they are. Folders to bind may be those of the nodes alone, like
    ``/local``, so that only what is given as a path from here must be here.

    Parameters
    ----------
    site : SlurmConfig

    Raises
    ------
    ConfigError
        When an image, or a folder that is to be bound, is not there.
    """
    if site.container == "none":
        return site
    if site.container == "podman":
        binds = tuple(bind if _is_volume(bind) else _bind(bind) for bind in site.binds)
        return site.model_copy(update={"binds": binds})
    fetches = site.container == "apptainer"
    image = _image("compute.slurm.image", site.image, fetches=fetches)
    found = _image("compute.slurm.training.image", site.training.image, fetches=fetches)
    training = site.training.model_copy(update={"image": found})
    return site.model_copy(update={"image": image, "binds": tuple(map(_bind, site.binds)), "training": training})


def _is_volume(bind: str) -> bool:
    """Say whether what podman is to bind is a volume that it knows by name, and no folder that is here."""
    name = re.match(r"([A-Za-z0-9][A-Za-z0-9_.-]*):", bind)
    return name is not None and not Path(name[1]).exists()


def _image(setting: str, image: str | None, *, fetches: bool) -> str | None:
    if image is None or (fetches and _FETCHED.match(image)):
        return image
    if fetches and (kind := _UNPACKED.match(image)):
        return f"{kind[0]}{_place(setting, image[kind.end() :])}"
    path = absolute(image)
    if not path.exists():
        raise ConfigError(f"{setting} ({image}) is not there: {path} is neither a file nor a folder")
    return str(path)


def _bind(bind: str) -> str:
    return _place("compute.slurm.binds", bind)


def _place(setting: str, text: str) -> str:
    """Make the path absolute with which a text begins, up to a colon; one that was not must be here."""
    source, colon, rest = text.partition(":")
    path = absolute(source)
    if not (Path(source).is_absolute() or path.exists()):
        raise ConfigError(f"{setting} ({text}) names what is not there: {path}")
    return f"{path}{colon}{rest}"
