#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The candidates of a demo's suppressions with their right answers, on which bench/selection.py compares rules of selection.
#
#   bench/selection.sh DEMO SEED OUT [PERTURBED]
#
# DEMO: a folder with model, images and run of `clipsteer demo --seed SEED`. OUT receives SEED-portraits.json and so on. PERTURBED: how often
# the work is repeated with the SAEs' weights multiplied by 1 + 1e-6·normal (default 0). Needs `mvn -pl cli -am package` before, and a JDK 25 first on the PATH.
set -euo pipefail

demo=$1 seed=$2 out=$3 perturbed=${4:-0}
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
flags=$(sed -n 's/.*<clipsteer.jvm>\(.*\)<.*/\1/p' "$root/pom.xml")
mkdir -p "$out"

grid() { # TASK LAYOUT LAYERS CLEAN SELECT EDIT MAX_LOSS AT
  local images="$2:$demo/images/$1"
  # shellcheck disable=SC2086
  java -Xmx4g $flags -cp "$root/lab/target/test-classes:$root/cli/target/dist/lib/*" io.clipsteer.lab.suppress.SelectionBench \
    "$demo/model" "$demo/run" "$3" "$images" "$images-train" "$images-validation" "$4" "$5" "$6" "$7" "$8" "$seed" "$perturbed" \
    "$out/$seed-$1.json"
}

grid portraits celeba 3-6 - gates mean 1 -
grid birds waterbirds 3-6 - gates mean 1 -
grid typographic typographic 2-2 "$demo/images/objects" energy cap:0.3 0.75 PATCHES
