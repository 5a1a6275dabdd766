"""MATLAB files that nobody vouches for: arrays by name, checked for their shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MAX_BYTES = 2**28
"""Size of a file that is read at all."""


class MatFile:
    """The arrays of a MATLAB 5 file.

    Args:
        path: the file.
        names: variables to read; others are not.

    Raises:
        ValueError: if it cannot be read, or is no such file; the message starts with the path.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        from scipy.io import loadmat  # slow to import

        self.path = path
        try:
            if not path.is_file():
                raise ValueError("no such file")
            if path.stat().st_size > MAX_BYTES:
                raise ValueError(f"{path.stat().st_size} bytes, at most {MAX_BYTES} are read")
            self._variables = loadmat(path, variable_names=list(names))
        except Exception as error:  # a damaged file raises whatever its bytes lead to
            text = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"{path}: no MATLAB 5 file that can be read ({text})") from None

    def __contains__(self, name: str) -> bool:
        return name in self._variables

    def numbers(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return an array as float64.

        Args:
            name: of the variable.
            shape: what it has to be; None stands for any length.

        Raises:
            ValueError: if it is not there, holds no numbers or has another shape.
        """
        value = self._variables.get(name)
        if value is None:
            raise ValueError(f"{self.path}: holds no {name}")
        fits = value.ndim == len(shape) and all(
            wanted in (None, length) for wanted, length in zip(shape, value.shape, strict=True)
        )
        if not fits or value.dtype.kind not in "iufb":
            expected = " x ".join("any" if length is None else str(length) for length in shape)
            raise ValueError(
                f"{self.path}: {name} is {value.dtype.name} of shape {value.shape}, expected "
                f"numbers, {expected}"
            )
        return np.asarray(value, dtype=np.float64)
