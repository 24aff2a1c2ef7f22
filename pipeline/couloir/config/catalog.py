"""Settings of the catalog, and of what it is measured by."""

from typing import Annotated

from pydantic import Field

from couloir.config.section import Positive, Section
from couloir.config.urls import Url


class CatalogConfig(Section):
    """What is written beside the Parquet tables."""

    quakeml: bool = False
    """Also write catalog.xml (QuakeML): one event a trigger, or a network event; picks are onsets."""
    coincidence_stations: Annotated[int, Field(ge=2)] | None = None
    """Events on at least this many stations within coincidence_s make one network event; null: not looked for."""
    coincidence_s: Positive = 10.0
    """Longest time between the first and the last onset of a network event, s."""
    false_reject_rate: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Events too unlike the training's (with an imported model: this archive's others) are of class `unknown`; at
    most this share of events like those is rejected by mistake. 0 rejects nothing."""
    truth: Url | None = None
    """A truth table (CSV: station, class, start_time, end_time ...) to score against; for synthetic
    archives and labelled ones."""
    labels: Url | None = None
    """Labels given by hand (CSV: event_id, class; or station, class, start_time, end_time) that name the clusters;
    without it the truth does."""
