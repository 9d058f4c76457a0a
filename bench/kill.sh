#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills harvest and train (kill -9) at random instants, resumes them, and compares the finished folders with those of
# undisturbed runs, byte by byte. Each series starts its command, kills it after a random part of 1.2 times the time of the
# undisturbed run, resumes it with --resume, and so on until the number of kills is reached. Runs that finish before are
# compared, and a new run is started. The seed fixes the instants; their position in the work depends on the machine.
#
#   bench/kill.sh MODEL IMAGES WORK OUT.csv [KILLS]
#
# MODEL has 8 blocks or more, as the demo CLIP under lab/src/main/resources. The first 512 of IMAGES are read. KILLS is the
# number of each of the four series (default: 10). WORK must not exist, takes about 1 GB, and is deleted on success.
set -euo pipefail

model=$1 images=$2 work=$3 out=$4 kills=${5:-10}
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
mkdir "$work"
RANDOM=1
# On a busy machine two threads wait for each other at every operation of so small a model.
export OMP_NUM_THREADS=1

now() { echo $(($(date +%s%N) / 1000000)); }

# Times and process ids differ from run to run: manifest.json. Nothing else may.
sums() { (cd "$1" && find . -type f ! -name manifest.json -print0 | sort -z | xargs -0 sha256sum); }

same() { # UNDISTURBED OTHER
  if ! diff <(sums "$1") <(sums "$2") >"$work/difference"; then
    echo "kill.sh: $2 differs from $1:" >&2
    cat "$work/difference" >&2
    exit 1
  fi
}

left() { # what a killed run can be resumed from: complete shards, or the step of its last state
  local shards
  if [ -d "$1/shards" ]; then
    shards=("$1"/shards/??????.json)
    [ -e "${shards[0]}" ] && echo "${#shards[@]} shards" || echo "0 shards"
  elif [ -f "$1/state.json" ]; then
    sed -n 's/^ *"step" : \([0-9]*\).*/state of step \1/p' "$1/state.json"
  else
    echo nothing
  fi
}

series() { # NAME LAST_FILE ARGUMENTS...
  local name=$1 last=$2 done=0 finished=0 begin window pid wait_ms status resume run
  shift 2
  begin=$(now)
  "$root/clipsteer" "$@" --out "$work/$name" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  window=$((($(now) - begin) * 6 / 5))
  run="$work/$name-killed"
  while [ "$done" -lt "$kills" ]; do
    resume=()
    [ ! -d "$run" ] || resume=(--resume)
    "$root/clipsteer" "$@" "${resume[@]}" --out "$run" >"$work/log" 2>&1 &
    pid=$!
    wait_ms=$(((RANDOM << 15 | RANDOM) % window))
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -9 "$pid" 2>/dev/null || true
    status=0
    wait "$pid" 2>/dev/null || status=$?
    if [ "$status" = 137 ]; then
      done=$((done + 1))
      echo "$name,$done,$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000))),$(left "$run")" | tee -a "$out"
    elif [ "$status" != 0 ]; then
      cat "$work/log" >&2
      exit 1
    fi
    if [ -f "$run/$last" ]; then
      # A training that is killed after its last file only has to delete its state.
      [ "$status" = 0 ] || "$root/clipsteer" "$@" --resume --out "$run" >"$work/log" 2>&1 || true
      finished=$((finished + 1))
      same "$work/$name" "$run"
      rm -r "$run"
    fi
  done
  resume=()
  [ ! -d "$run" ] || resume=(--resume)
  "$root/clipsteer" "$@" "${resume[@]}" --out "$run" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  same "$work/$name" "$run"
  echo "# $name: $done kills, $((finished + 1)) finished runs, each of $(sums "$run" | wc -l) files equal to the undisturbed run's" | tee -a "$out"
}

{
  echo "# bench/kill.sh MODEL IMAGES WORK OUT.csv $kills; kill -9 after so many seconds, and the state to resume from"
  echo "series,kill,after_seconds,left"
} >"$out"

train=(train --model "$model" --expansion 4 --batch 256 --dead-tokens 2000 --checkpoint-minutes 0.01 --threads 1)
store=(--store "$work/harvest-killed" --layers 2,5)

series harvest complete.json harvest --model "$model" --images "$images" --limit 512 --layers 0-7 \
  --dtype fp32 --image-batch 1 --threads 1
series train-target run.json "${train[@]}" "${store[@]}" --sae relu:l1=1e-3 --sae jumprelu:l0=1e-3 --target-l0 16,32 \
  --train-tokens 12000
series train-topk run.json "${train[@]}" "${store[@]}" --sae topk:k=16 --sae topk:k=16,aux=0.03 --sae batchtopk:k=16 \
  --sae matryoshka:k=16 --train-tokens 12000
series train-images run.json "${train[@]}" --images "$images" --limit 100 --layers 5 --sae topk:k=16,aux=0.03 \
  --sae relu:l1=1e-3,ghost=true --normalise standardise --resample-steps 10 --image-batch 4 --train-tokens 12000
rm -r "$work"
