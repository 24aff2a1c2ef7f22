import datetime as dt
import json

import pytest

from couloir.identifiers import BandId, Block, StationDay
from couloir.store.outcomes import Outcome, read_outcomes, write_outcomes


@pytest.fixture
def outcomes(block):
    first = StationDay(block.band, dt.date(2024, 2, 1))
    second = StationDay(block.band, dt.date(2024, 2, 29))
    return [
        Outcome(
            first,
            "ok",
            "",
            3,
            1,
            "ENZ",
            86_000.5,
            12.5,
            2.25,
            10**9,
            {"read": 0.5, "decode": 1.5},
            ("Z: odd", "×"),
        ),
        Outcome(second, "unreadable", "does not decode"),
    ]


def test_outcomes_come_back_as_they_were_written(output, block, outcomes):
    write_outcomes(output, block, outcomes)
    assert read_outcomes(output, [block]) == outcomes


def test_writing_again_replaces_what_was_there(output, block, outcomes):
    write_outcomes(output, block, outcomes)
    write_outcomes(output, block, outcomes[1:])
    assert read_outcomes(output, [block]) == outcomes[1:]


def test_blocks_are_read_in_the_order_asked_for_and_missing_ones_give_none(output, block, outcomes):
    other = Block(BandId("GG", "LH02", "10", "EH"), 2024, 2)
    elsewhere = Outcome(StationDay(other.band, dt.date(2024, 2, 3)), "empty", "nothing")
    write_outcomes(output, block, outcomes)
    write_outcomes(output, other, [elsewhere])
    missing = Block(other.band, 2024, 3)
    assert read_outcomes(output, [other, missing, block]) == [elsewhere, *outcomes]


def test_a_person_can_read_them(local, block, outcomes):
    write_outcomes(local, block, outcomes)
    rows = json.loads((local / "outcomes" / f"{block.key}.json").read_text())
    assert rows[0]["station"] == "GG.LH01..EH"
    assert rows[0]["day"] == "2024-02-01"
    assert rows[1]["reason"] == "does not decode"


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        ("ok", False),
        ("empty", False),
        ("flat", False),
        ("too_gappy", False),
        ("unreadable", True),
        ("failed", True),
    ],
)
def test_only_what_broke_counts_as_a_failure(block, status, failed):
    assert Outcome(StationDay(block.band, dt.date(2024, 2, 1)), status).failed is failed
