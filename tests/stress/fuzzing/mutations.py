"""Damage to files: to their bytes, and to the values of a JSON document."""

import json
import random
from collections.abc import Callable
from typing import Any

NUMBERS = (
    0, -1, 1, 2, 3, 10**9, -(10**9), 2**31, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400, 0.5, -0.0,
    1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TEXTS = (
    "", " ", "a", "0", "\0", "\n", "ä 空 🕺", "\ud800", "..", "/", "../../etc/000000.jpg",
    "/etc/000000.jpg",
    "C:\\000000.jpg", "images/val/000342_mpii_test/00000000000000000.jpg", "é" * 300, "9" * 5000,
    "person", "nose", "null", "NaN", "images/../x/000000.jpg", "000342_mpii_test/000000.jpg",
)  # fmt: skip
TOKENS = (
    b"0", b"-1", b"1e999", b"NaN", b"Infinity", b"null", b"true", b"{", b"}", b"[", b"]", b",",
    b":", b'"', b"\\", b"\\ud800", b"\0", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff\xd8",
    b"\xff\xd9", b"\xff\xda", b"PK\x03\x04", b"&a ", b"*a", b"<<: ", b"!!python/object:os.system ",
    b"- ", b": ", b"'", b"#", b"---\n", b"\x80\x02", b"cos\nsystem\n", b"R", b"b", b".", b"Q",
    bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7,
)  # fmt: skip


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Return the data with one to four places damaged."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_BYTE_MUTATIONS)(data, rng)
    return data


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(max(len(data), 1))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if data else data


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _remove(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randrange(1, 40) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(TOKENS) * rng.choice((1, 1, 1, 2, 50)) + data[at:]


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    new = rng.choice((rng.choice(TOKENS), rng.randbytes(rng.randrange(1, 9))))
    return data[:at] + new + data[at + len(new) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at : at + rng.randrange(1, 200)] * rng.choice((2, 3, 20)) + data[at:]


def _swap(data: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


_BYTE_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _flip, _cut, _remove, _insert, _insert, _overwrite, _overwrite, _repeat, _swap,
)  # fmt: skip


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """Return a JSON document with one to four of its values changed, removed or repeated."""
    content = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(content))
        if not places:
            break
        holder, key = rng.choice(places)
        _change(holder, key, rng)
    text = json.dumps(content)
    if rng.random() < 0.02:
        text = text.replace("}", ', "id": 1, "id": 2}', 1)
    return text.encode(rng.choice(("utf-8",) * 20 + ("utf-8-sig", "utf-16", "utf-32-be")))


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _change(holder: Any, key: Any, rng: random.Random) -> None:
    value = holder[key]
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder[key:key] = [value] * rng.choice((1, 2, 100))
    elif kind == 2:
        holder[key] = [value]
    elif kind == 3:
        holder[key] = rng.choice(TEXTS)
    elif kind == 4:
        holder[key] = rng.choice((None, True, False, [], {}, [[]], {"a": 1}))
    elif kind == 5 and isinstance(value, list):
        rng.shuffle(value)
    elif kind == 6 and isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        holder[key] = value[:at] + rng.choice(TEXTS) + value[at + rng.randrange(3) :]
    elif kind == 7 and isinstance(holder, dict):
        holder[rng.choice(TEXTS)] = value
    else:
        holder[key] = rng.choice(NUMBERS)
