"""The page as a whole: sound HTML, nothing from outside, the data's own numbers, sensible at the edges."""

import dataclasses
import datetime as dt
import re

import matplotlib
import numpy as np
import pytest

from couloir.identifiers import DAY_NS
from couloir.report import ClusterView, DayOutcome, DetectionRow, ScoreRow, palette, render

DOI = "https://doi.org/10.1785/0220230011"


@pytest.fixture(scope="module")
def data(build):
    return build()


@pytest.fixture(scope="module")
def html(data):
    return render(data)


@pytest.fixture(scope="module")
def page(html, read):
    return read(html)


def check_sound(html, read):
    """Check what every page must satisfy, and give its elements."""
    page = read(html)
    ids = [element.attributes["id"] for element in page.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.walk():
        for name in ("src", "href", "xlink:href"):
            address = element.attributes.get(name, "data:")
            assert address.startswith(("#", "data:")) or address == DOI
            assert not address.startswith("#") or address[1:] in ids
    assert set(re.findall(r"url\(#([^)]*)\)", html)) <= set(ids)
    assert not page.all("script")
    assert "nan" not in re.sub(r"base64,[^\"]*", "", html).lower().split()
    return page


def table_rows(table):
    return [[cell.text for cell in row.children] for row in table.one("tbody").all("tr")]


def test_page_is_well_nested_and_needs_no_other_file(html, read):
    page = check_sound(html, read)
    assert html.startswith("<!doctype html>")
    assert page.one("html").attributes["lang"] == "en"
    assert not re.search(r"@import|url\((?!#)", html)


def test_page_forbids_scripts_and_foreign_content_by_its_policy(page):
    (policy,) = [element for element in page.all("meta") if "http-equiv" in element.attributes]
    assert policy.attributes["content"].startswith("default-src 'none'")
    assert "script-src" not in policy.attributes["content"]


def test_sections_stand_in_reading_order(page, data):
    ids = [section.attributes["id"] for section in page.all("section")]
    clusters = [f"cluster-{view.cluster}" for view in data.largest_first]
    assert ids == ["summary", "clusters", *clusters, "latent", "training", "truth", "days", "run"]


def test_overview_table_gives_the_numbers_of_the_data(page, data):
    rows = table_rows(page.one("table", class_="overview"))
    assert len(rows) == len(data.clusters)
    for view, row in zip(data.largest_first, rows, strict=True):
        members = data.cluster == view.cluster
        assert row[0] == f"Cluster {view.cluster}"
        assert row[2] == str(members.sum())
        assert row[3] == f"{100 * members.mean():.0f} %"
        assert row[5] == f"{np.median(data.confidence[members]):.2f}"
        labels = [view.majority_class or "–", "–" if view.purity is None else f"{view.purity:.2f}"]
        assert row[6:] == [*labels, str(view.labelled)]


def test_overview_table_links_to_every_cluster(page, data):
    links = [link.attributes["href"] for link in page.one("table", class_="overview").all("a")]
    assert links == [f"#cluster-{view.cluster}" for view in data.largest_first]


def test_overview_table_has_no_class_columns_without_labels(build, read):
    data = build()
    views = tuple(
        dataclasses.replace(view, majority_class=None, purity=None, labelled=0) for view in data.clusters
    )
    page = read(render(dataclasses.replace(data, clusters=views)))
    assert "Purity" not in page.one("table", class_="overview").text


def test_cluster_section_shows_components_typical_events_stations_and_histograms(page, data):
    for view in data.clusters:
        section = page.one("section", id=f"cluster-{view.cluster}")
        labels = [picture.attributes["aria-label"] for picture in section.all("div", role="img")]
        for component in "ENZ":
            assert f"Mean spectrogram of cluster {view.cluster}, component {component}" in labels
        assert sum(label.startswith("Waveform") for label in labels) == len(view.typical)
        assert sum(label.startswith(("Dates", "Hours")) for label in labels) == 2
        assert "2020-03-28 01:02:03.0 UTC" in section.text
        assert "confidence 0.87" in section.text
        stations = data.station_index[data.cluster == view.cluster]
        for index, station in enumerate(data.stations):
            assert f"{station} {np.sum(stations == index)} (" in section.text


def test_cluster_has_the_same_colour_in_its_heading_table_map_and_histograms(page, data):
    seen = set()
    for view in data.clusters:
        section = page.one("section", id=f"cluster-{view.cluster}")
        colour = re.search(r"#[0-9a-f]{6}", section.one("h2").all("span")[0].attributes["style"]).group()
        fills = [path.attributes.get("style", "") for path in section.all("path")]
        assert sum(f"fill: {colour}" in fill for fill in fills) == 2
        for place in ("overview", "entries"):
            rows = [row for row in page.one(class_=place).walk() if row.tag in ("tr", "li")]
            (row,) = [row for row in rows if row.text.startswith(f"Cluster {view.cluster}")]
            assert colour in row.all("span")[0].attributes["style"]
        seen.add(colour)
    assert len(seen) == len(data.clusters)


def test_largest_cluster_takes_the_first_colour(page, data):
    section = page.one("section", id=f"cluster-{data.largest_first[0].cluster}")
    assert palette.BASE[0] in section.one("h2").all("span")[0].attributes["style"]


def test_every_figure_says_in_words_what_it_shows(page):
    pictures = page.all("svg")
    assert len(pictures) > 20
    for picture in pictures:
        holder = picture.parent.attributes
        assert holder["role"] == "img"
        assert len(holder["aria-label"]) > 10
    for image in page.all("img"):
        assert image.attributes["alt"]


def test_best_score_of_each_column_is_bold(page):
    table = page.one("section", id="truth").all("table")[0]
    bold = [element.text for element in table.all("strong")]
    assert bold == ["0.830", "0.710", "0.790", "0.880"]
    assert "four different numbers" in table.text
    assert "raw cluster ids" in table.text


def test_confusion_and_detection_tables_give_the_numbers_of_the_data(page, data):
    _, confusion, detection = page.one("section", id="truth").all("table")
    classes, matrix = data.confusion
    for row, name, counts in zip(table_rows(confusion), classes, matrix, strict=True):
        assert row == [name, *map(str, counts), str(counts.sum())]
    assert table_rows(detection) == [
        ["all", "70", "60", "0.857", "0.900"],
        ["rockfall", "30", "29", "0.967", "–"],
    ]


def test_names_from_the_data_are_escaped_everywhere(build, build_event, read):
    evil = "<script>alert('x')</script>\"><img src=x onerror=y>"
    rng = np.random.default_rng(0)
    data = build(clusters=1, events=5, days=2)
    event = build_event(rng, event_id=evil, station=evil)
    view = dataclasses.replace(data.clusters[0], majority_class=evil, typical=(event,))
    html = render(
        dataclasses.replace(
            data,
            title=evil,
            facts=((evil, evil),),
            stations=(evil,) * 3,
            clusters=(view,),
            outcomes=(DayOutcome(evil, dt.date(2020, 3, 28), "failed", 0, evil),),
            scores=(ScoreRow(evil, 0.1, 0.1, 0.1, 0.1),),
            detection=(DetectionRow(evil, 1, 1, 1.0, None),),
            confusion=((evil,), np.ones((1, 1), dtype=int)),
            warnings=(evil,),
            map_method=evil,
            spectrogram_label=evil,
        )
    )
    assert not re.search("<script|<img src=x", html)
    page = check_sound(html, read)
    assert page.one("h1").text == evil
    assert not [element for element in page.walk() if "onerror" in element.attributes]
    for place in ("summary", "cluster-0", "latent", "truth", "days", "run"):
        assert evil in page.one("section", id=place).text


def test_same_data_gives_the_same_bytes_whatever_the_users_plotting_style(build):
    first = render(build(clusters=1, events=20))
    with matplotlib.rc_context({"font.size": 30, "axes.labelpad": 20, "xtick.direction": "in"}):
        second = render(build(clusters=1, events=20))
        assert matplotlib.rcParams["font.size"] == 30
    same = first == second  # compared here: pytest would spend minutes on the difference of two pages
    assert same


def test_page_holds_no_date_of_its_making(html):
    plain = re.sub(r"base64,[^\"]*|[\d.]*\d\.\d+", "", html)
    assert not re.search(rf"<metadata|\b{dt.datetime.now(tz=dt.UTC).year}-\d\d", plain)


def test_page_of_six_clusters_with_full_size_windows_stays_under_four_megabytes(build):
    html = render(build(clusters=6, events=600, typical=4, size=128, samples=2000))
    assert len(html.encode()) < 4_000_000


def test_no_events_give_words_instead_of_figures(build_empty, read):
    page = check_sound(render(build_empty(facts=())), read)
    assert page.one("p", class_="lead").text == (
        "No events were detected at 3 stations in 20 days (2020-03-28 to 2020-04-16, UTC)."
    )
    for place in ("clusters", "latent", "training"):
        section = page.one("section", id=place)
        assert section.all("p")
        assert not section.all("svg")
    assert not page.all("section", id="truth")
    assert len(page.one("section", id="days").all("svg")) == 1


def test_nothing_at_all_gives_a_page(build_empty, read):
    page = check_sound(render(build_empty(outcomes=(), facts=())), read)
    assert page.one("p", class_="lead").text == "No events were detected."
    assert "No station-days were recorded." in page.one("section", id="days").text


def test_one_event_gives_a_page_without_a_map(build, read):
    page = check_sound(render(build(clusters=1, events=1, days=1)), read)
    assert page.one("p", class_="lead").text.startswith("1 event at 3 stations in 1 day (2020-03-28, UTC)")
    assert "Too few events" in page.one("section", id="latent").text
    assert page.one("section", id="cluster-0").all("svg")


def test_forty_clusters_each_have_a_section_and_a_colour(build, read):
    data = build(clusters=40, events=400, typical=0, size=16)
    page = check_sound(render(data), read)
    sections = [section for section in page.all("section") if section.attributes["id"].startswith("cluster-")]
    assert len(sections) == 40
    swatches = {section.one("h2").all("span")[0].attributes["style"] for section in sections}
    assert len(swatches) == 40
    assert "all others are grey" in page.one("section", id="summary").text


def test_cluster_without_events_is_said_to_be_empty(build, read):
    data = build(clusters=1, typical=0)
    hollow = ClusterView(99, 0, None, None, 0, np.full((32, 32, 3), np.nan))
    data = dataclasses.replace(data, clusters=(*data.clusters, hollow), confusion=None)
    page = check_sound(render(data), read)
    assert "No events fell into this cluster." in page.one("section", id="cluster-99").text
    assert "Cluster 99 holds no events." in page.one("div", class_="warnings").text


def test_events_of_no_listed_cluster_are_counted_as_unassigned(build, read):
    data = build(clusters=2, typical=0)
    last = data.clusters[-1]
    cluster = np.where(data.cluster == last.cluster, -1, data.cluster)
    rest = dataclasses.replace(data, cluster=cluster, clusters=data.clusters[:-1], confusion=None)
    page = check_sound(render(rest), read)
    assert f"{last.events} events belong to none" in page.one("section", id="clusters").text
    assert f"; {last.events} in none" in page.one("p", class_="lead").text


def test_missing_components_are_shown_as_no_record(build, build_event, read):
    rng = np.random.default_rng(1)
    waveform = rng.normal(size=(3, 400)).astype(np.float32)
    waveform[:2] = np.nan
    planes = rng.normal(size=(32, 32, 3)).astype(np.float32)
    planes[..., :2] = 0
    data = build(clusters=1, events=5)
    event = build_event(rng, waveform=waveform, spectrogram=planes)
    view = dataclasses.replace(data.clusters[0], typical=(event,), mean_spectrogram=planes)
    page = check_sound(render(dataclasses.replace(data, clusters=(view,), confusion=None)), read)
    section = page.one("section", id="cluster-0")
    missing = {
        picture.attributes["aria-label"]: sum(text.text == "no record" for text in picture.all("text"))
        for picture in section.all("div", role="img")
    }
    assert missing["Mean spectrogram of cluster 0, component E"] == 1
    assert missing["Mean spectrogram of cluster 0, component Z"] == 0
    assert missing["Waveform (E, N, Z) and spectrogram of event event-0 at GG.LH01.10.EH"] == 2


def test_event_without_any_record_is_said_to_have_none(build, build_event, read):
    rng = np.random.default_rng(1)
    event = build_event(rng, waveform=np.full((3, 400), np.nan), spectrogram=np.zeros((32, 32, 3)))
    data = build(clusters=1, events=5)
    view = dataclasses.replace(data.clusters[0], typical=(event,))
    page = check_sound(render(dataclasses.replace(data, clusters=(view,), confusion=None)), read)
    assert "no waveform" in page.one("section", id="cluster-0").text


def test_three_years_of_many_stations_are_shown_by_month(build, build_outcomes, read):
    stations = tuple(f"GG.S{number:02d}.10.EH" for number in range(20))
    data = build(clusters=1, typical=0, days=1096, outcomes=build_outcomes(1096, stations))
    html = render(data)
    page = check_sound(html, read)
    assert "One column a month" in page.one("section", id="days").text
    assert "events per month" in page.one("section", id="summary").text
    assert len(html) < 1_500_000


def test_single_day_is_shown_by_day_and_its_events_by_finer_bins(build, read):
    data = build(clusters=1, days=1, typical=0)
    first = int(data.onset_ns.min()) // DAY_NS * DAY_NS
    page = check_sound(render(dataclasses.replace(data, onset_ns=first + (data.onset_ns - first) // 12)), read)
    assert "One column a day" in page.one("section", id="days").text
    assert "events per 5 minutes" in page.one("section", id="summary").text


def test_histograms_of_several_days_reach_over_silent_days_too(build, read):
    data = build(clusters=1, days=60, typical=0)
    early = np.minimum(data.onset_ns, data.onset_ns.min() + 2 * DAY_NS)
    page = read(render(dataclasses.replace(data, onset_ns=early)))
    assert "events per day" in page.one("section", id="summary").text


def test_problem_days_are_listed_with_reasons_and_warned_of(build, read):
    data = build(clusters=1, days=3, typical=0)
    bad = DayOutcome("GG.LH09.10.EH", dt.date(2020, 3, 28), "unreadable", 0, "record 14 does not decode")
    page = read(render(dataclasses.replace(data, outcomes=(*data.outcomes, bad))))
    assert "1 of 10 station-days could not be used: 1 unreadable." in page.one("div", class_="warnings").text
    assert "record 14 does not decode" in page.one("section", id="days").text


def test_long_list_of_problems_is_cut_and_the_cut_is_said(build, read):
    odd = tuple(
        DayOutcome("GG.LH01.10.EH", dt.date(2020, 1, 1) + dt.timedelta(days=2 * i), "flat", 0, f"reason {i}")
        for i in range(160)
    )
    page = read(render(build(clusters=1, typical=0, outcomes=odd)))
    section = page.one("section", id="days")
    assert "10 more lines are left out" in section.text
    assert len(section.all("table")[-1].one("tbody").all("tr")) == 150


def test_page_without_problems_has_no_warnings(page):
    assert not page.all("div", class_="warnings")
    assert "Every station-day was ok." in page.one("section", id="days").text
