#!/usr/bin/env bash
# From nothing to a trained DCPose that beats its own single-frame backbone, on rendered video.
# Safe to run again: finished steps are skipped, a stopped training goes on where it was.
# DEVICE=cuda trains on a GPU; SEED=1 renders and trains with another seed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

seed="${SEED:-0}"
device="${DEVICE:-cpu}"
data="datasets/synthetic_seed$seed"
runs="runs/quickstart_${device}_seed$seed"
single="$runs/single_frame"
dcpose="$runs/dcpose"
overrides=(seed="$seed" data.root="$data")
start=$SECONDS
# threads that wait for each other without spinning: many times faster where cores are shared
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"

echo "== 1/6 render videos"
python scripts/make_synthetic_posetrack.py --out "$data" --seed "$seed" \
    --train-videos 150 --val-videos 50 --frames 12

echo "== 2/6 train the single-frame backbone"
python tools/train.py --cfg configs/synthetic/single_frame.yaml --device "$device" \
    --run-dir "$single" --resume "${overrides[@]}"

echo "== 3/6 train DCPose on it"
python tools/train.py --cfg configs/synthetic/dcpose.yaml --device "$device" \
    --run-dir "$dcpose" --resume "${overrides[@]}" \
    model.backbone.weights="$single/checkpoints/last.pt"

echo "== 4/6 evaluate both on the same boxes"
python tools/val.py --cfg configs/synthetic/single_frame.yaml --device "$device" \
    --weights "$single/checkpoints/last.pt" --run-dir "$single/val" "${overrides[@]}"
python tools/val.py --cfg configs/synthetic/dcpose.yaml --device "$device" \
    --weights "$dcpose/checkpoints/last.pt" --run-dir "$dcpose/val" "${overrides[@]}"

echo "== 5/6 write leaderboard files"
python tools/test.py --cfg configs/synthetic/dcpose.yaml --device "$device" \
    --weights "$dcpose/checkpoints/last.pt" --out "$runs/leaderboard" "${overrides[@]}"

echo "== 6/6 draw ground truth, single frame and DCPose side by side, and make the report"
python scripts/compare.py --annotations "$data/annotations/val" --root "$data" \
    --predictions "single frame=$single/val/predictions/val" "DCPose=$dcpose/val/predictions/val" \
    --out "$runs/pictures"
python scripts/picture_ptm.py --cfg configs/synthetic/dcpose.yaml --joint right_wrist \
    --weights "$dcpose/checkpoints/last.pt" --out "$runs/pictures/ptm.png" "${overrides[@]}"
python scripts/report.py "single frame=$single" "DCPose=$dcpose" --out "$runs/report.html"

echo
python scripts/results_table.py "single frame=$single/val" "DCPose=$dcpose/val" \
    | tee "$runs/results.md"
echo
echo "Everything on one page: $runs/report.html"
echo "Pictures: $runs/pictures/*.png   leaderboard files: $runs/leaderboard/submission.zip"
echo "Done in $(( (SECONDS - start) / 60 )) min $(( (SECONDS - start) % 60 )) s."
