#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memory of the driver of an index in many blocks: one of one image, one executor, the driver's heap limited. Every 5 s: resident memory and
# blocks on disk; at the end the peak (VmHWM).
#
#   bench/cluster_driver.sh RUN IMAGES OUT.csv [HEAP]
#
# RUN and IMAGES, with CLIP a test model of width 24 and PHOTOS a tar of small images:
#   tar xf PHOTOS && (10,000 of them in IMAGES)
#   clipsteer train --model CLIP --images IMAGES --limit 300 --layers 0,1 --sae topk:k=8 --expansion 1024 --train-tokens 4096 --out RUN
# CLIPSTEER: the program (default: ./clipsteer). HEAP: of the driver (default: 460m).
set -euo pipefail
run=$1 images=$2 out=$3 heap=${4:-460m}
read -ra program <<<"${CLIPSTEER:-./clipsteer}"
arguments=(index --run "$run" --images "$images" --image-batch 1 --block-size 1 --threads 1 --master 'local-cluster[1,1,1024]')

CLIPSTEER_JVM_OPTIONS="-Xmx$heap" "${program[@]}" "${arguments[@]}" >"$out.log" 2>&1 </dev/null &
driver=$!
echo "# bench/cluster_driver.sh: clipsteer ${arguments[*]:0:1} --image-batch 1 --block-size 1 --threads 1 --master local-cluster[1,1,1024], driver's heap $heap" >"$out"
echo "seconds,driver_resident_mb,driver_peak_mb,blocks" >>"$out"
start=$SECONDS
while kill -0 $driver 2>/dev/null; do
  row=$(awk '/^VmHWM/ { peak = $2 } /^VmRSS/ { now = $2 } END { if (now) printf "%d,%d", now / 1024, peak / 1024 }' "/proc/$driver/status" 2>/dev/null || true)
  blocks=$(find "$run" -path '*block*' -type f 2>/dev/null | wc -l)
  [ -n "$row" ] && echo "$((SECONDS - start)),$row,$blocks" >>"$out"
  sleep 5
done
wait $driver
