"""Damage recordings by the ten thousand and read them: what comes of it, how long and how large.

The tests do the same with fewer files; here `--files 100000 --seed 7` looks further. `--through detect` makes a
station-day of each file, `--real SDS` damages real recordings too, `--first N --files 1` repeats one file.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

if __name__ == "__main__":
    import fuzzing

    fuzzing.main()
