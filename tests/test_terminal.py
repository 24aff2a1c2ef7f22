"""What users call things is shown as they wrote it, whatever signs are in it."""

from types import SimpleNamespace

import pytest

from couloir import terminal
from couloir.catalog.clusters import ClusterRow
from couloir.stages.assessment import Assessment, MethodScore
from couloir.stages.comparison import Row, Selection

ODD = "rockfall [/small] [red] :rocket:"


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    for console in (terminal.out, terminal.console):  # they may be older than the test
        monkeypatch.setattr(console, "_width", 300)


def row(name):
    return ClusterRow(0, 3, 1.0, 1, 4, 2.0, 9.0, 0.9, 0, name, 1.0, 3)


def test_a_class_with_brackets_is_shown_as_it_is_called(capsys):
    terminal.show_clusters([row(ODD), row("[/x]"), row(None)])
    told = capsys.readouterr().out
    assert ODD in told
    assert "[/x]" in told


def test_a_recommendation_is_shown_as_it_is_written(capsys):
    criteria = dict.fromkeys(Row.__dataclass_fields__, 0.5) | {"clusters": 2, "joint_error": None}
    terminal.show_selection(Selection((Row(**criteria),), 2, ODD, None, 0.1))
    assert ODD in capsys.readouterr().out


def test_a_comparison_with_all_its_columns_fits_a_terminal_of_80(capsys, monkeypatch):
    monkeypatch.setattr(terminal.out, "_width", 80)
    rows = tuple(Row(k, 0.91, 0.02, 0.44, 0.1, 0.31, 1.234, 0.01, 0.412, 0.88, 0.381, 0.72) for k in (2, 14))
    terminal.show_selection(Selection(rows, 14, "", 2, 0.4))
    told = capsys.readouterr().out
    assert "…" not in told
    assert "14 * 0.91 ± 0.02 0.44 ± 0.10      0.310 1.234     0.412  0.880     0.381  0.720" in told


def test_scores_patterns_and_notes_are_shown_as_they_are(capsys):
    terminal.show_assessment(Assessment((MethodScore(ODD, 1.0, 1.0, 1.0, 1.0, 5),), (), (), ()))
    plan = SimpleNamespace(
        bands=(),
        station_days=0,
        period_days=0,
        size=0,
        missing_days=0,
        unmatched=("XX.[a-z]*.[/].*",),
        sensitivities={},
        inventory=SimpleNamespace(skipped={"no name of a file: [/]": 2}),
        core_seconds=1.0,
        memory_bytes=0,
    )
    terminal.show_plan(plan, 1)
    told = capsys.readouterr().out
    assert ODD in told
    assert "XX.[a-z]*.[/].*" in told
    assert "Left out: no name of a file: [/] (2 times)" in told


def test_the_note_of_a_bar_is_shown_as_it_is(capsys):
    with terminal.progress_bar() as bar:
        bar.add_task("detect", total=1, note="[/x]")
        bar.refresh()
    assert "[/x]" in capsys.readouterr().err
