"""Stages of the run, each reading what the one before it wrote: plan, detect, train, catalog, report."""
