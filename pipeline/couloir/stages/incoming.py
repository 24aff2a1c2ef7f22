"""Hold a model that comes from elsewhere until it lies in the output."""

from collections.abc import Mapping
from dataclasses import dataclass

from couloir.stages.card import Card


@dataclass(frozen=True)
class Incoming:
    """Hold a model's card, and its other files by name."""

    card: Card
    files: Mapping[str, bytes]
