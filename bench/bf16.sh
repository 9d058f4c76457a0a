#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Processor and wall seconds of classify and harvest with the tower in fp32 and in bf16, in turn; on this CPU, and on this CPU
# restricted to AVX2: bench/bf16.sh MODEL IMAGES WORK OUT.csv ROUNDS
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
model="$1" images="$2" work="$3" out="$4" rounds="$5"
mkdir -p "$work"
TIMEFORMAT='%R %U %S'

# Times one command; its times are in the last line of $work/time.
timed() {
  local cpu="$1"
  shift
  local limits=()
  if [ "$cpu" = avx2 ]; then limits=(ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2); fi
  { time env "${limits[@]}" "$root/clipsteer" "$@" >"$work/json" 2>"$work/log"; } 2>"$work/time"
}

echo "# bench/bf16.sh MODEL IMAGES WORK OUT.csv $rounds" >"$out"
echo "cpu,round,command,tower,wall_seconds,processor_seconds" >>"$out"
for ((round = 1; round <= rounds; round++)); do
  for cpu in avx2 native; do
    for command in classify harvest; do
      for tower in fp32 bf16; do
        if [ "$command" = classify ]; then
          timed "$cpu" classify --model "$model" --library "$model" --images "$images" --dtype "$tower" --json
        else
          rm -rf "$work/store"
          timed "$cpu" harvest --model "$model" --images "$images" --layers 0-11 --tower-dtype "$tower" \
            --out "$work/store" --json
        fi
        awk -v line="$cpu,$round,$command,$tower" 'END { printf "%s,%.2f,%.2f\n", line, $1, $2 + $3 }' "$work/time" >>"$out"
      done
    done
  done
done
