"""Writing traced networks as files of ONNX, torch.export and OpenVINO."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import torch

from dcpose.deploy.trace import DeformForm
from dcpose.files.packages import require

INPUTS = ("frames", "gaps")
HEATMAPS = ("heatmaps",)
JOINTS = ("joints", "scores")

LEAST_OPSET = 18
LEAST_OPSET_OF_DEFORM_CONV = 19
DEFAULT_OPSET = 20


def check_opset(opset: int, form: DeformForm) -> None:
    """Refuse opsets that ONNX's exporter takes without a word and that no runtime can load.

    Raises:
        ValueError: below 19 for `deform_conv`, which is the first with that operator, and below 18
            for `grid_sample`, which the exporter cannot convert to.
    """
    least = LEAST_OPSET_OF_DEFORM_CONV if form == "deform_conv" else LEAST_OPSET
    if opset < least:
        way_out = " or export the grid_sample form" if form == "deform_conv" else ""
        raise ValueError(
            f"opset: found {opset}, expected at least {least} for the {form} form; leave --opset "
            f"away ({DEFAULT_OPSET}){way_out}"
        )


def save_onnx(
    program: torch.export.ExportedProgram, path: Path, outputs: tuple[str, ...], opset: int
) -> None:
    """Write a traced network as one ONNX file.

    Raises:
        ValueError: if a package is missing or too old.
    """
    require("onnx")
    require("onnxscript")
    with _quiet():
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset,
            input_names=INPUTS,
            output_names=outputs,
            external_data=False,
            verbose=False,
        )
    assert exported is not None  # noqa: S101 - for the type checker: only without dynamo
    exported.save(str(path))


def save_torch(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write a traced network as a torch.export program (.pt2)."""
    torch.export.save(program, path)


def save_openvino(program: torch.export.ExportedProgram, path: Path, half: bool) -> None:
    """Write a traced network as OpenVINO's two files, path (.xml) and the weights beside it (.bin).

    Raises:
        ValueError: if OpenVINO is missing or too old.
    """
    openvino = require("openvino")
    with _quiet():
        model = openvino.convert_model(program)
    for names, ports in ((INPUTS, model.inputs), (None, model.outputs)):
        for name, port in zip(names or (), ports, strict=False):
            port.get_tensor().set_names({name})
    openvino.save_model(model, str(path), compress_to_fp16=half)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporters say about their own progress and future to themselves."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
