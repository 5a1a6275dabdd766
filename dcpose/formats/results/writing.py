"""The poses of a video in any of the forms of this folder, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dcpose.files.packages import require
from dcpose.formats.results.animals import write_deeplabcut, write_deeplabcut_h5, write_sleap
from dcpose.formats.results.nwb import write_nwb
from dcpose.formats.results.per_frame import write_alphapose, write_coco, write_openpose
from dcpose.formats.results.tables import write_csv, write_parquet
from dcpose.formats.results.video_results import read_results


@dataclass(frozen=True)
class _Form:
    """What follows the video's name in the name of the file or folder, and who writes it."""

    ending: str
    write: Callable[..., None]
    needs: tuple[str, ...] = ()
    """Optional packages that it is written by."""


_FORMS = {
    "csv": _Form(".csv", write_csv),
    "parquet": _Form(".parquet", write_parquet, ("pyarrow",)),
    "openpose": _Form("_openpose", write_openpose),
    "alphapose": _Form("_alphapose.json", write_alphapose),
    "coco": _Form("_coco.json", write_coco),
    "deeplabcut": _Form("_deeplabcut.csv", write_deeplabcut),
    "deeplabcut-h5": _Form("_deeplabcut.h5", write_deeplabcut_h5, ("pandas", "tables")),
    "sleap": _Form(".slp", write_sleap, ("sleap_io",)),
    "nwb": _Form(".nwb", write_nwb, ("pynwb", "ndx_pose")),
}
RESULT_FORMS = ("json", *_FORMS)
"""Names of forms; json is the file that the others are made of."""


def check_form(form: str) -> None:
    """Raise ValueError if a form is unknown, or the package that writes it is not installed."""
    if form not in RESULT_FORMS:
        raise ValueError(f"form {form!r}: expected one of {', '.join(RESULT_FORMS)}")
    for package in _FORMS[form].needs if form in _FORMS else ():
        require(package, f"form {form}", instead="choose another form")


def write_results_as(json_file: Path, form: str, video: Path | None = None) -> Path:
    """Write the poses of a file in another form, beside it; return the new file or folder.

    Args:
        json_file: what `tools/infer.py` wrote, or a predictions file of val.
        form: of `RESULT_FORMS`.
        video: the poses are of, for SLEAP, which shows them on it.

    Raises:
        ValueError: if the form is unknown, the file is malformed, or a package is missing.
    """
    check_form(form)
    if form == "json":
        return json_file
    target = json_file.with_name(json_file.stem + _FORMS[form].ending)
    results = read_results(json_file)
    if form == "sleap":
        _FORMS[form].write(results, target, video)
    else:
        _FORMS[form].write(results, target)
    return target
