"""Recommend K on archives of 4, 6 and 8 known classes, and say what each criterion would have taken.

Every archive that is done is kept in the folder given, and not made again.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from couloir.config import PRESETS, TrainConfig
from known_classes import known_archive

NUMBERS = range(2, 15)
PER_CLASS = 120
EPOCHS = 40


def compare(classes: int, seed: int) -> dict:
    from couloir.dec.assess import score_clusters
    from couloir.dec.kmeans import run_kmeans
    from couloir.dec.recommend import recommend
    from couloir.dec.refine import pretrain_once
    from couloir.dec.selection import draw_references, judge

    samples, names = known_archive(classes, PER_CLASS, seed=seed)
    small = PRESETS["small"]["train"] | {"filters": (8, 16, 24), "epochs": EPOCHS, "seed": seed}
    settings = TrainConfig(**small)
    began = time.perf_counter()
    _, latent = pretrain_once(samples, settings)
    trained = time.perf_counter()
    vectors = latent.astype(np.float64)
    references = draw_references(vectors, 10, seed=seed)
    rows = [judge(vectors, k, references=references, seed=seed) for k in NUMBERS]
    judged = time.perf_counter()
    found = recommend(rows)
    reporting = np.random.default_rng(seed).permutation(len(names)) % 2 == 0
    scores = {}
    for k in {found.clusters, classes}:
        labels = run_kmeans(vectors, k, starts=20, seed=seed)[1]
        scores[k] = asdict(score_clusters(names[reporting], labels[reporting]))
    return {
        "classes": classes,
        "seed": seed,
        "recommended": found.clusters,
        "reason": found.reason,
        "stability": max((r.clusters for r in rows if r.stability >= 0.9), default=None),
        "silhouette": max(rows, key=lambda r: -1 if r.silhouette is None else r.silhouette).clusters,
        "gap": found.gap_choice,
        "scores": scores,
        "seconds": [round(trained - began, 1), round(judged - trained, 1)],
        "rows": [asdict(row) for row in rows],
    }


def main() -> None:
    from couloir.dec.criteria import Criteria
    from couloir.dec.recommend import recommend

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "selection-results")
    seeds = range(1, int(sys.argv[2]) + 1 if len(sys.argv) > 2 else 4)
    folder.mkdir(parents=True, exist_ok=True)
    print("classes seed | recommended | last K of ARI >= 0.9, best silhouette, gap's rule | ARI, other half | s")
    for seed in seeds:
        for classes in (4, 6, 8):
            path = folder / f"{classes}-{seed}.json"
            if not path.exists():
                path.write_text(json.dumps(compare(classes, seed), indent=1))
            held = json.loads(path.read_text())
            found = recommend([Criteria(**row) for row in held["rows"]])
            ari = held["scores"].get(str(found.clusters), {}).get("ari", float("nan"))
            taken = f"{held['stability']}, {held['silhouette']}, {found.gap_choice}"
            print(f"{classes} {seed} | {found.clusters} | {taken} | {ari:.3f} | {held['seconds']}", flush=True)


if __name__ == "__main__":
    main()
