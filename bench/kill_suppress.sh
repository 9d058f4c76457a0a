#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills suppress (kill -9) during the choice and during the test, resumes it, and compares the result with an undisturbed run:
#   bench/kill_suppress.sh DEMO WORK
# DEMO: the folder of clipsteer demo --out DEMO. WORK: a new folder.
set -euo pipefail
demo=$1 work=$2
mkdir "$work"
options=(--run "$demo/run" --image-batch 128 --data "waterbirds:$demo/images/birds"
  --train "waterbirds:$demo/images/birds-train" --validation "waterbirds:$demo/images/birds-validation"
  --layers 6,7 --select energy --edit mean --draws 4 --json)

killed_at() {
  local when=$1 pid
  shift
  ./clipsteer suppress "${options[@]}" --out "$work/killed" "$@" >"$work/killed.json" 2>"$work/killed.log" &
  pid=$!
  while kill -0 $pid && ! grep -q "$when.*: [0-9]" "$work/killed.log"; do sleep 0.2; done
  kill -9 $pid
  wait $pid || true
  echo "killed: $(tail -1 "$work/killed.log")"
}

./clipsteer suppress "${options[@]}" --out "$work/whole" >"$work/whole.json" 2>"$work/whole.log"
killed_at "validation: selecting features"
killed_at "evaluating on the test set" --resume
./clipsteer suppress "${options[@]}" --out "$work/killed" --resume >"$work/killed.json" 2>"$work/killed.log"
# All but the time it took.
if diff <(grep -v '"seconds"' "$work/whole.json") <(grep -v '"seconds"' "$work/killed.json"); then
  echo "the same report"
else
  echo "another report" && exit 1
fi
