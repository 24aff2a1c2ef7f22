"""Settings of training: the network, its pre-training and the clustering."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from couloir.config.section import Positive, Section, Share

Kernel = Annotated[int, Field(ge=1, le=9)]


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
