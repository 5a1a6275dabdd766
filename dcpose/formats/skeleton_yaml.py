"""Skeletons from YAML files, for joint sets of your own; `configs/skeletons/` has PoseTrack's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dcpose.files.yaml_text import read_yaml
from dcpose.skeleton import Skeleton

REQUIRED = ("name", "joints", "flip_pairs", "limbs", "upper_body", "evaluation")
OPTIONAL = ("unlabelled", "oks_sigmas")
EVALUATION_REQUIRED = ("joints", "groups")
EVALUATION_OPTIONAL = ("aliases",)
MAX_MESSAGE = 1000
"""Characters of what is found wrong with a file."""


def read_skeleton(path: Path) -> Skeleton:
    """Read a skeleton.

    Keys: `name`; `joints`, names in the order of the network's channels; `flip_pairs` and `limbs`,
    lists of pairs of names; `upper_body` and, optionally, `unlabelled`, lists of names;
    `evaluation` with `joints` (scored, in the order of results), `groups` (title: names, the
    columns of tables) and, optionally, `aliases` (joint: name in results); optionally `oks_sigmas`
    (joint: sigma, of every joint).

    Raises:
        ValueError: if the file cannot be read, a key is missing, unknown or of another type, or
            the names do not fit together; the message starts with the path.
    """
    try:
        content = read_yaml(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: no valid YAML ({error})") from None
    try:
        return _skeleton(content)
    except ValueError as error:
        text = " ".join(str(error).split())
        more = " ..." if len(text) > MAX_MESSAGE else ""
        raise ValueError(f"{path}: {text[:MAX_MESSAGE]}{more}") from None


def _skeleton(content: object) -> Skeleton:
    keys = _mapping(content, "the file", REQUIRED, OPTIONAL)
    scored = _mapping(keys["evaluation"], "evaluation", EVALUATION_REQUIRED, EVALUATION_OPTIONAL)
    joints = _names(keys["joints"], "joints")
    groups = _mapping(scored["groups"], "evaluation.groups")
    aliases = _mapping(scored.get("aliases", {}), "evaluation.aliases")
    return Skeleton(
        name=_name(keys["name"], "name"),
        joint_names=joints,
        flip_pairs=_pairs(keys["flip_pairs"], "flip_pairs"),
        limbs=_pairs(keys["limbs"], "limbs"),
        upper_body=_names(keys["upper_body"], "upper_body"),
        unlabelled=_names(keys.get("unlabelled", []), "unlabelled"),
        evaluation_joints=_names(scored["joints"], "evaluation.joints"),
        evaluation_aliases=tuple(
            (joint, _name(alias, f"evaluation.aliases.{joint}")) for joint, alias in aliases.items()
        ),
        evaluation_groups=tuple(
            (title, _names(names, f"evaluation.groups.{title}")) for title, names in groups.items()
        ),
        oks_sigmas=_sigmas(keys.get("oks_sigmas", {}), joints),
    )


def _mapping(
    value: object, where: str, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """Check keys; without any named, every text is one."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{where}: found {value!r}, expected keys with values")
    for key in required:
        if key not in value:
            raise ValueError(f"{where}: {key} is missing; expected {', '.join(required)}")
    for key in value if required else ():
        if key not in (*required, *optional):
            raise ValueError(
                f"{where}: unknown key {key!r}, expected one of {', '.join((*required, *optional))}"
            )
    return value


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where}: found {value!r}, expected a name")
    return value


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: found {value!r}, expected a list of joint names")
    return tuple(_name(entry, where) for entry in value)


def _pairs(value: object, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: found {value!r}, expected a list of pairs of joint names")
    pairs = []
    for entry in value:
        names = _names(entry, where)
        if len(names) != 2:
            raise ValueError(f"{where}: found {entry!r}, expected a pair of joint names")
        pairs.append((names[0], names[1]))
    return tuple(pairs)


def _sigmas(value: object, joints: tuple[str, ...]) -> tuple[float, ...]:
    sigmas = _mapping(value, "oks_sigmas")
    if not sigmas:
        return ()
    if set(sigmas) != set(joints):
        odd = sorted(set(sigmas) ^ set(joints))
        raise ValueError(f"oks_sigmas: expected one per joint; missing or unknown: {odd}")
    for joint, sigma in sigmas.items():
        # the comparison is false for NaN, and exact for whole numbers beyond the range of floats
        if isinstance(sigma, bool) or not isinstance(sigma, int | float) or not 0 < sigma <= 1e6:
            raise ValueError(f"oks_sigmas.{joint}: found {sigma!r}, expected a positive number")
    return tuple(float(sigmas[joint]) for joint in joints)
