"""Describe a run: what a run file may hold, its defaults (the published numbers) and its limits."""

import datetime as dt
import hashlib
import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, field_validator, model_validator

from couloir.identifiers import Pattern
from couloir.kubernetes_site import KubernetesConfig
from couloir.section import SECRET, Positive, Section, Share
from couloir.sites import SlurmConfig

Kernel = Annotated[int, Field(ge=1, le=9)]

_SHORTEST_SEGMENT = 8
"""Samples of the shortest segment of a spectrogram that has a shape."""
BAND_PRIORITY = ("HH", "EH", "CH", "BH", "DH", "SH", "GH", "FH", "HN", "EN", "BN", "DP", "GP")


def _refuse_credentials(options: Any) -> Any:
    """Keep credentials out of what is written with the output, logged and sent to workers, however deep."""
    if isinstance(options, list | tuple):
        for value in options:
            _refuse_credentials(value)
    elif isinstance(options, dict):
        for name, value in options.items():
            if SECRET.search(str(name)):
                raise ValueError(
                    f"{name!r} is a credential and does not belong in a run file: set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY in the environment, or name a `profile`"
                )
            _refuse_credentials(value)
    elif isinstance(options, str):
        _refuse_userinfo(options)
    return options


def _refuse_userinfo(url: str) -> str:
    # user:password@, not host:port/with@sign; a bucket has no port
    if re.search(r"://[^/@]*:(?!\d*(/|$))[^@]*@|^s3a?://[^/@]*:", url):
        raise ValueError("the URL holds a password: give credentials in the environment")
    if re.search(r"[?&](X-(Amz|Goog)-)?(Signature|Credential|sig|AWSAccessKeyId)=", url, re.IGNORECASE):
        raise ValueError("the URL is signed, and a signature is a credential: give the plain URL")
    return url


Url = Annotated[str, Field(min_length=1), AfterValidator(_refuse_userinfo)]
StorageOptions = Annotated[dict[str, Any], AfterValidator(_refuse_credentials)]


Corners = tuple[Positive, Positive]


def _band_or_bands(value: Any) -> Any:
    """Tell a wrong band in one sentence: what is one, and what are several."""
    several = value if isinstance(value, list | tuple) and value else ()
    bands = several if several and all(isinstance(band, list | tuple) for band in several) else (several,)
    for band in bands:
        if len(band) != 2 or not all(
            isinstance(f, int | float) and not isinstance(f, bool) and f > 0 for f in band
        ):
            raise ValueError(
                f"{value!r} is no band: give two corners, [1, 45], or several bands, [[1, 5], [5, 45]]"
            )
    if len(set(map(tuple, bands))) < len(bands):
        raise ValueError(f"{value!r} holds a band twice")
    return value


Bands = Annotated[Corners | tuple[Corners, ...], BeforeValidator(_band_or_bands)]


class ArchiveConfig(Section):
    """Where the waveforms are and which of them to use."""

    url: Url
    """Folder or bucket prefix: a path, s3://bucket/prefix, or any URL that fsspec knows."""
    layout: str = "sds"
    """`sds`, `scedc`, `ncedc`, `earthscope`, or a path template such as `{year}/{net}.{sta}.{cha}.{doy}.sac`."""
    select: tuple[str, ...] = ("*.*.*.*",)
    """Channels as NET.STA.LOC.CHA with * and ?; an empty location is --. A list, or one pattern."""
    start: dt.date
    """First UTC day."""
    end: dt.date
    """The day after the last UTC day (exclusive)."""
    band_priority: tuple[str, ...] = BAND_PRIORITY
    """Where a station has several bands on one day, the first of these is used."""
    stationxml: Url | None = None
    """StationXML, a path or URL, * for several files: amplitudes are then ground motion (m/s), not counts."""
    storage_options: StorageOptions = Field(default_factory=dict)
    """Passed to the file system (endpoint_url, anon, profile). Keep credentials in the environment."""
    patience_s: Positive = 120.0
    """A request that is not answered, or answered "busy", is made again for this long, s."""

    @field_validator("select", "band_priority", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("select")
    @classmethod
    def _check_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Pattern.parse(text)
        return value

    @model_validator(mode="after")
    def _check_period(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"end ({self.end}) is exclusive and must be after start ({self.start})")
        return self

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The selection as patterns."""
        return tuple(Pattern.parse(text) for text in self.select)

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every UTC day from start up to, not including, end."""
        return tuple(self.start + dt.timedelta(days=i) for i in range((self.end - self.start).days))


class OutputConfig(Section):
    """Where everything that the run makes is written."""

    url: Url
    """Folder or bucket prefix. One run has one output."""
    storage_options: StorageOptions = Field(default_factory=dict)
    """Passed to the file system, as for the archive."""
    patience_s: Positive = 120.0
    """As for the archive, s."""


class DetectConfig(Section):
    """How transients are found in a station-day."""

    sampling_rate: Positive = 100.0
    """Rate of the detection and of the stored windows, Hz; other recordings are resampled."""
    band: Bands = (1.0, 45.0)
    """Corners of the zero-phase band-pass, Hz; several, [[1, 5], [5, 45]], trigger each by its own noise."""
    filter_order: Annotated[int, Field(ge=1, le=10)] = 4
    """Order of the Butterworth band-pass, before it is run both ways."""
    envelope: Literal["vector", "vertical", "any"] = "vector"
    """`vector`: root sum of squares of the components; `vertical`: Z alone; `any`: each by itself."""
    on_factor: Positive = 12.0
    """A trigger begins where the envelope exceeds median + on_factor x MAD (raw MAD)."""
    off_factor: Positive = 5.0
    """A trigger ends where the envelope stays under median + off_factor x MAD for quiet_s."""
    noise_window_s: Annotated[float, Field(ge=60, le=86_400)] | None = None
    """Measure median and MAD in a window this long that runs over the day, s; over the whole day when null."""
    quiet_s: Annotated[float, Field(ge=0)] = 2.0
    """How long the envelope stays low before a trigger has ended, s."""
    merge_s: Annotated[float, Field(ge=0)] = 5.0
    """Triggers closer than this, end to onset, become one, s."""
    least_duration_s: Annotated[float, Field(ge=0)] = 0.5
    """Shorter triggers are dropped, s."""
    edge_s: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """Samples this close to a gap neither count nor trigger: the filter has not settled there, s."""
    window_s: Positive = 20.0
    """Length of an event's window, s."""
    before_onset_s: Annotated[float, Field(ge=0)] = 5.0
    """How much of the window precedes the onset, s."""
    min_valid_s: Positive = 600.0
    """A station-day with fewer valid seconds than this is `too_gappy`: its median means nothing."""
    max_windows: Annotated[int, Field(ge=1)] = 1_000
    """Most windows kept of one station-day, of its strongest triggers; a broken digitizer triggers all day."""
    min_window_coverage: Share = 0.75
    """A window that has fewer of its samples than this is not stored; the outcome counts it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for low, high in self.bands:
            if not low < high < self.sampling_rate / 2:
                raise ValueError(
                    f"band [{low:g}, {high:g}] must rise and stay below half the sampling rate "
                    f"({self.sampling_rate / 2:g} Hz)"
                )
        if self.off_factor > self.on_factor:
            raise ValueError(f"off_factor ({self.off_factor:g}) must not exceed on_factor ({self.on_factor:g})")
        if self.before_onset_s >= self.window_s:
            raise ValueError(
                f"before_onset_s ({self.before_onset_s:g}) must be less than window_s ({self.window_s:g})"
            )
        return self

    @property
    def bands(self) -> tuple[Corners, ...]:
        """The band-pass's corners, Hz, however many bands there are."""
        first = self.band[0]
        return (self.band,) if isinstance(first, float) else self.band  # type: ignore[return-value]

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        return round(self.window_s * self.sampling_rate)


class SpectrogramConfig(Section):
    """How a window becomes the network's input."""

    frequencies: Annotated[int, Field(ge=8, le=1024)] = 128
    """Frequency bins, from 0 Hz to Nyquist."""
    times: Annotated[int, Field(ge=8, le=1024)] = 128
    """Time frames over the window."""
    segment_s: Positive = 1.28
    """Length of the Hann-windowed segment of the short-time Fourier transform, s."""
    transform: Literal["boxcox", "log", "minmax", "none"] = "boxcox"
    """`boxcox`: Box-Cox by maximum likelihood, then standardised (published); `log`: log, then
    standardised; `minmax`: scaled to 0..1; `none`: the magnitudes."""
    missing_component: Literal["zero", "repeat"] = "zero"
    """`zero`: a missing component is a plane of zeros, its sample's mean; `repeat`: the vertical again."""


class AugmentConfig(Section):
    """How samples are changed at random in both phases of training; targets are those of the clean ones."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation either way, degrees; for images, not spectrograms."""
    shift: Share = 0.0
    """Largest shift along both axes either way, as a share of the size; for images."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Sizes change by a factor between 1 - zoom and 1 + zoom."""
    time_shift: Share = 0.0
    """Largest shift along time either way, as a share of the window."""
    gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Each component is multiplied by a factor between 1 - gain and 1 + gain."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of Gaussian noise that is added."""
    drop_component: Share = 0.0
    """Probability that a component becomes zeros; one is always left."""
    time_mask: Share = 0.0
    """Longest stretch of time that becomes zeros, as a share of the window."""
    frequency_mask: Share = 0.0
    """Widest band of frequencies that becomes zeros, as a share of all."""


class TrainConfig(Section):
    """The autoencoder, its pre-training and the clustering."""

    network: Literal["convolutional", "dense", "pooled"] = "convolutional"
    """`convolutional`: strides of 2 (published); `dense`: fully connected layers; `pooled`: convolutions,
    each followed by 2 x 2 max-pooling, whose last maps are the latent vector."""

    clusters: Annotated[int, Field(ge=2, le=200)] = 6
    """Number of clusters."""
    filters: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=6)] = (
        12,
        24,
        36,
        48,
    )
    """Filters of the encoder's convolutions, each of stride 2."""
    kernel: Kernel | Annotated[tuple[Kernel, ...], Field(min_length=1, max_length=6)] = 3
    """Size of the convolution kernels; a list, [5, 5, 3], gives each of the encoder's its own."""
    units: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=6)] = (500, 500, 2000)
    """Units of the dense network's layers before the latent vector."""
    activation: Literal["relu", "tanh"] = "relu"
    """Activation of the layers between input, latent vector and reconstruction, which are linear."""
    initializer: Literal["glorot", "fan_in"] = "glorot"
    """First weights, uniform: `glorot`: within (6 / (inputs + outputs))^0.5; `fan_in`: (1 / inputs)^0.5."""
    latent: Annotated[int, Field(ge=2)] = 64
    """Length of the latent vector."""
    noise: Annotated[float, Field(ge=0)] = 0.6
    """Standard deviation of the denoising autoencoder's noise, fresh each step."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """`adam`; `sgd`: stochastic gradient descent with momentum."""
    learning_rate: Positive = 0.001
    """The optimizer's learning rate."""
    clustering_optimizer: Literal["adam", "sgd"] | None = None
    """The clustering's optimizer; that of pre-training when null."""
    clustering_learning_rate: Positive | None = None
    """The clustering's learning rate; that of pre-training when null."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of `sgd`."""
    batch: Annotated[int, Field(ge=2)] = 256
    """Samples a step. Where memory does not suffice it is halved, and that is said."""
    shuffle: Annotated[int, Field(ge=2)] = 16_384
    """Samples that are shuffled all with all. Of larger archives runs of 64 neighbours are shuffled first: where
    they do not fit into memory, twice this many are held at a time (3 GB)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: training computes in it, with weights and losses in float32; faster on GPUs. With `float32` a
    GPU may still multiply in TF32, as its backend does by default."""
    deterministic: bool = True
    """Whether a GPU shall give the same bytes again, at some cost; a CPU always does."""
    epochs: Annotated[int, Field(ge=1)] = 200
    """Epochs of pre-training."""
    kl_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the clustering loss beside the reconstruction's."""
    reconstruction_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the mean squared reconstruction error; with 0 the clustering leaves the decoder as it is."""
    alpha: Positive = 1.0
    """Degrees of freedom of Student's t in the soft assignment."""
    target_balance: Annotated[float, Field(ge=0, le=2)] = 1.0
    """How strongly the target distribution evens out the clusters' sizes: exponent of the soft sizes f_j. 1 is
    Xie's; below 1 a rare class is less drawn into, or out of, a large one; 0 only sharpens."""
    update_interval: Annotated[int, Field(ge=1)] = 150
    """Iterations between two renewals of the target distribution."""
    tolerance: Share = 0.001
    """Clustering ends when fewer than this share of labels change between two renewals."""
    max_iterations: Annotated[int, Field(ge=0)] = 30_000
    """Clustering ends after this many iterations at the latest."""
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share of the windows that is not trained on, but measures what a new event may look like (novelty);
    whole hours are held out together. 0 trains on all, as published, and rejects nothing."""
    kmeans_starts: Annotated[int, Field(ge=1)] = 20
    """Starts of the k-means that gives the first centroids."""
    keep: Literal["best", "last"] = "best"
    """Which renewal's state is kept: `best`: of the lowest loss; `last`: as other published systems do.
    A collapsed one only if all are."""
    augment: AugmentConfig = Field(default_factory=AugmentConfig)
    """Random changes of the samples while training; none by default."""
    seed: int = 42
    """Seed of everything random."""
    seeds: int | tuple[int, ...] = 1
    """Trainings from other seeds, to see what is chance: how many, from `seed` on, or a list of seeds. The one
    that agrees best with the others becomes the model; the catalog tells what most of them say."""

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(seeds, int):
            if not 1 <= seeds <= 100:
                raise ValueError(f"{seeds} seeds: give 1 to 100, or a list of seeds")
        elif len(seeds) < 2:
            raise ValueError(f"seeds {list(seeds)} is no list of several: for a single training set `seed`")
        elif len(set(seeds)) != len(seeds):
            raise ValueError(f"seeds {list(seeds)} must differ from each other")
        return seeds

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds of all trainings."""
        return self.seeds if isinstance(self.seeds, tuple) else tuple(range(self.seed, self.seed + self.seeds))

    def of_seed(self, seed: int) -> Self:
        """Give the settings of one training among several."""
        return self.model_copy(update={"seed": seed, "seeds": 1})

    @model_validator(mode="after")
    def _check_kernels(self) -> Self:
        if len(self.kernels) != len(self.filters):
            raise ValueError(
                f"kernel {list(self.kernels)} must be one size, or one for each of the {len(self.filters)} filters"
            )
        return self

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.kl_weight == self.reconstruction_weight == 0:
            raise ValueError("kl_weight and reconstruction_weight are both 0: clustering would learn nothing")
        return self

    @property
    def kernels(self) -> tuple[int, ...]:
        """Kernel size of each of the encoder's convolutions."""
        return (self.kernel,) * len(self.filters) if isinstance(self.kernel, int) else self.kernel


class CatalogConfig(Section):
    """What is written beside the Parquet tables."""

    quakeml: bool = False
    """Also write catalog.xml (QuakeML): one event a trigger, or a network event; picks are onsets."""
    coincidence_stations: Annotated[int, Field(ge=2)] | None = None
    """Events on at least this many stations within coincidence_s make one network event; null: not looked for."""
    coincidence_s: Positive = 10.0
    """Longest time between the first and the last onset of a network event, s."""
    false_reject_rate: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Events too unlike the training's (with an imported model: this archive's others) are of class `unknown`; at
    most this share of events like those is rejected by mistake. 0 rejects nothing."""
    truth: Url | None = None
    """A truth table (CSV: station, class, start_time, end_time ...) to score against; for synthetic
    archives and labelled ones."""
    labels: Url | None = None
    """Labels given by hand (CSV: event_id, class; or station, class, start_time, end_time) that name the clusters;
    without it the truth does."""


class ComputeConfig(Section):
    """Where and how widely detection runs."""

    kind: Literal["local", "threads", "serial", "dask", "slurm"] = "local"
    """`local`: a Dask cluster of processes on this machine; `dask`: one that is there already; `slurm`: set by
    couloir submit; `threads`, `serial`: for debugging."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes; as many as cores when not given."""
    scheduler: Annotated[str, Field(pattern=r"^(tcp|tls)://[^\s/]+:\d+$")] | None = None
    """With kind dask: where its scheduler listens, like tls://host:8786."""
    tls: str | None = None
    """Folder with tls.pem and tls.key, by which the processes of a Dask cluster know each other."""
    dashboard: str = "127.0.0.1:0"
    """Where the dashboard of a Dask scheduler that Couloir starts listens; to have one, install bokeh."""
    memory_gb: Positive = 2.0
    """Memory limit of a worker, GB."""
    read_ahead_mb: Annotated[float, Field(ge=0)] = 256.0
    """Bytes of the next station-days that a worker fetches while it works on one, MB."""
    stall_s: Positive = 1_800.0
    """When no task has ended for this long, those that run are given up and told as failed, s."""
    max_failed_fraction: Share = 0.1
    """The run's exit code is not 0 when more station-days than this are unreadable or failed."""
    slurm: SlurmConfig = Field(default_factory=SlurmConfig)
    """What `couloir submit slurm` asks of a site."""
    kubernetes: KubernetesConfig = Field(default_factory=KubernetesConfig)
    """What `couloir submit kubernetes` asks of a cluster."""

    @model_validator(mode="after")
    def _check_scheduler(self) -> Self:
        if self.kind == "dask" and self.scheduler is None:
            raise ValueError("kind dask needs `scheduler`: where the cluster's scheduler listens, tls://host:8786")
        if self.scheduler and self.scheduler.startswith("tls:") and self.tls is None:
            raise ValueError(f"{self.scheduler} needs `tls`: the folder of the certificates of that cluster")
        return self


class RunConfig(Section):
    """A whole run file."""

    archive: ArchiveConfig
    output: OutputConfig
    preset: str = "luhu"
    detect: DetectConfig = Field(default_factory=DetectConfig)
    spectrogram: SpectrogramConfig = Field(default_factory=SpectrogramConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    catalog: CatalogConfig = Field(default_factory=CatalogConfig)
    compute: ComputeConfig = Field(default_factory=ComputeConfig)

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        halvings = 1 if self.train.network == "dense" else 2 ** len(self.train.filters)
        for name in ("frequencies", "times"):
            size = getattr(self.spectrogram, name)
            if size % halvings:
                raise ValueError(
                    f"spectrogram.{name} ({size}) must be a multiple of {halvings}: "
                    f"the encoder of train.filters halves it {len(self.train.filters)} times"
                )
        left = self.spectrogram.frequencies * self.spectrogram.times * self.train.filters[-1] // halvings**2
        if self.train.network == "pooled" and self.train.latent != left:
            raise ValueError(
                f"train.latent ({self.train.latent}) must be {left}: that many values are left when the network "
                f"has pooled {self.spectrogram.frequencies} x {self.spectrogram.times} pixels "
                f"{len(self.train.filters)} times"
            )
        return self

    @model_validator(mode="after")
    def _check_segment(self) -> Self:
        rate, bins = self.detect.sampling_rate, self.spectrogram.frequencies
        segment = round(self.spectrogram.segment_s * rate)
        longest = min(2 * (bins - 1), self.detect.window_samples)
        if not _SHORTEST_SEGMENT <= segment <= longest:
            raise ValueError(
                f"spectrogram.segment_s ({self.spectrogram.segment_s:g}) must lie between "
                f"{_SHORTEST_SEGMENT / rate:g} and {longest / rate:g}: at {rate:g} Hz that is what {bins} "
                f"frequencies and a window of {self.detect.window_s:g} s can hold"
            )
        return self


_CLUSTERING = {"update_interval": 140, "tolerance": 0.001, "max_iterations": 20_000, "keep": "last"}
_DEC = {  # Xie et al. 2016 with DEC-keras' pre-training from end to end
    "network": "dense",
    "units": [500, 500, 2000],
    "latent": 10,
    "initializer": "fan_in",
    "noise": 0.0,
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "epochs": 300,
    **_CLUSTERING,
}
_DCEC = {  # Guo et al. 2017, Deep clustering with convolutional autoencoders
    "filters": [32, 64, 128],
    "kernel": [5, 5, 3],
    "latent": 10,
    "noise": 0.0,
    **_CLUSTERING,
}
_ENCODER_ONLY = {"kl_weight": 1.0, "reconstruction_weight": 0.0}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "luhu": {},  # the defaults above are the published numbers
    "small": {
        "train": {
            "filters": [8, 16, 24, 32],
            "latent": 16,
            "batch": 32,
            "learning_rate": 0.002,
            "epochs": 14,
            "update_interval": 40,
            "max_iterations": 400,
            "tolerance": 0.002,
            "kmeans_starts": 10,
        }
    },
    "dec": {
        "train": {**_DEC, **_ENCODER_ONLY, "clustering_optimizer": "sgd", "clustering_learning_rate": 0.01},
    },
    "idec": {"train": {**_DEC, "clustering_optimizer": "adam", "clustering_learning_rate": 0.001}},
    "dcec": {"train": _DCEC},
    "mousavi2019": {
        "detect": {"sampling_rate": 40.0, "band": [1.0, 18.0]},
        "spectrogram": {"frequencies": 16, "times": 48, "segment_s": 0.75},
        "train": {
            "network": "pooled",
            "clusters": 2,
            "filters": [4, 2, 1],
            "latent": 12,
            "activation": "tanh",
            "noise": 0.0,
            **_CLUSTERING,
        },
    },
    "conv-da": {
        "train": {
            **_DCEC,
            **_ENCODER_ONLY,
            "epochs": 500,
            "augment": {
                "time_shift": 0.1,
                "gain": 0.1,
                "noise": 0.2,
                "drop_component": 0.1,
                "time_mask": 0.1,
                "frequency_mask": 0.1,
            },
        }
    },
}
"""Values that a preset sets before the run file's own; `luhu` is the published method."""


def content_hash(*parts: Any) -> str:
    """Hash values that decide a stage's result: 16 hex digits, the same in every process."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
