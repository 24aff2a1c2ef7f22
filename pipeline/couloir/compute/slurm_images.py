"""Find the images and binds of a site's containers, before jobs look for them from elsewhere."""

import re
from pathlib import Path

from couloir.errors import ConfigError
from couloir.sites import SlurmConfig

_OF_A_REGISTRY = re.compile(r"[a-z]+://")
"""How names of images begin that Apptainer fetches by itself, like docker://."""


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
    binds = tuple(map(_bind, site.binds))
    if site.container == "podman":
        return site.model_copy(update={"binds": binds})
    image = _image("compute.slurm.image", site.image)
    training = site.training.model_copy(
        update={"image": _image("compute.slurm.training.image", site.training.image)}
    )
    return site.model_copy(update={"image": image, "binds": binds, "training": training})


def absolute(path: str) -> Path:
    """Say where a path lies from wherever one looks; ``~`` is the home of who submits."""
    return Path(path).expanduser().absolute()


def _image(setting: str, image: str | None) -> str | None:
    if image is None or _OF_A_REGISTRY.match(image):
        return image
    path = absolute(image)
    if not path.exists():
        raise ConfigError(f"{setting} ({image}) is not there: {path} is neither a file nor a folder")
    return str(path)


def _bind(bind: str) -> str:
    source, colon, rest = bind.partition(":")
    path = absolute(source)
    if not (Path(source).is_absolute() or path.exists()):
        raise ConfigError(f"compute.slurm.binds ({bind}) names what is not there: {path}")
    return f"{path}{colon}{rest}"
