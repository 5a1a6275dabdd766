"""Exported networks as functions of arrays, computed by the runtime of their file.

ONNX and OpenVINO files need no torch. Shape legend: B clips, F frames, J joints, H x W crop pixels,
h x w heatmap pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.deploy.exported import ExportedCard, read_card
from dcpose.files.packages import require

Arrays = Sequence[np.ndarray]
Run = Callable[[np.ndarray, np.ndarray], Arrays]

ORT_OF_DEFORM_CONV = "1.25"
"""Least onnxruntime that has a deformable convolution."""

PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider"],
    "mps": ["CoreMLExecutionProvider", "CPUExecutionProvider"],
}
"""ONNX Runtime's providers by device, where the config names none."""


class ExportedNetwork:
    """An exported network; call it with arrays.

    Several threads may call it at once.

    Args:
        path: FILE of `tools/export.py`, with FILE.json beside it.
        device: "cpu", "cuda" or "mps".
        threads: threads of one call on a CPU.
        providers: of ONNX Runtime, in the order in which they are tried; None takes the device's.

    Raises:
        FileNotFoundError: if the file or its card is not there.
        ValueError: if the runtime is missing or too old, or cannot load the file.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        threads: int = 1,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.path = path
        self.card: ExportedCard = read_card(path)
        if self.card.kind == "onnx":
            used = providers or PROVIDERS[device]
            self._run = load_onnx(
                path, list(self.card.outputs), self.card.deform_form, used, threads
            )
        elif self.card.kind == "openvino":
            self._run = load_openvino(path, device, threads)
        else:
            self._run = _load_torch(path, device)

    def __call__(self, frames: np.ndarray, gaps: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name: heatmaps (B, J, h, w), or joints (B, J, 2) and scores (B, J).

        Args:
            frames: (B, F, 3, H, W) float32 normalised; uint8 RGB (B, F, H, W, 3) where the
                normalisation is inside.
            gaps: (B, F - 1) float32.

        Raises:
            ValueError: if the inputs are not what the file was made for.
        """
        self._check(frames, gaps)
        outputs = self._run(np.ascontiguousarray(frames), np.ascontiguousarray(gaps))
        return dict(zip(self.card.outputs, outputs, strict=True))

    def _check(self, frames: np.ndarray, gaps: np.ndarray) -> None:
        for array, (name, wanted) in zip((frames, gaps), self.card.inputs.items(), strict=True):
            found: Mapping[str, Any] = {
                "shape": ["B", *array.shape[1:]],
                "dtype": str(array.dtype),
            }
            if found != wanted:
                raise ValueError(
                    f"{self.path}: {name} {found['shape']} of {found['dtype']}, expected "
                    f"{wanted['shape']} of {wanted['dtype']}, for which the file was exported; "
                    "export the weights again for other crops"
                )


def load_onnx(
    path: Path,
    outputs: Sequence[str],
    deform_form: str = "deform_conv",
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int = 1,
) -> Run:
    """Load an ONNX file as a function of frames and gaps; it gives the outputs in their order.

    Raises:
        ValueError: if ONNX Runtime is missing or too old, lacks a provider or cannot load the file.
    """
    ort = require("onnxruntime", least=ORT_OF_DEFORM_CONV if deform_form == "deform_conv" else "")
    absent = [name for name in providers if name not in ort.get_available_providers()]
    if absent:
        raise ValueError(
            f"onnxruntime has no {', '.join(absent)} here, only "
            f"{', '.join(ort.get_available_providers())}; change test.providers, or install the "
            "onnxruntime of that device (onnxruntime-gpu for CUDA and TensorRT)"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; what it could not place is none of the user's business
    try:
        session = ort.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # onnxruntime's own classes have no common base
        raise ValueError(f"{path}: onnxruntime cannot load it: {_first_line(error)}") from None
    names = list(outputs)
    return lambda frames, gaps: session.run(names, {"frames": frames, "gaps": gaps})


def load_openvino(path: Path, device: str = "cpu", threads: int = 1) -> Run:
    """Load an OpenVINO file as a function of frames and gaps.

    Raises:
        ValueError: if OpenVINO is missing or too old, or cannot load the file.
    """
    openvino = require("openvino")
    target = "CPU" if device == "cpu" else "GPU"
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    if target == "CPU":
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    try:
        compiled = openvino.compile_model(str(path), target, settings)
    except Exception as error:  # openvino's own classes have no common base
        raise ValueError(f"{path}: openvino cannot load it: {_first_line(error)}") from None

    def run(frames: np.ndarray, gaps: np.ndarray) -> Arrays:
        # a request of its own, so that threads can call at once
        result = compiled.create_infer_request().infer([frames, gaps])
        return [result[number] for number in range(len(compiled.outputs))]

    return run


def _load_torch(path: Path, device: str) -> Run:
    import torch

    try:
        network = torch.export.load(path).module().to(device)
    except Exception as error:  # whatever the archive makes torch raise
        raise ValueError(f"{path}: torch cannot load it: {_first_line(error)}") from None

    def run(frames: np.ndarray, gaps: np.ndarray) -> Arrays:
        inputs = (torch.from_numpy(array).to(device) for array in (frames, gaps))
        with torch.no_grad():
            outputs = network(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return [output.cpu().numpy() for output in outputs]

    return run


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
