"""Export a trained model: dcpose export --weights W --to onnx --out FILE [overrides].

Writes FILE and FILE.json, which says what goes in and comes out, once the exported network agrees
with the model on rendered clips; else it writes nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dcpose.build.export import ExportOptions
from dcpose.cli import documented_parser, reports_user_errors, require_weights
from dcpose.deploy.exported import card_path
from dcpose.jobs.export import export


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument("--weights", help="our own checkpoint, or released weights")
    parser.add_argument("--cfg", help="config (default: what the weights tell)")
    parser.add_argument("--to", choices=("onnx", "torch", "openvino"), required=True)
    parser.add_argument("--out", type=Path, required=True, help=".onnx, .pt2 or .xml file")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16"),
        default="fp32",
        help="of the weights (default fp32); fp16 halves the file, computing is in fp32",
    )
    parser.add_argument(
        "--deform-conv",
        choices=("deform_conv", "grid_sample"),
        default="deform_conv",
        help="deformable convolution as one operator (default), or by sampling, which runtimes "
        "without that operator can load",
    )
    parser.add_argument("--opset", type=int, help="of ONNX (default 20)")
    parser.add_argument(
        "--crops-to-joints",
        action="store_true",
        help="normalisation and decoding inside: uint8 crops in, joints and scores out",
    )
    parser.add_argument(
        "--winograd",
        action="store_true",
        help="fewer multiplications in wide residual blocks (ONNX): faster on a CPU, slower on a "
        "GPU",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    return parser.parse_intermixed_args(argv)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    options = ExportOptions(
        to=args.to,
        precision=args.precision,
        form=args.deform_conv,
        opset=args.opset,
        crops_to_joints=args.crops_to_joints,
        winograd=args.winograd,
    )
    weights = Path(require_weights(args.weights))
    card = export(args.cfg, weights, args.out, options, args.overrides)
    if card.parity is not None:
        print(card.parity.line())
    print(f"{args.out}\n{card_path(args.out)}")
    return 0
