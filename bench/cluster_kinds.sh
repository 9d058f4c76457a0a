#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A standalone cluster on this machine whose two workers use other instructions (AVX-512 and AVX2): the doctor names it, harvest
# refuses it, and with --mixed the store differs in the last bits of some activations only. Needs a machine with AVX-512.
#
#   bench/cluster_kinds.sh MODEL IMAGES WORK OUT.csv
#
# CLIPSTEER: the program (default: ./clipsteer). SPARK_HOME: default cluster/target/dist. PYTHON: with numpy.
set -euo pipefail
model=$1 images=$2 work=$3 out=$4
program=${CLIPSTEER:-./clipsteer} python=${PYTHON:-python3}
export SPARK_HOME=${SPARK_HOME:-$PWD/cluster/target/dist} OMP_NUM_THREADS=1
port=7177 master=spark://127.0.0.1:7177
java=${JAVA_HOME:?the JDK 25}/bin/java
options=(--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED
  --add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED
  --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -Xmx300m -cp "$SPARK_HOME/jars/*")
mkdir "$work"
"$java" "${options[@]}" org.apache.spark.deploy.master.Master --host 127.0.0.1 --port $port --webui-port 0 >"$work/master.log" 2>&1 &
pids=($!)
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
worker() { # CORES KIND
  ATEN_CPU_CAPABILITY=$2 "$java" "${options[@]}" org.apache.spark.deploy.worker.Worker --cores "$1" --memory 2g --webui-port 0 \
    --work-dir "$work/worker-$2" --host 127.0.0.1 "$master" >"$work/worker-$2.log" 2>&1 &
  pids+=($!)
}
worker 1 avx512
worker 1 avx2
common=(--master "$master" --cluster-conf spark.executor.memory=1g)
harvest() { # OUT OPTIONS…
  local store=$1; shift
  # shellcheck disable=SC2086
  $program harvest --model "$model" --images "$images" --limit 64 --layers 2,5 --dtype fp32 --image-batch 8 --block-size 8 \
    --threads 1 --out "$store" "$@"
}
# shellcheck disable=SC2086
$program cluster doctor --threads 1 "${common[@]}" >"$work/doctor" 2>&1 && exit 1
grep -q "several kinds of processors" "$work/doctor"
harvest "$work/refused" "${common[@]}" >"$work/refused.log" 2>&1 && exit 1
grep -q "processors of several kinds" "$work/refused.log"
harvest "$work/whole" >"$work/whole.log" 2>&1
harvest "$work/mixed" "${common[@]}" --mixed >"$work/mixed.log" 2>&1
{
  echo "# bench/cluster_kinds.sh: a standalone cluster, two workers, AVX512 and AVX2; fp32 store of 64 images, layers 2 and 5"
  echo "what,result"
  echo "cluster doctor,\"exit 1: $(grep -o 'has several kinds[^.]*' "$work/doctor" | head -1)\""
  echo "harvest,\"exit 1: $(grep -o 'has processors of several kinds ([^)]*)' "$work/refused.log")\""
} >"$out"
"$python" - "$work/whole" "$work/mixed" >>"$out" <<'E2'
import pathlib, sys
import numpy as np
whole, mixed = map(pathlib.Path, sys.argv[1:])
equal = differ = 0
most = largest = 0.0
for file in sorted(whole.glob("shards/*.bin")):
    a = np.fromfile(file, np.float32).astype(np.float64)
    b = np.fromfile(mixed / "shards" / file.name, np.float32).astype(np.float64)
    if (a == b).all():
        equal += 1
        continue
    differ += 1
    most = max(most, np.abs(a - b).max() / np.abs(a).max())
    largest = max(largest, np.linalg.norm(a - b) / np.linalg.norm(a))
print(f'"harvest --mixed, shards with the same bytes",{equal}')
print(f'"harvest --mixed, other shards",{differ}')
print(f'"largest difference, of the largest activation",{most:.2g}')
print(f'"length of the differences, of the activations\'",{largest:.2g}')
E2
cat "$out"
rm -r "$work"
