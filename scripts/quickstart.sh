#!/usr/bin/env bash
# Poses of a clip at once, with the model that comes with the package; then DCPose's heads trained on
# that model with rendered video, compared with it, exported, drawn and reported.
# Safe to run again: finished steps are skipped, a stopped training goes on where it was.
# VIDEO=clip.mp4 begins with a video of yours; DEVICE=cuda computes on a GPU; SEED=1 renders and
# trains with another seed; FULL=1 trains a backbone of its own from nothing, too, on more video,
# and writes leaderboard files. TRAIN_VIDEOS and VAL_VIDEOS change how many are rendered.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

seed="${SEED:-0}"
device="${DEVICE:-cpu}"
start=$SECONDS
if [ -n "${FULL:-}" ]; then
    configs=configs/synthetic train_videos="${TRAIN_VIDEOS:-150}" half_batch=8
    data="datasets/synthetic_seed$seed"
    runs="runs/quickstart_full_${device}_seed$seed"
    backbone="$runs/single_frame/checkpoints/last.pt"
    honest="Both stages were trained on this data, and DCPose has its backbone."
else
    configs=configs/quickstart train_videos="${TRAIN_VIDEOS:-40}" half_batch=4
    data="datasets/quickstart_seed$seed"
    runs="runs/quickstart_${device}_seed$seed"
    backbone=packaged
    honest="Only DCPose's heads were trained on this data; the single frame is the packaged network."
fi
single="$runs/single_frame"
dcpose="$runs/dcpose"
trained="$dcpose/checkpoints/last.pt"
overrides=(seed="$seed" data.root="$data")
# threads that wait for each other without spinning: many times faster where cores are shared
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
# an export to another runtime takes longer than all that is predicted here
runtime=test.runtime=torch
# two processes of one thread train faster than two threads (docs/benchmarks/train_cpu.md)
train=(python tools/train.py)
training=("${overrides[@]}")
if [ "$device" = cpu ] && [ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ]; then
    train=(env OMP_NUM_THREADS=1 python -m torch.distributed.run --standalone --nproc-per-node 2 tools/train.py)
    training+=(train.batch_size="$half_batch" data.workers=1)
fi

echo "== 1/7 poses of a clip, with the model that comes with the package"
if [ -n "${VIDEO:-}" ]; then
    first=("$VIDEO")
else
    clip="datasets/clip_seed$seed"
    python scripts/make_synthetic_posetrack.py --out "$clip" --seed "$seed" --workers 1 \
        --train-videos 0 --val-videos 1 --frames 24 --size 854 480
    first=("$clip"/images/val/* --detector "boxes:$clip/detections/test.json" --rate 12)
fi
python tools/infer.py "${first[@]}" --device "$device" --track --draw --html --out "$runs/first" "$runtime"
echo "The first poses took $((SECONDS - start)) s."

echo "== 2/7 render videos to train on"
python scripts/make_synthetic_posetrack.py --out "$data" --seed "$seed" \
    --train-videos "$train_videos" --val-videos "${VAL_VIDEOS:-50}" --frames 12

echo "== 3/7 train DCPose"
if [ -n "${FULL:-}" ]; then
    "${train[@]}" --cfg "$configs/single_frame.yaml" --device "$device" \
        --run-dir "$single" --resume "${training[@]}"
else
    training+=(train.cache_encodings="$runs/encodings")
fi
"${train[@]}" --cfg "$configs/dcpose.yaml" --device "$device" \
    --run-dir "$dcpose" --resume "${training[@]}" model.backbone.weights="$backbone"

echo "== 4/7 evaluate the single frame and DCPose on the same boxes"
python tools/val.py --cfg "$configs/single_frame.yaml" --device "$device" \
    --weights "$backbone" --run-dir "$single/val" "${overrides[@]}" "$runtime"
python tools/val.py --cfg "$configs/dcpose.yaml" --device "$device" \
    --weights "$trained" --run-dir "$dcpose/val" "${overrides[@]}" "$runtime"

echo "== 5/7 export DCPose for torch.export, proven to give the same heatmaps"
python tools/export.py --weights "$trained" --to torch --out "$runs/dcpose.pt2"
if [ -n "${FULL:-}" ]; then
    python tools/test.py --cfg "$configs/dcpose.yaml" --device "$device" \
        --weights "$trained" --out "$runs/leaderboard" "${overrides[@]}"
fi

echo "== 6/7 draw ground truth, single frame and DCPose side by side"
python scripts/compare.py --annotations "$data/annotations/val" --root "$data" \
    --predictions "single frame=$single/val/predictions/val" "DCPose=$dcpose/val/predictions/val" \
    --out "$runs/pictures"
python scripts/picture_ptm.py --cfg "$configs/dcpose.yaml" --joint right_wrist \
    --weights "$trained" --out "$runs/pictures/ptm.png" "${overrides[@]}"

echo "== 7/7 report"
python scripts/report.py "single frame=$single" "DCPose=$dcpose" --out "$runs/report.html"
echo
{
    echo "Seed $seed, $train_videos videos to train on, rendered val, annotated boxes. $honest"
    echo
    python scripts/results_table.py "single frame=$single/val" "DCPose=$dcpose/val"
} | tee "$runs/results.md"
echo
echo "Poses of the clip, in a browser: $(ls "$runs"/first/*.html)"
echo "Everything of the training on one page: $runs/report.html"
echo "Pictures: $runs/pictures/*.png   exported: $runs/dcpose.pt2"
if [ -n "${FULL:-}" ]; then echo "Leaderboard files: $runs/leaderboard/submission.zip"; fi
echo "Done in $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s; CPU time, user and system, of this shell, then of its commands:"
times
