"""Read named lists and arrays of an HDF5 file that is not to be trusted.

HDF5 lets a file point outside of itself (external storage, virtual data sets, external links), and declare arrays
far larger than it is. What Keras writes does neither: its arrays lie in the file, unpacked. So whatever points
elsewhere is refused, and so are arrays that together are larger than the file.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_NAMES = 10_000
_NUMBERS = "fiu"


class Hdf5File:
    """Read from an HDF5 file in memory; every error is a ValueError that says what is wrong.

    Parameters
    ----------
    data : bytes
        The file.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = len(data)
        self._root: Any = None

    @contextmanager
    def opened(self) -> Iterator["Hdf5File"]:
        """Hold the file open while the block runs."""
        import h5py

        try:
            with h5py.File(io.BytesIO(self._data)) as self._root:
                yield self
        except MemoryError as error:
            raise ValueError("it declares more than this machine's memory holds") from error
        except (OSError, KeyError, RuntimeError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(str(error)) from error

    def has_group(self, path: str) -> bool:
        """Say whether there is a group of this path, without following links out of the file."""
        import h5py

        return path in self._root and isinstance(self._reach(path), h5py.Group)

    def names(self, path: str, attribute: str) -> list[str] | None:
        """Read a list of names that is an attribute of a group; None where there is no such attribute."""
        import h5py

        group = self._reach(path)
        if not isinstance(group, h5py.Group):
            raise ValueError(f"{path} is no group")
        if attribute not in group.attrs:
            return None
        stored = group.attrs.get_id(attribute)
        text = h5py.check_string_dtype(stored.dtype)
        if text is None or len(stored.shape) != 1 or stored.shape[0] > _MOST_NAMES:
            if stored.shape == (0,):  # an empty list has no kind
                return []
            raise ValueError(f"{attribute} of {path or 'the file'} is no list of names")
        return [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[attribute]]

    def array(self, path: str) -> NDArray[np.float32]:
        """Read an array of numbers as float32."""
        import h5py

        found = self._reach(path)
        if not isinstance(found, h5py.Dataset) or found.shape is None or found.dtype.kind not in _NUMBERS:
            raise ValueError(f"{path} is no array of numbers")
        if found.external or found.is_virtual:
            raise ValueError(f"the values of {path} lie in another file")
        self._left -= math.prod(found.shape) * found.dtype.itemsize
        if self._left < 0:
            raise ValueError(
                f"its arrays up to {path} {found.shape} are larger than the file; where they are packed, write "
                "them again with model.save_weights"
            )
        with np.errstate(over="ignore"):  # what becomes infinite is found by whoever uses it
            return np.asarray(found[()], np.float32)

    def _reach(self, path: str) -> Any:
        """Give what lies at a path, where all of it lies in the file itself."""
        import h5py

        place = self._root
        for name in filter(None, path.split("/")):
            if not isinstance(place, h5py.Group):
                raise ValueError(f"there is no {path}")
            link = place.get(name, getlink=True)
            if link is None:
                raise ValueError(f"there is no {path}")
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{name} of {path} is a link to another place")
            place = place[name]
        return place
