#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The distribution: its size, two builds of this commit on two paths, byte by byte, and start-up beside the clone's launcher.
#
#   bench/dist.sh WORK OUT.csv [ROUNDS]
#
# Builds HEAD in WORK/a and WORK/another/path unless their archives are there. Then starts the unpacked program and ./clipsteer in turn:
# wall-clock seconds and processor seconds (which other programs on the machine change less).
set -euo pipefail

work=$1 out=$2 rounds=${3:-5}
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
mkdir -p "$work"
work="$(cd "$work" && pwd)"

archive() { # FOLDER: its archive, built of HEAD if need be
  if ! ls "$1"/dist/target/clipsteer-*-linux-x86_64.tar.gz >/dev/null 2>&1; then
    git clone -q "$root" "$1"
    (cd "$1" && mvn -B -q -o -Pdist -Ddist.platforms=linux-x86_64 package -pl dist -am) >"$work/build.log" 2>&1 ||
      { tail -n 20 "$work/build.log" >&2; exit 1; }
  fi
  ls "$1"/dist/target/clipsteer-*-linux-x86_64.tar.gz
}
one="$(archive "$work/a")"
two="$(archive "$work/another/path")"
if cmp -s "$one" "$two"; then equal=1; else equal=0; fi

rm -rf "$work/unpacked"
mkdir "$work/unpacked"
tar xzf "$one" -C "$work/unpacked"
home="$(echo "$work"/unpacked/clipsteer-*)"
{
  echo "# bench/dist.sh WORK OUT.csv $rounds; $(git -C "$root" rev-parse --short HEAD), load $(cut -d' ' -f1 /proc/loadavg) on $(nproc) cores"
  echo "what,start,value"
  echo "archive_mb,,$(stat -c %s "$one" | awk '{printf "%.1f", $1 / 1e6}')"
  echo "unpacked_mb,,$(du -sb --apparent-size "$home" | awk '{printf "%.1f", $1 / 1e6}')"
  for part in natives runtime lib share; do
    echo "${part}_mb,,$(du -sb --apparent-size "$home/$part" | awk '{printf "%.1f", $1 / 1e6}')"
  done
  echo "equal_on_two_paths,,$equal"
} >"$out"

export CLIPSTEER_CACHE="$work/cache"
rm -rf "$work/clip" "$work/images" "$CLIPSTEER_CACHE"
time_of() { # NAME START COMMAND…: one row of seconds, one of processor seconds
  local TIMEFORMAT='%R %U %S' name=$1 start=$2 took
  shift 2
  took="$({ time "$@" >/dev/null 2>"$work/log"; } 2>&1)" || { cat "$work/log" >&2; exit 1; }
  echo "$took" | awk -v name="$name" -v start="$start" \
    '{ printf "%s_seconds,%s,%s\n%s_cpu_seconds,%s,%.2f\n", name, start, $1, name, start, $2 + $3 }' >>"$out"
}
time_of first_command 1 "$home/bin/clipsteer" world model --out "$work/clip"
"$home/bin/clipsteer" world generate --set birds --count 1 --out "$work/images" >/dev/null 2>&1
classify=(classify --model "$work/clip" --images "$work/images" --classes bird,cat)
"$root/clipsteer" "${classify[@]}" >/dev/null 2>&1 # builds it if need be
for round in $(seq "$rounds"); do
  time_of version "$round" "$home/bin/clipsteer" --version
  time_of version_of_clone "$round" "$root/clipsteer" --version
  time_of classify "$round" "$home/bin/clipsteer" "${classify[@]}"
  time_of classify_of_clone "$round" "$root/clipsteer" "${classify[@]}"
done
cat "$out"
[ "$equal" = 1 ]
