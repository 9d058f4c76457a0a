#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills suppress (kill -9) three times, resumes it, and compares the result with an undisturbed run:
#   bench/kill_suppress.sh DEMO WORK
# DEMO: the folder of clipsteer demo --out DEMO. WORK: a new folder.
set -euo pipefail
demo=$1 work=$2
mkdir "$work"
options=(--run "$demo/run" --image-batch 128 --data "waterbirds:$demo/images/birds"
  --train "waterbirds:$demo/images/birds-train" --validation "waterbirds:$demo/images/birds-validation"
  --layers 6,7 --select energy --edit mean --draws 4 --json)

now() { echo $(($(date +%s%N) / 1000000)); }

killed_after() { # PERCENT OPTIONS…: of the time of the undisturbed run
  local percent=$1 pid
  shift
  ./clipsteer suppress "${options[@]}" --out "$work/killed" "$@" >"$work/killed.json" 2>"$work/killed.log" &
  pid=$!
  sleep "$((took * percent / 100000)).$(printf %03d $((took * percent / 100 % 1000)))"
  kill -9 $pid
  wait $pid || true
  echo "killed after $percent %, with $(ls "$work/killed/progress" 2>/dev/null | tr '\n' ' ')to resume from"
}

start=$(now)
./clipsteer suppress "${options[@]}" --out "$work/whole" >"$work/whole.json" 2>"$work/whole.log"
took=$(($(now) - start))
killed_after 50
killed_after 80 --resume
killed_after 30 --resume
./clipsteer suppress "${options[@]}" --out "$work/killed" --resume >"$work/killed.json" 2>"$work/killed.log"
# All but the time it took.
if diff <(grep -v '"seconds"' "$work/whole.json") <(grep -v '"seconds"' "$work/killed.json"); then
  echo "the same report"
else
  echo "another report" && exit 1
fi
