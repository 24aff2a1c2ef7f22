"""Measure how long the planning of many objects in a bucket takes, against a real S3 server on this machine."""

import argparse
import asyncio
import datetime as dt
import os
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from couloir.archive.inventory import take_inventory
from couloir.archive.layout import Layout
from couloir.archive.listing import list_objects
from couloir.config import BAND_PRIORITY
from couloir.identifiers import ChannelId, Pattern

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import s3server

FIRST = dt.date(2023, 1, 1)
CHANNELS = ("HHE", "HHN", "HHZ")
NETWORKS = ("CI", "NC")
_AT_ONCE = 64
_FILER = 6
"""Which of the server's ports takes files without signatures: five times as fast as by S3."""


def paths(layout: Layout, stations: int, days: int) -> list[str]:
    """List the keys of an archive, half of its stations in either network."""
    return [
        layout.path(ChannelId(NETWORKS[number % 2], f"S{number:03d}", "", code), FIRST + dt.timedelta(days=day))
        for number in range(stations)
        for code in CHANNELS
        for day in range(days)
    ]


async def fill(server: s3server.S3Server, bucket: str, keys: list[str]) -> None:
    """Put tiny objects into a bucket."""
    root = f"http://127.0.0.1:{server.ports[_FILER]}/buckets/{bucket}"
    waiting = iter(keys)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:

        async def put_some() -> None:
            for key in waiting:
                async with session.put(f"{root}/{key}", data=b"x") as answer:
                    assert answer.status in (200, 201), await answer.text()

        await asyncio.gather(*(put_some() for _ in range(_AT_ONCE)))


def plan(server: s3server.S3Server, name: str, bucket: str, select: str, days: int) -> tuple[int, float, float]:
    """List and take the inventory; give the number of objects, and the seconds of each."""
    period = [FIRST + dt.timedelta(days=k) for k in range(days)]
    began = time.perf_counter()
    listing = list_objects(
        f"s3://{bucket}",
        Layout.named(name),
        patterns=[Pattern.parse(select)],
        days=period,
        storage_options=server.options(),
    )
    listed = time.perf_counter()
    inventory = take_inventory(listing.objects, days=period, band_priority=BAND_PRIORITY)
    assert inventory.chosen
    return len(listing.objects), listed - began, time.perf_counter() - listed


def main() -> None:
    """Print the seconds of listing and of the inventory, by layout and selection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--layouts", nargs="+", default=["sds", "scedc"])
    given = parser.parse_args()
    if lacking := s3server.missing():
        parser.error(lacking)
    os.environ |= s3server.KEYS | {"AWS_DEFAULT_REGION": "us-east-1"}
    stations = -(-given.objects // (given.days * len(CHANNELS)))
    with tempfile.TemporaryDirectory() as folder:
        server = s3server.S3Server(Path(folder)).start()
        try:
            for name in given.layouts:
                keys = paths(Layout.named(name), stations, given.days)
                server.make_bucket(name)
                began = time.perf_counter()
                asyncio.run(fill(server, name, keys))
                print(f"{name}: {len(keys):,} objects made in {time.perf_counter() - began:.0f} s", flush=True)
                for select in ("*.*.*.*", "CI.*.*.HH?", "CI.S000.--.HHZ"):
                    count, listing, inventory = plan(server, name, name, select, given.days)
                    print(
                        f"  {select:15} {count:>8,} objects  listing {listing:6.1f} s  "
                        f"inventory {inventory:5.1f} s",
                        flush=True,
                    )
        finally:
            server.close()


if __name__ == "__main__":
    main()
