#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's suppressions for a seed, on this CPU's own instruction set or a restricted one; bench/seeds.py reads them. Resumes.
#
#   bench/seeds.sh WORK SEED native|restricted
#
# restricted: PyTorch's own operations without AVX, OpenBLAS with its kernels for AVX without fused multiply-add, the JVM with AVX alone, so that
# sums round differently everywhere. The images of a seed are drawn once. The commands are those that `clipsteer demo --seed SEED` shows.
set -euo pipefail

work=$1 seed=$2 set=$3
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
images="$work/$seed/images" demo="$work/$seed/$set"
mkdir -p "$images" "$demo"
if [ "$set" = restricted ]; then
  export ATEN_CPU_CAPABILITY=default OPENBLAS_CORETYPE=Sandybridge CLIPSTEER_JVM_OPTIONS=-XX:UseAVX=1
fi

run() { # NAME WORDS…: a command whose result is not there yet
  local name=$1
  shift
  [ -s "$demo/$name.json" ] && return
  "$root/clipsteer" "$@" --json >"$demo/$name.part" 2>"$demo/$name.log"
  mv "$demo/$name.part" "$demo/$name.json"
}

draw() { # SET SPLIT COUNT NAME
  [ -e "$images/$4/manifest.json" ] || "$root/clipsteer" world generate --set "$1" --split "$2" --count "$3" --seed "$seed" --out "$images/$4" >/dev/null 2>&1
}

[ -e "$work/model" ] || "$root/clipsteer" world model --out "$work/model" >/dev/null 2>&1
draw mixed train 6000 mixed-train
draw objects test 4000 objects
for task in portraits birds; do
  draw $task train 4000 $task-train
  draw $task validation 1200 $task-validation
  draw $task test 4000 $task
done
draw typographic train 1000 typographic-train
draw typographic validation 1000 typographic-validation
draw typographic test 2000 typographic

run train train --model "$work/model" --image-batch 128 --buffer-mb 1100 --images "$images/mixed-train" --layers 2-7 --sae batchtopk:k=16 --expansion 8 --lr 2e-3 \
  --train-tokens 1000000 --seed "$seed" --out "$demo/run"

suppress() { # TASK LAYOUT OPTIONS…
  local task=$1 set="$2:$images/$1"
  shift 2
  [ -s "$demo/$task.json" ] || rm -rf "${demo:?}/edits/$task"
  run "$task" suppress --run "$demo/run" --image-batch 128 --screen --data "$set" --train "$set-train" --validation "$set-validation" \
    --draws 6 --seed "$seed" "$@" --out "$demo/edits/$task"
}

suppress portraits celeba --layers 3-6 --select gates --edit mean
suppress birds waterbirds --layers 3-6 --select gates --edit mean
suppress typographic typographic --clean "$images/objects" --layers 2-4 --at patches --select energy --edit cap:0.3 --max-clean-loss 0.75
