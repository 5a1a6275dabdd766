"""Which joints change places in a mirror, guessed from their names.

A pair is a name on the left and the same name with the other side: `left_ear` and `right_ear`,
`leftear` and `rightear`, `ear.L` and `ear.R`, `earL` and `earR`, `l_ear` and `r_ear`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))
_LETTERS = (
    # a letter between separators, or at an end beside one
    (r"(^|[\s_.\-])l(?=$|[\s_.\-])", "r"),
    (r"(^|[\s_.\-])L(?=$|[\s_.\-])", "R"),
    # earL, and Lear with a capital after it
    (r"(?<=[a-z0-9])()L$", "R"),
    (r"^()L(?=[A-Z])", "R"),
)


def mirrored_names(name: str) -> list[str]:
    """Return what a joint on the left may be called on the right; nothing for other joints."""
    names = [name.replace(left, right) for left, right in _WORDS if left in name]
    names += [re.sub(pattern, rf"\g<1>{right}", name) for pattern, right in _LETTERS]
    return [other for other in names if other != name]


def guess_flip_pairs(joint_names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (left, right) pairs; each joint is in one pair at most."""
    pairs: list[tuple[str, str]] = []
    taken: set[str] = set()
    for name in joint_names:
        partners = [n for n in mirrored_names(name) if n in joint_names and n not in taken]
        if partners and name not in taken:
            pairs.append((name, partners[0]))
            taken.update(pairs[-1])
    return tuple(pairs)


def stem(pair: tuple[str, str]) -> str:
    """Return what both names of a pair share, for the title of a column."""
    left = pair[0]
    for word, _ in _WORDS:
        left = left.replace(word, "")
    for pattern, _ in _LETTERS:
        left = re.sub(pattern, "", left)
    return left.strip(" _.-") or pair[0]
