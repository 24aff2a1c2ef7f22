"""Encode the stretches of a channel-day as miniSEED."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from obspy import Stream, Trace, UTCDateTime

from couloir.identifiers import NS_PER_S, ChannelId

RECORD_LENGTH = 512


def encode_channel(
    counts: NDArray[np.int32],
    stretches: Sequence[tuple[int, int]],
    *,
    channel: ChannelId,
    start_ns: int,
    sampling_rate: float,
) -> bytes:
    """Encode a channel's samples as Steim2 in 512-byte records.

    Parameters
    ----------
    counts
        The day's samples, shape (n,).
    stretches
        Samples to write, in the order of writing: first and one past the last of each stretch.
    channel
        The channel's codes.
    start_ns
        Time of the first sample, ns since the epoch.
    sampling_rate
        Sampling rate, Hz.
    """
    header = {
        "network": channel.network,
        "station": channel.station,
        "location": channel.location,
        "channel": channel.channel,
        "sampling_rate": sampling_rate,
    }
    traces = [
        Trace(
            counts[low:high],
            header | {"starttime": UTCDateTime(ns=start_ns + round(low * NS_PER_S / sampling_rate))},
        )
        for low, high in stretches
    ]
    encoded = io.BytesIO()
    Stream(traces).write(encoded, format="MSEED", encoding="STEIM2", reclen=RECORD_LENGTH)
    return encoded.getvalue()
