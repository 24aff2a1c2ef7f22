import datetime as dt
import pickle

import pytest

from couloir.errors import ConfigError
from couloir.synth import ALL_CLASSES, FAULT_CLASSES, SynthSpec

DAY = dt.date(2024, 3, 6)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"days": 0}, r"days: 0 must be"),
        ({"stations": 0}, r"stations: 0 must be"),
        ({"stations": 1000}, r"stations: 1000 must be .* 999"),
        ({"stations": 2.5}, r"stations: 2.5 must be a whole number"),
        ({"seed": -1}, r"seed: -1"),
        ({"sampling_rate": 5.0}, r"sampling_rate: 5.0 Hz"),
        ({"sampling_rate": 40.00002}, r"sampling_rate: 40.00002 Hz"),
        ({"activity": -1.0}, r"activity: -1.0"),
        ({"activity": float("nan")}, r"activity: nan"),
        ({"classes": ("rockfal",)}, r"classes: 'rockfal' is unknown.*Nearest: 'rockfall'"),
        ({"classes": "rockfall"}, r"classes: 'rockfall' must be a list"),
        ({"rates": {"steps": 1.0}}, r"rates: 'steps' is unknown.*Nearest: 'step'"),
        ({"rates": {"gap": -2.0}}, r"rates\['gap'\]: -2.0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong, text):
    with pytest.raises(ConfigError, match=text):
        SynthSpec(**{"start": DAY, "days": 1} | wrong)


def test_activity_multiplies_the_classes_and_not_the_faults():
    calm, busy = SynthSpec(DAY, 1), SynthSpec(DAY, 1, activity=3.0)
    assert all(busy.rate(label) == 3 * calm.rate(label) > 0 for label in ALL_CLASSES)
    assert all(busy.rate(label) == calm.rate(label) > 0 for label in FAULT_CLASSES)


def test_rates_of_what_is_switched_off_are_zero():
    spec = SynthSpec(DAY, 1, classes=("rockfall",), faults=False, rates={"vehicle": 9.0, "gap": 9.0})
    assert [label for label in ALL_CLASSES + FAULT_CLASSES if spec.rate(label)] == ["rockfall"]


def test_a_specification_survives_pickling():
    spec = SynthSpec(DAY, 2, rates={"vehicle": 9.0})
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own bytes
