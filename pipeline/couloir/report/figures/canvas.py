"""Make blank figures in the report's style, and turn drawn ones into SVG that can stand inside HTML."""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from couloir.report.palette import INK, LINE, MUTED_INK

POINTS_PER_INCH = 72  # the unit of the SVG; the page shows one as about one CSS pixel

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "couloir",
    "font.size": 10.0,
    "axes.labelsize": 10.0,
    "axes.labelcolor": MUTED_INK,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED_INK,
    "ytick.labelcolor": MUTED_INK,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "path.simplify": True,
    "timezone": "UTC",
}
_NO_METADATA: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Picture:
    """Hold an SVG element, what it shows in words, and its natural width in CSS pixels."""

    svg: str
    alt: str
    width: int


@contextmanager
def report_style() -> Iterator[None]:
    """Draw in the report's style, whatever style the user's own matplotlib settings ask for."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def blank(width: int, height: int) -> Figure:
    """Make an empty figure of a size in CSS pixels."""
    return Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), dpi=POINTS_PER_INCH)


def place(figure: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Add axes by their margins to the four sides of the figure, in CSS pixels."""
    width, height = figure.get_size_inches() * POINTS_PER_INCH
    box = (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    return figure.add_axes(box)


def finish(figure: Figure, name: str, *, alt: str) -> Picture:
    """Write a figure as one SVG element without anything that needs a file of its own.

    Parameters
    ----------
    figure
        The drawn figure.
    name
        Unique on the page; goes before the ids within the SVG, so that two figures never share one.
    alt
        What the figure shows, for who does not see it.

    Returns
    -------
    Picture
        The same figure gives the same bytes.
    """
    buffer = io.StringIO()
    # Rasterised parts (scatter) at three pixels a unit, so that they stay sharp on dense screens.
    figure.savefig(buffer, format="svg", dpi=3 * POINTS_PER_INCH, metadata=_NO_METADATA, transparent=True)
    width, height = (round(size) for size in figure.get_size_inches() * POINTS_PER_INCH)
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<svg[^>]*>", f'<svg viewBox="0 0 {width} {height}">', drawing, count=1)
    drawing = re.sub(r"<style[^>]*>.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'<g id="[^"]*">', "<g>", drawing)
    drawing = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", drawing)
    drawing = re.sub(r' d="[^"]*"', _round_path, drawing)
    drawing = re.sub(r"data:image/png;base64,([^\"]*)", lambda found: _png_uri(_shrunk(found.group(1))), drawing)
    return Picture(drawing.strip(), alt, width)


def _round_path(path: re.Match[str]) -> str:
    """Keep two decimals of a path's coordinates: a hundredth of a pixel."""
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(path.group().split("\n")))


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """Write (rows, columns, RGBA) pixels, the first row at the top, as the address of an inline PNG."""
    return _png_uri(_write_png(Image.fromarray(pixels)))


def _shrunk(encoded: str) -> bytes:
    """Write a PNG (base64) with a palette where its colours are few: a third of the size, the same pixels."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        return _write_png(image.convert("RGBA"))


def _write_png(image: Image.Image) -> bytes:
    """Write an RGBA image as PNG, with a palette if it is opaque and has at most 256 colours."""
    pixels = np.asarray(image)
    colours, place = np.unique(pixels.reshape(-1, 4).view(np.uint32), return_inverse=True)
    if len(colours) <= 256 and (pixels[..., 3] == 255).all():
        image = Image.fromarray(place.reshape(pixels.shape[:2]).astype(np.uint8))
        image.putpalette(colours.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _png_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
