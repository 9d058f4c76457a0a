#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills the driver of harvest and steerability on a cluster (kill -9), resumes them with --resume, and compares the results
# with those of undisturbed runs on one machine: stores byte by byte, steerability but for measured seconds.
#
#   bench/kill_cluster.sh RUN IMAGES WORDS WORK OUT.csv
#
# RUN: a run of clipsteer train, with its model. IMAGES: the first 256 are harvested, 16 are steered on. WORDS: a text library
# of the model. WORK must not exist. CLIPSTEER: the program (default: ./clipsteer). MASTER: default local-cluster[2,1,1024].
set -euo pipefail
run=$1 images=$2 words=$3 work=$4 out=$5
program=${CLIPSTEER:-./clipsteer} master=${MASTER:-local-cluster[2,1,1024]}
model=$(sed -n 's/^ *"model" : "\(.*\)",*/\1/p' "$run/run.json" | head -1)
mkdir "$work"
export OMP_NUM_THREADS=1

harvest() { # OUT OPTIONS…
  local store=$1; shift
  # shellcheck disable=SC2086
  exec $program harvest --model "$model" --images "$images" --limit 256 --layers 2,5 --image-batch 8 --block-size 8 --threads 1 \
    --out "$store" "$@"
}
steerability() { # OUT OPTIONS…
  local folder=$1; shift
  # shellcheck disable=SC2086
  exec $program steerability --run "$run" --images "$images" --limit 16 --library "$words" --units features,random \
    --sample 640 --random-count 64 --set 40 --image-batch 8 --threads 1 --out "$folder" "$@"
}

files() { find "$1" -path "$2" 2>/dev/null | wc -l; }

killed() { # COMMAND FOLDER PATTERN COUNT OPTIONS…: when so many files are there
  local command=$1 folder=$2 pattern=$3 count=$4 pid
  shift 4
  ($command "$folder" --master "$master" "$@") >"$work/log" 2>&1 &
  pid=$!
  while [ "$(files "$folder" "$pattern")" -lt "$count" ]; do
    kill -0 $pid || { cat "$work/log"; exit 1; }
    sleep 0.02
  done
  kill -9 $pid
  wait $pid 2>/dev/null || true
}

echo "# bench/kill_cluster.sh: the driver killed (kill -9) on $master, then --resume; threads 1" >"$out"
echo "command,kills,blocks_left_by_the_kills,result" >>"$out"

(harvest "$work/whole") >"$work/log" 2>&1
killed harvest "$work/store" '*/shards/??????.json' 5
first=$(files "$work/store" '*/shards/??????.json')
killed harvest "$work/store" '*/shards/??????.json' $((first + 8)) --resume
second=$(files "$work/store" '*/shards/??????.json')
(harvest "$work/store" --master "$master" --resume) >"$work/log" 2>&1
diff -r --exclude=manifest.json --exclude=.lock "$work/whole" "$work/store"
echo "harvest,2,$first and $second of 32,the same bytes" >>"$out"

(steerability "$work/units") >"$work/log" 2>&1
killed steerability "$work/parts" '*/parts/*.json' 4
first=$(files "$work/parts" '*/parts/*.json')
killed steerability "$work/parts" '*/parts/*.json' $((first + 3)) --resume
second=$(files "$work/parts" '*/parts/*.json')
(steerability "$work/parts" --master "$master" --resume) >"$work/log" 2>&1
diff -r --exclude=manifest.json --exclude=.lock --exclude=steerability.json "$work/units" "$work/parts"
diff <(grep -v 'seconds"' "$work/units/steerability.json") <(grep -v 'seconds"' "$work/parts/steerability.json")
echo "steerability,2,$first and $second parts,the same but for seconds" >>"$out"
rm -r "$work"
cat "$out"
