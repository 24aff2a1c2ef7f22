import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couloir.archive.layout import CODES, PRESETS, Layout, codes_of, dates_of
from couloir.archive.template import Level
from couloir.errors import ConfigError
from couloir.identifiers import ChannelId, Pattern

TEMPLATES = [
    *PRESETS,
    "{year}/{net}.{sta}.{loc}.{cha}.{year}.{doy}.sac",
    "{net}/{sta}/{year}/{month}/{day}/{cha}_{loc}.mseed",
    "/data/{sta}_{cha}_{year}-{month}-{day}.(1).ms/",
    "{sta:_>6}/{loc:-<2}/{cha}.{net:_<2}.{year}.{doy}[_v{version}]",
    "{sta:_<5}.{sta}.{loc:_<3}.{cha}.{year}.{doy}.v{version}",
]
nets = st.text("ABCXYZ0189", min_size=1, max_size=2)
stations = st.text("ABCXYZ0189", min_size=1, max_size=5)
channels = st.builds(
    ChannelId, nets, stations, st.sampled_from(["", "00", "10"]), st.sampled_from(["HHZ", "EH1", "BDF"])
)
days = st.dates(dt.date(1970, 1, 1), dt.date(2100, 12, 31))


def read_back(layout, path, known):
    parts = path.split("/")
    assert len(parts) == len(layout.levels)
    for level, part in zip(layout.levels, parts, strict=True):
        fields = level.reader(known)(part)
        assert fields is not None
        known = known | fields
    return known


@given(st.sampled_from(TEMPLATES), channels, days, st.integers(0, 99))
def test_codes_and_day_read_back_from_the_path_that_was_written(name, channel, day, version):
    layout = Layout.named(name)
    expected = codes_of(channel) | dates_of(day) | {"version": str(version)}
    told = {code: expected[code] for code in CODES if code not in layout.fields}
    known = read_back(layout, layout.path(channel, day, version=version), told)
    assert {code: known[code] for code in CODES} == codes_of(channel)
    assert all(expected[name] == value for name, value in known.items())


@given(st.sampled_from(["sds", "scedc", "ncedc"]), channels, channels, days)
def test_the_codes_alone_tell_paths_apart(name, one, other, day):
    layout = Layout.named(name)
    assert (layout.path(one, day) == layout.path(other, day)) == (one == other)


@given(st.sampled_from(TEMPLATES), channels, days, st.data())
def test_every_name_that_a_pattern_selects_begins_with_its_prefix(name, channel, day, data):
    codes = (channel.network, channel.station, channel.location, channel.channel)
    cut = [data.draw(st.integers(0, len(code))) for code in codes]
    spelled = data.draw(st.lists(st.booleans(), min_size=4, max_size=4))
    pattern = Pattern(
        *(code if whole else f"{code[:n]}*" for code, n, whole in zip(codes, cut, spelled, strict=True))
    )
    assert pattern.matches(channel)
    layout = Layout.named(name)
    for level in layout.levels:
        known = codes_of(channel) | dates_of(day) | {"version": "3"}
        hidden = data.draw(st.sets(st.sampled_from(sorted(known))))
        prefix = level.prefix({key: known[key] for key in known.keys() - hidden}, pattern)
        assert level.write(known).startswith(prefix)


@pytest.mark.parametrize(
    ("name", "channel", "day", "path"),
    [
        ("SDS", "GG.LH01.10.EHZ", (2020, 3, 28), "2020/GG/LH01/EHZ.D/GG.LH01.10.EHZ.D.2020.088"),
        ("scedc", "CI.SDD..HHZ", (2016, 7, 1), "continuous_waveforms/2016/2016_183/CISDD__HHZ___2016183.ms"),
        ("scedc", "CI.LJR.2C.LNZ", (2022, 1, 2), "continuous_waveforms/2022/2022_002/CILJR__LNZ2C_2022002.ms"),
        ("ncedc", "NC.KBG..HHZ", (2018, 1, 23), "continuous_waveforms/NC/2018/2018.023/KBG.NC.HHZ..D.2018.023"),
        (
            "ncedc",
            "BK.MERC.00.HNZ",
            (2022, 9, 11),
            "continuous_waveforms/BK/2022/2022.254/MERC.BK.HNZ.00.D.2022.254",
        ),
        ("earthscope", "IU.ANMO.00.BHZ", (2024, 1, 15), "miniseed/IU/2024/015/ANMO.IU.2024.015"),
    ],
)
def test_presets_write_the_paths_that_the_data_centres_publish(name, channel, day, path):
    assert Layout.named(name).path(ChannelId(*channel.split(".")), dt.date(*day)) == path


def test_a_version_may_be_missing_and_is_read_where_it_is_there():
    read = Layout.named("earthscope").levels[-1].reader({})
    assert read("A04A.TA.2004.365#2")["version"] == "2"
    assert "version" not in read("A04A.TA.2004.365")
    assert read("A04A.TA.2004.365#") is None
    assert read("A04A.TA.2004.365#x") is None


@pytest.mark.parametrize("name", ["CI_SDD_HHZ___2016183.ms", "CISD_D_HHZ___2016183.ms", "CISDD__HHZ__2016183.ms"])
def test_a_name_that_is_padded_otherwise_is_none_of_the_layout(name):
    assert Layout.named("scedc").levels[-1].reader({})(name) is None


def test_only_a_layout_without_channels_holds_all_of_a_station():
    assert not Layout.named("earthscope").names_channels
    assert not Layout.named("{year}/{sta}.{loc}.{doy}").names_channels
    assert all(Layout.named(name).names_channels for name in ("sds", "scedc", "ncedc"))


def test_a_field_that_is_there_twice_must_agree():
    read = Level("{sta:_<5}.{sta}.{doy}").reader({})
    assert read("LH01_.LH01.088") == {"sta": "LH01", "doy": "088"}
    assert read("LH01_.LH02.088") is None


def test_known_fields_and_signs_of_the_template_are_taken_literally():
    read = Level("{net}.{sta}+.{cha}").reader({"net": "G."})
    assert read("G..LH01+.EHZ") is not None
    assert read("GX.LH01+.EHZ") is None
    assert read("G..LH011.EHZ") is None


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("seisan", ["'seisan' is no layout", "sds", "scedc", "ncedc", "earthscope"]),
        ("{year}/{station}.{cha}.{doy}", ["{station}", "{sta}"]),
        ("{year}/{net}.{cha}.{doy}", ["must hold", "{sta}"]),
        ("{sta}.{cha}.{year}", ["must hold", "{doy}"]),
        ("{sta}.{cha}.{month}.{day}", ["must hold", "{year}"]),
        ("{year}/{doy}/{sta}.{cha", ["is no template", "expected '}'"]),
        ("{year}/{doy}/{sta}.{cha}}", ["is no template"]),
        ("{year:04}/{doy}/{sta}.{cha}", ["{year}", "without a format", "{sta:_<5}"]),
        ("{year}/{doy}/{sta:<5}.{cha}", ["{sta}", "fill, side and width"]),
        ("{year}/{doy}/{sta!r}.{cha}", ["{sta}", "without a format"]),
        ("{}/{year}/{doy}/{sta}.{cha}", ["unknown field {}"]),
        ("{year}/{doy}/{sta}.{cha}[.{loc}]", ["[.{loc}]", "{version}"]),
        ("{year}/{doy}/{sta}.{cha}[#{version}", ["brackets", "do not match"]),
        ("{year}/{version}/{sta}.{cha}.{doy}", ["{version}", "after the last /"]),
    ],
)
def test_a_bad_template_is_refused_with_what_is_wrong(template, words):
    with pytest.raises(ConfigError, match=r"archive\.layout") as caught:
        Layout.named(template)
    for word in words:
        assert re.search(re.escape(word), str(caught.value))
