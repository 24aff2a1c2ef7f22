"""Weights of Keras 2 are matched by order and shape: each used once, or the file is refused with what is wrong."""

import h5py
import numpy as np
import pytest
from legacy import make_model, rows_of, write_weights

from couloir.dec.clustering import build_clustering_model
from couloir.dec.legacy import build_from, centroids_of, read_layers
from couloir.errors import ModelFileError

SHAPE = (32, 16, 3)


@pytest.fixture(scope="module")
def original(settings):
    return make_model(SHAPE, settings)


@pytest.fixture
def rows(original):
    return rows_of(original)


@pytest.fixture
def bring(tmp_path, settings):
    """Write rows and build the model of them."""

    def write_and_build(rows, **options):
        path = write_weights(tmp_path / "w.h5", rows, **options)
        layers = read_layers(path.read_bytes(), name="w.h5")
        autoencoder = build_from(layers, SHAPE, settings, name="w.h5")
        centroids = centroids_of(layers, settings, name="w.h5")
        return autoencoder if centroids is None else build_clustering_model(autoencoder, centroids, alpha=1.0)

    return write_and_build


def assert_same(model, original):
    for ours, theirs in zip(model.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_every_weight_comes_in_and_the_model_answers_alike(bring, rows, original, samples):
    model = bring(rows)
    assert_same(model, original)
    pictures = samples[:5].astype(np.float32)
    for name, output in original.predict_on_batch(pictures).items():
        np.testing.assert_array_equal(model.predict_on_batch(pictures)[name], output)


def test_names_decide_nothing(bring, rows, original):
    shuffled = ["a", "Conv_2", "Conv_1", "dense", "encoded", "clusters", "ConvT_9", "latent"]
    assert len(shuffled) == len(rows)
    assert_same(bring([(name, weights) for name, (_, weights) in zip(shuffled, rows, strict=True)]), original)


def test_the_weights_of_a_whole_saved_model_are_found_in_their_group(bring, rows, original):
    assert_same(bring(rows, inside="model_weights"), original)


def test_a_missing_layer_is_named_with_its_shapes(bring, rows):
    with pytest.raises(ModelFileError, match=r"missing: expand \(4, 256\) and \(256\); too much: none"):
        bring([row for row in rows if row[0] != "dense_1"])


def test_a_layer_too_much_is_named(bring, rows):
    more = ("dense_9", [np.zeros((5, 7)), np.zeros(7)])
    with pytest.raises(ModelFileError, match=r"missing: none; too much: dense_9 \(5, 7\) and \(7\)"):
        bring([*rows[:4], more, *rows[4:]])


def test_a_layer_of_another_shape_is_named_on_both_sides(bring, rows):
    turned = [(name, [w.T if name == "encoded" else w for w in weights]) for name, weights in rows]
    with pytest.raises(
        ModelFileError, match=r"missing: latent \(256, 4\).*too much: encoded \(4, 256\).*\[4, 8\]"
    ):
        bring(turned)


def test_two_layers_in_the_wrong_order_are_refused(bring, rows):
    with pytest.raises(ModelFileError, match="does not fit the network"):
        bring([rows[0], rows[2], rows[1], *rows[3:]])


def test_a_file_without_cluster_centres_is_an_autoencoder(bring, rows, original, samples):
    autoencoder = bring([row for row in rows if row[0] != "clustering"])
    pictures = samples[:5].astype(np.float32)
    expected = original.predict_on_batch(pictures)["reconstruction"]
    np.testing.assert_array_equal(autoencoder.predict_on_batch(pictures), expected)


def test_centres_of_another_latent_space_and_two_tables_of_centres_are_refused(bring, rows):
    other = [(name, [np.zeros((3, 5))] if name == "clustering" else weights) for name, weights in rows]
    with pytest.raises(ModelFileError, match=r"clustering \(3, 5\)"):
        bring(other)
    with pytest.raises(ModelFileError, match=r"clustering \(3, 4\), again \(3, 4\)"):
        bring([*rows, ("again", [np.zeros((3, 4))])])


@pytest.mark.parametrize("clusters", [0, 1])
def test_fewer_than_two_centres_are_refused(bring, rows, clusters):
    few = [(name, [np.zeros((clusters, 4))] if name == "clustering" else weights) for name, weights in rows]
    with pytest.raises(ModelFileError, match=rf"holds {clusters} cluster centres.*2 or more"):
        bring(few)


def elsewhere(path, tmp_path):
    """Let an array's values lie in another file of this machine."""
    (tmp_path / "secret").write_bytes(bytes(range(64)))
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/bias:0"]
        file["encoded"].create_dataset("encoded/bias:0", (4,), "f4", external=[(tmp_path / "secret", 0, 16)])


def virtual(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = np.ones(4, np.float32)
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "values", (4,))
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/bias:0"]
        file["encoded"].create_virtual_dataset("encoded/bias:0", layout)


def external_link(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = np.ones(4, np.float32)
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/bias:0"]
        file["encoded/encoded/bias:0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "values")


def soft_link(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded"]
        file["encoded"] = h5py.SoftLink("/dense_1")


def huge(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/kernel:0"]
        file["encoded"].create_dataset("encoded/kernel:0", (200_000, 200_000), "f4", chunks=(100, 100))


def packed(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/kernel:0"]
        file["encoded"].create_dataset("encoded/kernel:0", data=np.zeros((9000, 900)), compression="gzip")


def number_of_layers(path, tmp_path):
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = 3


def numbers_of_weights(path, tmp_path):
    with h5py.File(path, "a") as file:
        file["encoded"].attrs["weight_names"] = np.arange(2)


def no_weights_listed(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded"].attrs["weight_names"]


def group_for_array(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/bias:0"]
        file.create_group("encoded/encoded/bias:0")


def array_for_group(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded"]
        file["encoded"] = np.zeros(3)


def words_for_numbers(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/bias:0"]
        file["encoded/encoded/bias:0"] = np.array([b"a", b"b"])


def nothing_for_array(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["encoded/encoded/bias:0"]
        file["encoded/encoded/bias:0"] = h5py.Empty("f4")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (elsewhere, r"encoded/bias:0 lie in another file"),
        (virtual, r"encoded/bias:0 lie in another file"),
        (external_link, r"bias:0 of .* is a link to another place"),
        (soft_link, r"encoded of .* is a link to another place"),
        (huge, r"\(200000, 200000\) are larger than the file"),
        (packed, r"\(9000, 900\) are larger than the file; where they are packed"),
        (number_of_layers, r"layer_names of the file is no list of names"),
        (numbers_of_weights, r"weight_names of encoded is no list of names"),
        (no_weights_listed, r"layer 'encoded' does not list its weights"),
        (group_for_array, r"bias:0 is no array of numbers"),
        (array_for_group, r"encoded is no group"),
        (words_for_numbers, r"bias:0 is no array of numbers"),
        (nothing_for_array, r"bias:0 is no array of numbers"),
    ],
)
def test_a_file_that_points_elsewhere_or_declares_too_much_is_refused(rows, tmp_path, spoil, told):
    path = write_weights(tmp_path / "w.h5", rows)
    spoil(path, tmp_path)
    with pytest.raises(ModelFileError, match=rf"w\.h5 is damaged, or not what Keras writes: .*{told}"):
        read_layers(path.read_bytes(), name="w.h5")


def test_values_that_are_not_finite_are_refused(bring, rows):
    rows[3][1][0][0, 0] = np.nan
    with pytest.raises(ModelFileError, match="'encoded' are not all finite"):
        bring(rows)


def test_what_is_no_such_file_is_refused(rows, tmp_path):
    with pytest.raises(ModelFileError, match="not an HDF5 file"):
        read_layers(b"PK\x03\x04", name="dec.keras")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["layers/conv"] = np.zeros(3)
    with pytest.raises(ModelFileError, match="does not list its layers"):
        read_layers((tmp_path / "other.h5").read_bytes(), name="other.h5")
    sound = write_weights(tmp_path / "w.h5", rows).read_bytes()
    with pytest.raises(ModelFileError, match=r"w\.h5 is damaged"):
        read_layers(sound[: len(sound) // 2], name="w.h5")
