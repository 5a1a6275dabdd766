"""Every method and every backbone, at a tiny size, as an exported file."""

import pytest
import torch

from dcpose import build_model, load_config
from dcpose.build.export import ExportOptions, export_model
from dcpose.build.tables import BACKBONES, METHODS

BACKBONE = {
    "hrnet": "{name: hrnet, width: 4, modules: [1, 1, 1], blocks: 1, stem_channels: 4}",
    "simple_baseline": "{name: simple_baseline, depth: 18, deconv_channels: 8}",
    "efficientnet_lite": "{name: efficientnet_lite, neck: {channels: 8}}",
    "timm": "{name: timm, model: tf_efficientnet_lite0, neck: {channels: 8}}",
    "vit": "{name: vit, width: 16, depth: 1, heads: 2, decoder_channels: 8, image_wh: [64, 64]}",
}
METHOD = {
    "dcpose": ["model.pcn.dilations=[1]", "model.prf.blocks=1", "model.fusion.blocks=1"],
    "single_frame": [],
    "posewarper": ["model.warper={blocks: 1, channels: 8, dilations: [1, 2]}"],
    "tar": ["model.jta={layers: 1, heads: 2}"],
    "fami": [],
}


def test_the_tables_have_no_other_rows():
    assert BACKBONE.keys() == BACKBONES.keys()
    assert METHOD.keys() == METHODS.keys()


# All pairs as all three kinds of file take ten minutes. A row of either table meets ONNX here, and
# the other two kinds take the method with the most operations.
ROWS = [
    *((method, "hrnet", "onnx") for method in METHOD),
    *(("dcpose", backbone, "onnx") for backbone in BACKBONE if backbone != "hrnet"),
    ("dcpose", "hrnet", "torch"),
    ("dcpose", "hrnet", "openvino"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "backbone", "to"), ROWS)
def test_every_row(method, backbone, to, tmp_path, formula_weights):
    for package in {"onnx": ["onnxscript", "onnxruntime"], "openvino": ["openvino"]}.get(to, []):
        pytest.importorskip(package)
    if backbone == "timm":
        pytest.importorskip("timm")
    cfg = load_config(
        "configs/base/dcpose_hrnet_w48.yaml",
        [
            "experiment=row", "data.root=.", "data.crop_wh=[64,64]", f"model.name={method}",
            f"model.backbone={BACKBONE[backbone]}", "model.backbone.frozen=false",
            *METHOD[method],
        ],
    )  # fmt: skip
    state = {name: tensor.shape for name, tensor in build_model(cfg).state_dict().items()}
    weights = tmp_path / "row.pth"
    torch.save(formula_weights(state, 0), weights)
    model = build_model(cfg, weights)
    out = tmp_path / {"onnx": "row.onnx", "torch": "row.pt2", "openvino": "row.xml"}[to]
    card = export_model(cfg, model, weights, out, ExportOptions(to=to))
    assert card.parity.off_peak <= 1e-5
    assert card.parity.moved_px_99 <= 0.05
