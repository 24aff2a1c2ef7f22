"""One batch as a feed draws it, and a training's steps as a spy sees them."""

import numpy as np

from couloir.dec.feed import Drawn


def drawn(images):
    """Draw all images as the one batch of a step."""
    places = np.arange(len(images))[None]
    return Drawn(places, np.asarray(images), places.astype(np.int32))
