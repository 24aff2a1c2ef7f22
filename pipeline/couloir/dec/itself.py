"""Compare events with one another, for a model that does not know its training's."""

from couloir.dec.assign import Assignment
from couloir.dec.backend import keras
from couloir.dec.drift import ratios_to_training
from couloir.dec.reference import keep_reference
from couloir.dec.typical import Ratios


def measure_against_itself(model: keras.Model, assignment: Assignment) -> Ratios:
    """Compare events with the medians of the assignment's own members of each cluster.

    Parameters
    ----------
    model
        Whose typical distances and errors are not known; they become those of these events, in memory alone.
    assignment
        What the model says of all events of the archive.
    """
    if len(assignment):
        keep_reference(model, assignment)
    return ratios_to_training(model, assignment)
