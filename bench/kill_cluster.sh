#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills the driver of harvest and steerability on a cluster (kill -9) and resumes them with --resume; kills an executor of
# steerability and of study selectivity, one in every stage of suppress, defend, evaluate and index, and two in a sweep of train --store, which resumes from
# a state. Compares the results with those of undisturbed runs on one machine: stores, SAEs, evaluations and indexes byte by byte, the others but for
# measured seconds.
#
#   bench/kill_cluster.sh RUN IMAGES WORDS PORTRAITS WORK OUT.csv
#
# RUN: a run of clipsteer train on the demo's CLIP, layers 2 and 5. IMAGES: world generate --set objects --count 2000; 256 are harvested, 8 are steered on,
# all evaluated and indexed. WORDS: a vocabulary. PORTRAITS: world generate --set portraits. WORK must not exist. CLIPSTEER: the program
# (default: ./clipsteer). MASTER: default local-cluster[2,1,1024].
set -euo pipefail
run=$1 images=$2 words=$3 portraits=$4 work=$5 out=$6
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
  exec $program steerability --run "$run" --images "$images" --limit 8 --vocabulary "$words" --units features,random \
    --sample 448 --random-count 448 --set 40 --image-batch 4 --threads 1 --out "$folder" "$@"
}

suppress() { # OUT OPTIONS…
  local folder=$1; shift
  # shellcheck disable=SC2086
  exec $program suppress --run "$run" --data "celeba:$portraits" --layers 5 --sizes 1,4 --draws 2 \
    --max-clean-loss 100 --image-batch 8 --threads 1 --per-group 16 --out "$folder" "$@"
}

evaluate() { # A COPY OF RUN, OPTIONS…
  local folder=$1; shift
  # shellcheck disable=SC2086
  exec $program evaluate --run "$folder" --images "$images" --limit 2000 --image-batch 4 --block-size 16 --threads 1 "$@"
}
index() { # A COPY OF RUN, OPTIONS…
  local folder=$1; shift
  # shellcheck disable=SC2086
  exec $program index --run "$folder" --images "$images" --limit 2000 --image-batch 4 --block-size 16 --threads 1 "$@"
}
train() { # OUT OPTIONS…
  local folder=$1; shift
  # shellcheck disable=SC2086
  exec $program train --store "$work/whole" --model "$model" --layers 2,5 --sae topk:k=8 --sae jumprelu:l0=1e-3 --train-tokens 80000 --batch 512 \
    --checkpoint-minutes 0.02 --threads 1 --out "$folder" "$@"
}
defend() { # OUT OPTIONS…
  local folder=$1; shift
  # shellcheck disable=SC2086
  exec $program defend --run "$run" --images "$work/scenes/images" --layers 5 --sizes 1,4 --draws 2 --max-clean-loss 100 --image-batch 8 \
    --defense-prefix=20 --threads 1 --out "$folder" "$@"
}
selectivity() { # OUT OPTIONS…
  local folder=$1; shift
  # shellcheck disable=SC2086
  exec $program study selectivity --run "$run" --probe "$work/probe" --data "segmentation:$work/scenes" --layer 2 --class water,grass,sand,snow,bricks,night --controls 3 --scale 0 \
    --threads 1 --out "$folder" "$@"
}
copy() { # OUT: RUN without what was added to it
  mkdir "$1"
  cp -r "$run"/{manifest.json,metrics.jsonl,pareto.csv,run.json,saes} "$1"
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

# With PARTS (some of harvest, steerability, suppress, run, train, defend, selectivity) only these run, and rows are added to OUT.csv.
wanted() { [ -z "${PARTS:-}" ] || [[ " $PARTS " == *" $1 "* ]]; }
if [ -z "${PARTS:-}" ]; then
  echo "# bench/kill_cluster.sh: the driver killed (kill -9) on $master, then --resume; threads 1" >"$out"
  echo "command,kills,blocks_left_by_the_kills,result" >>"$out"
fi
robbed() { # COMMAND FOLDER PATTERN…: an executor is killed when a file of each pattern is there
  local command=$1 folder=$2 pid pattern victim
  shift 2
  ($command "$folder" --master "$master") >"$work/log" 2>&1 &
  pid=$!
  robbed=0
  for pattern in "$@"; do
    while [ "$(files "$folder" "$pattern")" -lt 1 ]; do
      kill -0 $pid 2>/dev/null || break 2
      sleep 0.02
    done
    victim=$(pgrep -P $pid -f CoarseGrainedExecutorBackend | head -1)
    [ -n "$victim" ] && kill -9 "$victim" && robbed=$((robbed + 1))
  done
  wait $pid || { cat "$work/log"; exit 1; }
}
same() { # WHOLE OTHER REPORT: which has seconds, and perhaps the folder's own path
  diff -r --exclude=manifest.json --exclude=.lock --exclude="$3" "$1" "$2"
  diff <(grep -v 'seconds"' "$1/$3" | sed "s#$1/#OUT/#g") <(grep -v 'seconds"' "$2/$3" | sed "s#$2/#OUT/#g")
}

if wanted harvest || wanted train; then (harvest "$work/whole") >"$work/log" 2>&1; fi
if wanted harvest; then
  killed harvest "$work/store" '*/shards/??????.json' 5
  first=$(files "$work/store" '*/shards/??????.json')
  killed harvest "$work/store" '*/shards/??????.json' $((first + 8)) --resume
  second=$(files "$work/store" '*/shards/??????.json')
  (harvest "$work/store" --master "$master" --resume) >"$work/log" 2>&1
  diff -r --exclude=manifest.json --exclude=.lock "$work/whole" "$work/store"
  echo "harvest,2,$first and $second of 32,the same bytes" >>"$out"
fi
if wanted steerability; then
  (steerability "$work/units") >"$work/log" 2>&1
  killed steerability "$work/parts" '*/parts/*.json' 4
  first=$(files "$work/parts" '*/parts/*.json')
  killed steerability "$work/parts" '*/parts/*.json' $((first + 3)) --resume
  second=$(files "$work/parts" '*/parts/*.json')
  (steerability "$work/parts" --master "$master" --resume) >"$work/log" 2>&1
  diff -r --exclude=manifest.json --exclude=.lock --exclude=steerability.json "$work/units" "$work/parts"
  diff <(grep -v 'seconds"' "$work/units/steerability.json") <(grep -v 'seconds"' "$work/parts/steerability.json")
  echo "steerability,2,$first and $second parts,the same but for seconds" >>"$out"
  robbed steerability "$work/robbed" '*/parts/*.64.json'
  same "$work/units" "$work/robbed" steerability.json
  echo "\"steerability, an executor\",$robbed,,the same but for seconds" >>"$out"
fi
if wanted suppress; then
  (suppress "$work/edit") >"$work/log" 2>&1
  robbed suppress "$work/edits" '*/validation-sizes/000000.json' '*/validation-strengths/000000.json' '*/test/000000.json'
  same "$work/edit" "$work/edits" report.json
  echo "\"suppress, an executor in each stage\",$robbed,,the same but for seconds" >>"$out"
fi
if wanted run; then
  copy "$work/here"
  copy "$work/there"
  (evaluate "$work/here") >"$work/log" 2>&1
  (index "$work/here") >"$work/log" 2>&1
  robbed evaluate "$work/there" '*/evaluation.blocks/computing-token-statistics-20.block' '*/evaluation.blocks/evaluating-20.block'
  cmp "$work/here/evaluation.json" "$work/there/evaluation.json"
  echo "\"evaluate, an executor in each stage\",$robbed,,the same bytes" >>"$out"
  robbed index "$work/there" '*/index/features.blocks/indexing-20.block'
  diff -r --exclude=manifest.json --exclude=.lock "$work/here/index" "$work/there/index"
  echo "\"index, an executor\",$robbed,,the same bytes" >>"$out"
fi
if wanted train; then
  (train "$work/sweep") >"$work/log" 2>&1
  robbed train "$work/sweeps" '*/apart/*/state.json' '*/apart/*/trained.json'
  diff -r --exclude=manifest.json --exclude=.lock "$work/sweep" "$work/sweeps"
  echo "\"train --store, an executor with a state and one later\",$robbed,,the same bytes" >>"$out"
fi
# shellcheck disable=SC2086
$program world generate --set objects --count 300 --masks --out "$work/scenes" >"$work/log" 2>&1
if wanted defend; then
  (defend "$work/defence") >"$work/log" 2>&1
  robbed defend "$work/defences" '*/validation-sizes/000000.json' '*/validation-strengths/000000.json' '*/test/000000.json' '*/prefixed/000000.json'
  same "$work/defence" "$work/defences" report.json
  echo "\"defend, an executor in each stage\",$robbed,,the same but for seconds" >>"$out"
fi
if wanted selectivity; then
  # shellcheck disable=SC2086
  $program probe train --model "$model" --data "segmentation:$work/scenes" --layer 5 --threads 1 --out "$work/probe" >"$work/log" 2>&1
  (selectivity "$work/study") >"$work/log" 2>&1
  robbed selectivity "$work/studies" '*/classes/*.json'
  same "$work/study" "$work/studies" selectivity.json
  echo "\"study selectivity, an executor\",$robbed,,the same but for seconds" >>"$out"
fi
rm -r "$work"
cat "$out"
