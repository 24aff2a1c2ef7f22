"""Measure novelty against the events at hand, for a model that does not know its training's."""

from dataclasses import replace

from couloir.dec.assign import Assignment
from couloir.dec.backend import keras
from couloir.dec.drift import ratios_to_training
from couloir.dec.reference import keep_reference


def measure_against_itself(model: keras.Model, assignment: Assignment) -> Assignment:
    """Replace novelty by that against the assignment's own members of each cluster.

    Parameters
    ----------
    model
        Whose typical distances and errors are not known; they become those of these events, in memory alone.
    assignment
        What the model says of all events of the archive.
    """
    if not len(assignment):
        return assignment
    keep_reference(model, assignment)
    return replace(assignment, novelty=ratios_to_training(model, assignment).larger)
