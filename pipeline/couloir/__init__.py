"""Turn years of continuous seismic recordings into a catalog of clustered events."""

__version__ = "0.1.0.dev0"
