"""Name channels, station-days and blocks, and match the patterns that select them."""

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

NS_PER_S = 1_000_000_000
HOUR_NS = 3600 * NS_PER_S
"""Events of one UTC hour (onset // HOUR_NS), at any station, are one group wherever they must be independent."""
DAY_NS = 86_400 * NS_PER_S
EPOCH = dt.date(1970, 1, 1)

_CODE = re.compile(r"[A-Z0-9*?]*", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Z0-9_-]*\.[A-Z0-9_-]*\.[A-Z0-9_-]*\.[A-Z0-9_-]*", re.IGNORECASE | re.ASCII)
"""Four codes that are safe as part of a path: what a record says its station is may be anything."""

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


def day_start_ns(day: dt.date) -> int:
    """Give the first instant of a UTC day in ns since the epoch."""
    return (day - EPOCH).days * DAY_NS


def day_of_ns(time_ns: int) -> dt.date:
    """Give the UTC day that holds an instant in ns since the epoch."""
    return EPOCH + dt.timedelta(days=int(time_ns // DAY_NS))


def format_time(time_ns: int) -> str:
    """Write an instant in ns since the epoch as ISO 8601 UTC with microseconds."""
    seconds, rest = divmod(int(time_ns), NS_PER_S)
    moment = dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


@dataclass(frozen=True, order=True, slots=True)
class ChannelId:
    """Name one channel: network, station, location and channel codes (SEED)."""

    network: str
    station: str
    location: str
    channel: str

    def __str__(self) -> str:
        return f"{self.network}.{self.station}.{self.location}.{self.channel}"

    @property
    def band(self) -> "BandId":
        """The station's band and instrument this channel is a component of."""
        return BandId(self.network, self.station, self.location, self.channel[:2])

    @property
    def is_plain(self) -> bool:
        """Whether its codes are such as seismology uses, and so may name a folder."""
        return _PLAIN.fullmatch(str(self)) is not None

    @property
    def component(self) -> str:
        """The orientation code: the channel code's last letter."""
        return self.channel[2:]


@dataclass(frozen=True, order=True, slots=True)
class BandId:
    """Name the channels of one sensor: network, station, location, and band and instrument codes."""

    network: str
    station: str
    location: str
    band_instrument: str

    def __str__(self) -> str:
        return f"{self.network}.{self.station}.{self.location}.{self.band_instrument}"

    @classmethod
    def parse(cls, text: str) -> "BandId":
        """Read ``NET.STA.LOC.BI``; an empty location may be written ``--``.

        Raises
        ------
        ValueError
            When it is not four codes.
        """
        if not _PLAIN.fullmatch(text):
            raise ValueError(f"{text!r} is no band: NET.STA.LOC.BI, of letters, digits, - and _")
        network, station, location, band_instrument = text.split(".")
        return cls(network, station, "" if location == "--" else location, band_instrument)


@dataclass(frozen=True, order=True, slots=True)
class StationDay:
    """Name the unit of detection: one sensor on one UTC day."""

    band: BandId
    day: dt.date

    def __str__(self) -> str:
        return f"{self.band} {self.day:%Y-%m-%d}"

    @property
    def block(self) -> "Block":
        """The station-month in which this day's events are stored."""
        return Block(self.band, self.day.year, self.day.month)

    @property
    def start_ns(self) -> int:
        """The day's first instant, ns since the epoch."""
        return day_start_ns(self.day)


@dataclass(frozen=True, order=True, slots=True)
class Block:
    """Name the unit of storage: one sensor in one month."""

    band: BandId
    year: int
    month: int

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """The block's group in the spectrogram archive, ``NET.STA.LOC.BI/YYYY-MM``."""
        return f"{self.band}/{self.year:04d}-{self.month:02d}"

    @classmethod
    def parse(cls, key: str) -> "Block":
        """Read a block's key.

        Raises
        ------
        ValueError
            When it is none.
        """
        band, _, month = key.partition("/")
        if not _MONTH.fullmatch(month):
            raise ValueError(f"{key!r} is no block: NET.STA.LOC.BI/YYYY-MM")
        year, _, number = month.partition("-")
        return cls(BandId.parse(band), int(year), int(number))

    @property
    def start_ns(self) -> int:
        """The month's first instant, ns since the epoch."""
        return day_start_ns(dt.date(self.year, self.month, 1))

    @property
    def end_ns(self) -> int:
        """The first instant after the month, ns since the epoch."""
        return self.start_ns + calendar.monthrange(self.year, self.month)[1] * DAY_NS


@dataclass(frozen=True)
class Pattern:
    """Match channels by ``NET.STA.LOC.CHA`` with ``*`` and ``?``; ``--`` is an empty location.

    Parameters
    ----------
    network, station, location, channel
        One shell pattern for each code.
    """

    network: str = "*"
    station: str = "*"
    location: str = "*"
    channel: str = "*"

    def __str__(self) -> str:
        return f"{self.network}.{self.station}.{self.location or '--'}.{self.channel}"

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read a pattern.

        Raises
        ------
        ValueError
            When the text has not four codes separated by dots.

        Examples
        --------
        >>> Pattern.parse("GG.*.10.EH?").matches(ChannelId("GG", "LH01", "10", "EHZ"))
        True
        """
        codes = text.strip().split(".")
        if len(codes) != 4 or not all(codes[i] for i in (0, 1, 3)):
            raise ValueError(f"{text!r} is not a pattern NET.STA.LOC.CHA, like GG.*.10.EH? or GG.LH01.--.HHZ")
        network, station, location, channel = codes
        location = "" if location == "--" else location
        for code in (network, station, location, channel):
            if not _CODE.fullmatch(code):
                raise ValueError(f"{text!r}: {code!r} may hold letters, digits, * and ? only")
        return cls(network, station, location, channel)

    def matches(self, channel: ChannelId) -> bool:
        """Say whether a channel is one that this pattern selects."""
        return (
            fnmatchcase(channel.network, self.network)
            and fnmatchcase(channel.station, self.station)
            and fnmatchcase(channel.location, self.location)
            and fnmatchcase(channel.channel, self.channel)
        )
