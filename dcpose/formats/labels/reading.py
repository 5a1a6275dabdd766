"""Labels of any tool: which form a source has, and its reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dcpose.files.yaml_text import read_yaml
from dcpose.formats import fields
from dcpose.formats.labels.coco_keypoints import is_coco, read_coco_keypoints
from dcpose.formats.labels.cvat import read_cvat
from dcpose.formats.labels.deeplabcut import find_tables, read_deeplabcut
from dcpose.formats.labels.labels import Labels
from dcpose.formats.labels.through_sleap_io import read_through_sleap_io


class Reader(NamedTuple):
    """How labels of a form are read.

    Attributes:
        read: their file, or folder, to labels.
        fits: whether a file or folder holds such labels, by name and content.
        file: pattern of their one file in a folder; None where `read` takes folders as they are.
    """

    read: Callable[[Path], Labels]
    fits: Callable[[Path], bool]
    file: str | None = None


def read_labels(source: Path, form: str | None = None) -> tuple[Labels, str]:
    """Read labels.

    Args:
        source: file or folder.
        form: what it is, one of `FORMS`; None looks at the content.

    Returns:
        the labels, and the form they had.

    Raises:
        ValueError: if the source does not exist, its form cannot be told, or it is malformed.
    """
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    form = form or recognise(source)
    if form not in FORMS:
        raise ValueError(f"form of labels {form!r}, expected one of {', '.join(FORMS)}")
    reader = FORMS[form]
    return reader.read(source if reader.file is None else _the_file(source, reader.file)), form


def recognise(source: Path) -> str:
    """Return the form of a source by its content.

    Raises:
        ValueError: if it is none that is known, or could be several.
    """
    for form, reader in FORMS.items():
        if reader.fits(source):
            return form
    if not source.is_dir():
        raise _unknown(source, _content_of(source))
    patterns = dict.fromkeys(reader.file for reader in FORMS.values() if reader.file)
    found = [path for pattern in patterns for path in sorted(source.glob(pattern))]
    if len(found) != 1:
        listed = ", ".join(path.name for path in found[:5]) or f"no table, {', '.join(patterns)}"
        raise _unknown(source, f"found {listed}")
    return recognise(found[0])


def _content_of(file: Path) -> str:
    if file.suffix.lower() != ".json":
        return f"the suffix is {file.suffix or 'missing'}"
    content = fields.read_json(file)
    shown = json.dumps(list(content)[:4] if isinstance(content, dict) else fields.kind(content))
    return f"the JSON holds {shown[:100]}"


def _has_suffix(suffix: str, source: Path) -> bool:
    return source.is_file() and source.suffix.lower() == suffix


def _is_deeplabcut(source: Path) -> bool:
    return bool(find_tables(source)) if source.is_dir() else _has_suffix(".csv", source)


def _is_coco(source: Path) -> bool:
    return _has_suffix(".json", source) and is_coco(fields.read_json(source))


def _is_label_studio(source: Path) -> bool:
    content = fields.read_json(source) if _has_suffix(".json", source) else None
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {"annotations", "data"} <= first.keys()


def _is_yolo(source: Path) -> bool:
    """Say whether a YAML, or that of a folder, describes a data set of YOLO pose."""
    path = source / "data.yaml" if source.is_dir() else source
    if path.suffix.lower() not in (".yaml", ".yml"):
        return False
    try:
        content = read_yaml(path)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "kpt_shape" in content


def _read_yolo(source: Path) -> Labels:
    return read_through_sleap_io(source if source.is_dir() else source.parent, "yolo")


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


FORMS: dict[str, Reader] = {
    "deeplabcut": Reader(read_deeplabcut, _is_deeplabcut),
    "sleap": Reader(
        partial(read_through_sleap_io, form="sleap"), partial(_has_suffix, ".slp"), "*.slp"
    ),
    "coco": Reader(read_coco_keypoints, _is_coco, "*.json"),
    "yolo": Reader(_read_yolo, _is_yolo),
    "label-studio": Reader(
        partial(read_through_sleap_io, form="label-studio"), _is_label_studio, "*.json"
    ),
    "cvat": Reader(read_cvat, partial(_has_suffix, ".xml"), "*.xml"),
}
"""By what `--from` calls them; docs/adding.md shows how to add one."""
