#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Throughput of the SAEs of 12 layers, trained in one pass over one store, as a ratio to that of one layer's SAE alone.
#
#   bench/many_layers.sh STORE WORK OUT.csv [ROUNDS [TOKENS]]
#
# STORE holds layers 0-11 (clipsteer harvest --layers 0-11). In each round layer 8 is trained, then all, then layer 8
# again, on the same tokens. The ratio divides the throughput of all by the mean of the two single runs. The JVM compiles in the
# first seconds of a run, which slows one layer more than twelve, so TOKENS should be large.
set -euo pipefail

store=$1 work=$2 out=$3 rounds=${4:-3} tokens=${5:-200000}
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
mkdir "$work"

field() { sed -n "s/^ *\"$1\" : \([0-9.E]*\),*$/\1/p" "$2"; }

train() { # LAYERS: tokens a second of the steps alone, and of the whole training
  "$root/clipsteer" train --store "$store" --layers "$1" --sae topk:k=32 --train-tokens "$tokens" --out "$work/run" \
    --json >"$work/json" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  rm -r "$work/run"
  field tokens_per_second "$work/json"
}

{
  echo "# bench/many_layers.sh STORE WORK OUT.csv $rounds $tokens; tokens a second, one counted once for each SAE"
  echo "round,one_before,twelve,one_after,ratio"
} >"$out"
for round in $(seq "$rounds"); do
  before=$(train 8)
  twelve=$(train 0-11)
  after=$(train 8)
  echo "$round,$before,$twelve,$after,$(awk "BEGIN { printf \"%.3f\", $twelve / (($before + $after) / 2) }")" | tee -a "$out"
done
echo "# median ratio $(grep '^[0-9]' "$out" | cut -d, -f5 | sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }')" | tee -a "$out"
rm -r "$work"
