#!/usr/bin/env bash
# Everything that waits for a CUDA device, in eight minutes: tests, benchmarks, a short training.
#   bash scripts/gpu_checks.sh [OUT]            result files go to OUT (docs/benchmarks), the log too
#   bash scripts/gpu_checks.sh --dry-run [OUT]  the same in small, on a CPU
# A step that fails or takes too long is named at the end; the others are done.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

device=cuda small=() patience=1
if [ "${1:-}" = --dry-run ]; then
    device=cpu small=(--smoke --runs 1) patience=8 # no figures, but all of it, also on a busy machine
    shift
fi
out="${1:-docs/benchmarks}"
budget="${BUDGET_S:-$((480 * patience))}"
runs="$(mktemp -d)"
failed=()
mkdir -p "$out"
log="$out/gpu_checks_$device.log"
: > "$log"
export OMP_WAIT_POLICY=PASSIVE PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
trap 'rm -rf "$runs"' EXIT

# step NAME SECONDS COMMAND...: at most so long, and not past the end of the budget
step() {
    local name="$1" limit="$(($2 * patience))" start=$SECONDS code=0 left=$((budget - SECONDS))
    shift 2
    [ "$limit" -le "$left" ] || limit="$left"
    if [ "$limit" -le 0 ]; then
        code=124
    else
        timeout --kill-after=5 "$limit" "$@" >> "$log" 2>&1 || code=$?
    fi
    echo "$name: exit code $code after $((SECONDS - start)) s" | tee -a "$log"
    [ "$code" = 0 ] || failed+=("$name")
}

suite() {
    local name="$1" limit="$2"
    shift 2
    step "$name" "$limit" python scripts/benchmark.py --suite "$name" --device "$device" --out "$out" \
        "${small[@]}" "$@"
}

# the figures that count first
suite network 100
suite train 40
suite deform_conv 20
suite video 60
suite others 60
step "tests marked gpu" 60 python -m pytest -q -m gpu tests

# a short training on the device: clips/s, and weights to compare number formats with
data="$runs/data" single="$runs/single_frame" dcpose="$runs/dcpose"
size=(--train-videos 24 --val-videos 8 --frames 8)
short=(train.epochs=2) precisions=(fp32 bf16 fp16)
if [ "$device" = cpu ]; then
    size=(--train-videos 1 --val-videos 1 --frames 4 --size 160 120)
    short=(train.epochs=1 train.batch_size=2 data.crop_wh="[32,32]" data.workers=0)
    precisions=(fp32 bf16) # fp16 needs CUDA
fi
both=("${short[@]}" data.root="$data")
step "render videos" 60 python scripts/make_synthetic_posetrack.py --out "$data" --seed 0 "${size[@]}"
step "train a backbone" 60 python tools/train.py --cfg configs/synthetic/single_frame.yaml \
    --device "$device" --run-dir "$single" "${both[@]}"
step "train DCPose" 60 python tools/train.py --cfg configs/synthetic/dcpose.yaml --device "$device" \
    --run-dir "$dcpose" "${both[@]}" model.backbone.weights="$single/checkpoints/last.pt"
suite agreement 40 --run "$dcpose"
suite share_backbone 60 --runs 1
for precision in "${precisions[@]}"; do
    step "val in $precision" 20 python tools/val.py --cfg configs/synthetic/dcpose.yaml \
        --device "$device" --weights "$dcpose/checkpoints/last.pt" --run-dir "$runs/$precision" \
        "${both[@]}" test.runtime=torch test.precision="$precision"
    if [ -f "$runs/$precision/results.md" ]; then
        cp "$runs/$precision/results.md" "$out/val_${precision}_$device.md"
    fi
done

echo "done in $SECONDS s; results and log in $out"
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
