#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The second paper's two experiments with known truth, on a finished demo's model and SAEs (clipsteer demo --out DEMO): ten backgrounds in label
# maps, at the last layer and one block earlier, and twelve pairs of species that differ in one part's colour.
#
#   bench/selectivity.sh DEMO WORK
set -euo pipefail

demo=$1 work=$2
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
clip() { "$root/clipsteer" "$@"; }
mkdir -p "$work"

for split in train test; do
  clip world generate --set objects --split $split --count 400 --seed 22 --masks --out "$work/scenes-$split"
  clip world generate --set parts --split $split --count 720 --seed 22 --out "$work/species-$split"
done
clip probe train --model "$demo/model" --data "segmentation:$work/scenes-train" --test "segmentation:$work/scenes-test" --out "$work/probe-scenes"
clip probe train --model "$demo/model" --data "folder:$work/species-train/images" --test "folder:$work/species-test/images" --features embedding \
  --out "$work/probe-species"

scenes() { # LAYER NAME SCALES
  clip study selectivity --run "$demo/run" --layer "$1" --probe "$work/probe-scenes" --data "segmentation:$work/scenes-test" \
    --train "segmentation:$work/scenes-train" --class water,grass,sand,snow,bricks,night,road,forest,planks,sky --scale "$3" --controls 70 --out "$work/$2" --json \
    >"$work/$2.json"
}
scenes 7 scenes-layer-7 0,-2
scenes 6 scenes-layer-6 0

painted=$(ls "$work/species-test/images" | awk 'NR % 2 == 1' | paste -sd,)
plain=$(ls "$work/species-test/images" | awk 'NR % 2 == 0' | paste -sd,)
clip study selectivity --run "$demo/run" --layer 4 --probe "$work/probe-species" --data "folder:$work/species-test/images" \
  --train "folder:$work/species-train/images" --class "$painted" --against "$plain" --select effect --scale 0 --controls 7 --out "$work/species" --json \
  >"$work/species.json"
