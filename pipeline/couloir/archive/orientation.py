"""Name the components that orientation codes stand for."""

ORIENTATIONS = {"E": "E", "N": "N", "Z": "Z", "1": "N", "2": "E", "3": "Z"}
"""SEED orientation codes and the component each is used as; 1, 2 and 3 need not point anywhere exactly."""
