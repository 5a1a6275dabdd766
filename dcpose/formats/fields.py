"""Typed access to parsed JSON: every error names the place, what was found and what was expected.

`where` is the start of a message, such as `annotations/val/000522.json: images[3]`.
"""

import math
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.files.reading import MAX_JSON_BYTES, parse_json, read_bounded


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON can hold anything
    """Parse a JSON file.

    Raises:
        ValueError: if the file is missing, no file or too large, or is not JSON (see `parse_json`);
            the message starts with the path.
    """
    try:
        return parse_json(read_bounded(path, MAX_JSON_BYTES))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(
            f"{path}: not valid JSON ({error}); write the file again, it may be cut off"
        ) from error


def read_object(path: Path) -> dict[str, Any]:
    """Parse a JSON file that holds an object; raises as `read_json`, also for anything else."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {kind(content)}")
    return content


def kind(value: object) -> str:
    """Name the JSON type of a value, with the value itself when it is short."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    name = "null" if value is None else names.get(type(value), "a number")
    shown = repr(value) if isinstance(value, str | bool | int | float) else ""
    return f"{name} {shown[:40]}".rstrip()


def get(entry: object, key: str, where: str) -> Any:  # noqa: ANN401
    """Return `entry[key]`; ValueError if `entry` is no object or lacks the key."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected an object, found {kind(entry)}")
    if key not in entry:
        raise ValueError(f"{where}: {key} is missing")
    return entry[key]


def get_list(entry: object, key: str, where: str) -> list[Any]:
    """Return a list; ValueError for anything else."""
    value = get(entry, key, where)
    if not isinstance(value, list):
        raise ValueError(f"{where}: {key} must be a list, found {kind(value)}")
    return value


def get_str(entry: object, key: str, where: str) -> str:
    """Return a text; ValueError for anything else."""
    value = get(entry, key, where)
    if not isinstance(value, str):
        raise ValueError(f"{where}: {key} must be text, found {kind(value)}")
    return value


def get_texts(entry: object, key: str, where: str) -> list[str]:
    """Return a list of texts; ValueError for anything else."""
    values = get_list(entry, key, where)
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise ValueError(f"{where}: {key}[{index}] must be text, found {kind(value)}")
    return values


def get_int(entry: object, key: str, where: str) -> int:
    """Return a whole number of 64 bits; ValueError for anything else, `true` and 1.5 included."""
    value = get(entry, key, where)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ValueError(f"{where}: {key} must be a whole number, found {kind(value)}")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{where}: {key} must be a number of 64 bits, found {kind(value)}")
    return int(value)


def get_number(entry: object, key: str, where: str) -> float:
    """Return a finite number; ValueError for anything else."""
    value = get(entry, key, where)
    if not is_finite_number(value):
        raise ValueError(f"{where}: {key} must be a finite number, found {kind(value)}")
    return float(value)


def get_numbers(entry: object, key: str, count: int, where: str) -> np.ndarray:
    """Return (count,) float64 from a list of finite numbers; ValueError for anything else."""
    values = get_list(entry, key, where)
    if len(values) != count:
        raise ValueError(f"{where}: {key} must hold {count} numbers, found {len(values)}")
    for index, value in enumerate(values):
        if not is_finite_number(value):
            raise ValueError(
                f"{where}: {key}[{index}] must be a finite number, found {kind(value)}"
            )
    return np.array(values, dtype=np.float64)


def is_finite_number(value: object) -> bool:
    """Say whether a JSON value is a number that fits into a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of floats
        return False


def bad_value(value: Any) -> str:  # noqa: ANN401 - anything that JSON can hold
    """Return a JSON value for a message, cut to a readable length."""
    text = "null or missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class RowError(ValueError):
    """A row is not what `number_rows` expects.

    Attributes:
        index: which row.
        found: what it holds, for a message.
    """

    def __init__(self, index: int, found: str) -> None:
        super().__init__(f"row {index}: {found}")
        self.index = index
        self.found = found


def number_rows(rows: list[Any], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn lists of JSON numbers into an array; null becomes NaN.

    Args:
        rows: P lists of at least `width` entries; surplus entries are cut off.
        width: entries per row.

    Returns:
        (P, width) float64 values and a (P, width) bool mask of the entries that were null.

    Raises:
        RowError: for the first row that is no list, is too short or holds something else than
            numbers and null.
    """
    for index, row in enumerate(rows):
        if type(row) is not list or len(row) < width:
            found = f"{len(row)} entries" if type(row) is list else bad_value(row)
            raise RowError(index, found)
    flat = list(chain.from_iterable(row if len(row) == width else row[:width] for row in rows))
    kinds = set(map(type, flat))
    if not kinds <= {int, float, bool, type(None)}:
        position = next(i for i, v in enumerate(flat) if not isinstance(v, int | float | None))
        raise RowError(
            position // width, f"{bad_value(flat[position])} as entry {position % width}"
        )
    try:
        values = np.array(flat, dtype=np.float64).reshape(len(rows), width)
    except OverflowError:
        position = next(i for i, v in enumerate(flat) if type(v) is int and abs(v) > 2**1000)
        raise RowError(
            position // width, f"a number of {len(str(flat[position]))} digits"
        ) from None
    is_null = np.zeros(values.shape, dtype=bool)
    if type(None) in kinds:
        is_null.reshape(-1)[:] = [value is None for value in flat]
    return values, is_null
