import csv
import math

from couloir.dec.log import COLUMNS, TrainingLog


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_log_has_its_columns_and_leaves_unknown_values_empty(tmp_path):
    with TrainingLog(tmp_path / "log.csv") as log:
        log.add("pretrain", 1, values={"loss": 0.5, "reconstruction": 0.5})
        log.add("cluster", 0, values={"loss": math.inf, "kl": 0.123456789, "changed": None})
    first, second = read(tmp_path / "log.csv")
    assert tuple(first) == COLUMNS
    assert (first["phase"], first["step"], first["loss"], first["kl"]) == ("pretrain", "1", "0.5", "")
    assert (second["loss"], second["kl"], second["changed"]) == ("", "0.123457", "")


def test_every_line_is_on_disk_before_the_log_is_closed(tmp_path):
    with TrainingLog(tmp_path / "log.csv") as log:
        log.add("pretrain", 1, values={"loss": 0.5})
        assert len(read(tmp_path / "log.csv")) == 1


def test_an_earlier_log_is_replaced(tmp_path):
    for _ in range(2):
        with TrainingLog(tmp_path / "log.csv") as log:
            log.add("pretrain", 1, values={})
    assert len(read(tmp_path / "log.csv")) == 1
