"""Gather the results of `clustering.py` in one Markdown table."""

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

SCORES = {"hungarian_accuracy": "accuracy", "nmi": "NMI", "ari": "ARI", "purity": "purity"}


def write_table(results: Path, path: Path) -> None:
    """Write mean ± spread (best, worst) of each score, by data and method, accuracy first.

    The spread is the standard deviation between seeds. Of each preset the k-means on its pre-trained
    latent vectors is a row as well.
    """
    rows: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(results.glob("*/*/*.json")):
        found = json.loads(file.read_text())
        if "hungarian_accuracy" not in found:
            continue
        recipe = found["made_from"]  # other settings or data are another row
        rows[found["data"], found["method"], recipe].append(found)
        if "initial" in found:
            rows[found["data"], f"k-means in {found['method']}'s autoencoder", recipe].append(
                {**found, **found["initial"]}
            )
    lines = [
        f"| data | method | {' | '.join(SCORES.values())} | seconds | seeds | epochs | iterations |",
        f"|---|---|{'---|' * len(SCORES)}---|---|---|---|",
    ]
    for (data, method, _), found in sorted(rows.items(), key=lambda row: (row[0][0], -_mean(row[1]))):
        trained = not method.startswith("k-means in")
        cells = [
            data,
            method,
            *(describe([one[score] for one in found]) for score in SCORES),
            f"{statistics.mean(one['seconds'] for one in found):.0f}" if trained else "",
            str(len(found)),
            _span([one["epochs"] for one in found if "epochs" in one]),
            _span([one["iterations"] for one in found if trained and "iterations" in one]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def describe(values: list[float]) -> str:
    """Give mean ± standard deviation (best, worst) of scores."""
    mean = f"{statistics.mean(values):.3f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.3f} ({max(values):.3f}, {min(values):.3f})"


def _mean(found: list[dict[str, Any]]) -> float:
    return statistics.mean(one["hungarian_accuracy"] for one in found)


def _span(values: list[int]) -> str:
    if not values:
        return ""
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"
