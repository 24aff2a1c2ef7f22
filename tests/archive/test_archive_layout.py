import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.archive.layout import CODES, Layout, codes_of, dates_of, level_regex
from couloir.errors import ConfigError
from couloir.identifiers import ChannelId

TEMPLATES = [
    "sds",
    "{year}/{net}.{sta}.{loc}.{cha}.{year}.{doy}.sac",
    "{net}/{sta}/{year}/{month}/{day}/{cha}_{loc}.mseed",
    "/data/{sta}_{cha}_{year}-{month}-{day}.(1).ms/",
]
codes = st.text("ABCXYZ0189", min_size=1, max_size=5)
channels = st.builds(
    ChannelId, codes, codes, st.sampled_from(["", "00", "10"]), st.sampled_from(["HHZ", "EH1", "BDF"])
)


@given(st.sampled_from(TEMPLATES), channels, st.dates(dt.date(1970, 1, 1), dt.date(2100, 12, 31)))
def test_codes_and_day_read_back_from_the_path_that_was_written(name, channel, day):
    layout = Layout.named(name)
    known = {"net": channel.network, "loc": channel.location}  # as a template that leaves them out needs
    parts = layout.path(channel, day).split("/")
    assert len(parts) == len(layout.levels)
    for level, part in zip(layout.levels, parts, strict=True):
        match = level_regex(level, known).fullmatch(part)
        assert match
        known |= match.groupdict()
    expected = codes_of(channel) | dates_of(day)
    assert {name: known[name] for name in CODES} == codes_of(channel)
    assert all(expected[name] == value for name, value in known.items())


def test_sds_path_is_the_standard_one():
    path = Layout.named("SDS").path(ChannelId("GG", "LH01", "10", "EHZ"), dt.date(2020, 3, 28))
    assert path == "2020/GG/LH01/EHZ.D/GG.LH01.10.EHZ.D.2020.088"


def test_a_field_that_is_there_twice_must_agree():
    regex = level_regex("{sta}.{sta}.{doy}", {})
    assert regex.fullmatch("LH01.LH01.088")
    assert not regex.fullmatch("LH01.LH02.088")


def test_known_fields_and_signs_of_the_template_are_taken_literally():
    regex = level_regex("{net}.{sta}+.{cha}", {"net": "G."})
    assert regex.fullmatch("G..LH01+.EHZ")
    assert not regex.fullmatch("GX.LH01+.EHZ")
    assert not regex.fullmatch("G..LH011.EHZ")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("seisan", ["'seisan' is no layout", "sds"]),
        ("{year}/{station}.{cha}.{doy}", ["{station}", "{sta}"]),
        ("{year}/{net}.{cha}.{doy}", ["must hold", "{sta}"]),
        ("{sta}.{cha}.{year}", ["must hold", "{doy}"]),
        ("{sta}.{cha}.{month}.{day}", ["must hold", "{year}"]),
        ("{year}/{doy}/{sta}.{cha", ["is no template", "expected '}'"]),
        ("{year}/{doy}/{sta}.{cha}}", ["is no template"]),
        ("{year:04}/{doy}/{sta}.{cha}", ["{year}", "without a format"]),
        ("{year}/{doy}/{sta!r}.{cha}", ["{sta}", "without a format"]),
        ("{}/{year}/{doy}/{sta}.{cha}", ["unknown field {}"]),
    ],
)
def test_a_bad_template_is_refused_with_what_is_wrong(template, words):
    with pytest.raises(ConfigError, match=r"archive\.layout") as caught:
        Layout.named(template)
    for word in words:
        assert re.search(re.escape(word), str(caught.value))
