"""Keep the tree of a catalog's clusters beside its table of clusters."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from couloir.store.documents import CATALOG_AGAIN, read_document
from couloir.store.location import Location

if TYPE_CHECKING:
    from couloir.dec.assign import Assignment
    from couloir.dec.structure import MergeTree

_NAME = "structure.json"


def write_structure(place: Location, assignment: "Assignment", clusters: int) -> None:
    """Write ``structure.json``: how the clusters merge in the latent space, by Ward's criterion."""
    from couloir.dec.structure import merge_tree

    tree = merge_tree(assignment.latent, assignment.cluster, clusters)
    (place / _NAME).write_text(json.dumps({"linkage": "ward"} | asdict(tree), indent=1) + "\n")


def read_structure(place: Location) -> "MergeTree | None":
    """Read ``structure.json``; None where there is none."""
    from couloir.dec.structure import Merge, MergeTree

    def build(held: dict[str, Any]) -> MergeTree:
        merges = tuple(Merge(**merge) for merge in held["merges"])
        return MergeTree(merges, tuple(held["leaves"]), held["clusters"])

    return read_document(place / _NAME, build, remedy=CATALOG_AGAIN)
