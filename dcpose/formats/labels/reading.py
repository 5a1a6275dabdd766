"""Labels of any tool: which form a source has, and its reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

from dcpose.files.yaml_text import read_yaml
from dcpose.formats import fields
from dcpose.formats.labels.coco_keypoints import is_coco, read_coco_keypoints
from dcpose.formats.labels.cvat import read_cvat
from dcpose.formats.labels.deeplabcut import find_tables, read_deeplabcut
from dcpose.formats.labels.labels import Labels
from dcpose.formats.labels.through_sleap_io import read_through_sleap_io

Form = Literal["deeplabcut", "sleap", "coco", "yolo", "label-studio", "cvat"]
FORMS: tuple[Form, ...] = get_args(Form)


def read_labels(source: Path, form: Form | None = None) -> tuple[Labels, Form]:
    """Read labels.

    Args:
        source: file or folder.
        form: what it is; None looks at the content.

    Returns:
        the labels, and the form they had.

    Raises:
        ValueError: if the source does not exist, its form cannot be told, or it is malformed.
    """
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    form = form or recognise(source)
    if form == "deeplabcut":
        return read_deeplabcut(source), form
    if form == "coco":
        return read_coco_keypoints(_the_file(source, "*.json")), form
    if form == "cvat":
        return read_cvat(_the_file(source, "*.xml")), form
    if form == "yolo":
        return read_through_sleap_io(source if source.is_dir() else source.parent, form), form
    pattern = {"sleap": "*.slp", "label-studio": "*.json"}[form]
    return read_through_sleap_io(_the_file(source, pattern), form), form


def recognise(source: Path) -> Form:
    """Return the form of a source by its content.

    Raises:
        ValueError: if it is none that is known, or could be several.
    """
    if source.is_dir():
        return _recognise_folder(source)
    suffix = source.suffix.lower()
    if suffix == ".csv":
        return "deeplabcut"
    if suffix == ".slp":
        return "sleap"
    if suffix == ".xml":
        return "cvat"
    if suffix in (".yaml", ".yml") and _is_yolo(source):
        return "yolo"
    if suffix == ".json":
        return _recognise_json(source)
    raise _unknown(source, f"the suffix is {source.suffix or 'missing'}")


def _recognise_folder(source: Path) -> Form:
    if find_tables(source):
        return "deeplabcut"
    if (source / "data.yaml").is_file() and _is_yolo(source / "data.yaml"):
        return "yolo"
    found = [
        path for pattern in ("*.slp", "*.xml", "*.json") for path in sorted(source.glob(pattern))
    ]
    if len(found) != 1:
        listed = ", ".join(path.name for path in found[:5]) or "no table, .slp, .xml or .json"
        raise _unknown(source, f"found {listed}")
    return recognise(found[0])


def _is_yolo(path: Path) -> bool:
    """Say whether a YAML describes a data set of YOLO pose."""
    try:
        content = read_yaml(path)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "kpt_shape" in content


def _recognise_json(source: Path) -> Form:
    content = fields.read_json(source)
    if is_coco(content):
        return "coco"
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and {"annotations", "data"} <= first.keys():
        return "label-studio"
    shown = json.dumps(list(content)[:4] if isinstance(content, dict) else fields.kind(content))
    raise _unknown(source, f"the JSON holds {shown[:100]}")


def _unknown(source: Path, found: str) -> ValueError:
    return ValueError(
        f"{source}: the form of these labels cannot be told ({found}); name the file itself, and "
        f"its form with --from {'|'.join(FORMS)}"
    )


def _the_file(source: Path, pattern: str) -> Path:
    """Return the source, or the only file in it that fits the pattern."""
    if source.is_file():
        return source
    found = sorted(source.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:5]) or "none"
        raise ValueError(f"{source}: expected one {pattern} there, found {names}; name the file")
    return found[0]
