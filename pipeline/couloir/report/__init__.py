"""Turn a run's results into one self-contained HTML page: a pure function from data to text."""

from couloir.report.data import (
    STATUSES,
    ClusterView,
    DayOutcome,
    DetectionRow,
    MergeView,
    NamingRow,
    ReportData,
    ScoreRow,
    StabilityView,
    TypicalEvent,
)
from couloir.report.page import render
from couloir.report.timebins import typical_hours

__all__ = [
    "STATUSES",
    "ClusterView",
    "DayOutcome",
    "DetectionRow",
    "MergeView",
    "NamingRow",
    "ReportData",
    "ScoreRow",
    "StabilityView",
    "TypicalEvent",
    "render",
    "typical_hours",
]
