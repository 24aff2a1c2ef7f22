"""Draw the plane on which the latent space was laid out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from couloir.report.figures.canvas import Picture, blank, finish, place
from couloir.report.palette import INK, UNASSIGNED

_SIZE = 480


def latent_map(
    points: NDArray[np.floating[Any]],
    cluster: NDArray[np.integer[Any]],
    colours: Mapping[int, str],
    *,
    name: str,
) -> Picture:
    """Draw each event of an (M, 2) map in its cluster's colour, with the cluster's id at its median."""
    figure = blank(_SIZE, _SIZE - 60)
    axes = place(figure, 4, 4, 4, 4)
    axes.set_axis_off()
    size = float(np.clip(9000 / max(1, len(points)), 7, 40))
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=size,
        c=[colours.get(int(number), UNASSIGNED) for number in cluster],
        alpha=0.75,
        linewidths=0,
        rasterized=True,
    )
    for number in sorted({int(number) for number in cluster} & set(colours)):
        across, up = np.median(points[cluster == number], axis=0)
        axes.text(across, up, str(number), ha="center", va="center", fontsize=13, fontweight="bold", color=INK)
    alt = f"Map of {len(points):,} events by cluster: points that lie close have similar latent vectors"
    return finish(figure, name, alt=alt)
