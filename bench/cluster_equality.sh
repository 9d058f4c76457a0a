#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real photos: every command that takes --master, on one machine, on two threads of one process and on two processes, with 3 and 7 partitions each.
# Compares every file of the results byte by byte, but for manifests, and in JSON and HTML for measured seconds and the folder's own path.
#
#   bench/cluster_equality.sh MODEL IMAGES TRUTH SCENES WORK OUT.csv
#
# MODEL: a CLIP with text_embeddings.safetensors and words.txt of the 1,000 ImageNet classes beside it. IMAGES: photos; TRUTH: their classes (columns file, index).
# SCENES: a set of segmentation:DIR:validation whose class 11 is none. WORK must not exist. CLIPSTEER: the program (default: ./clipsteer).
# Suppression's labels are made up, since only equality counts: animals (the first 398 classes) and things, and whether a file is larger than most.
set -euo pipefail
model=$1 images=$2 truth=$3 scenes=$4 work=$5 out=$6
read -ra program <<<"${CLIPSTEER:-./clipsteer}"
export OMP_NUM_THREADS=1
mkdir -p "$work/few"
blocks=(--image-batch 4 --threads 1)

# Thirty-six photos, one of them broken, and a table of made-up labels beside them.
middle=$(find "$images" -name '*.JPEG' -printf '%s\n' | sort -n | awk '{ all[NR] = $1 } END { print all[int(NR / 2)] }')
echo "file,target,attribute" >"$work/few/table.csv"
awk -F '\t' 'NR > 1 && NR % 13 == 2 { print $1, $2 }' "$truth" | head -36 | while read -r file index; do
  cp "$images/$file" "$work/few"
  size=$(stat -c %s "$images/$file")
  echo "$file,$([ "$index" -lt 398 ] && echo Beagle || echo desk),$([ "$size" -gt "$middle" ] && echo large || echo small)"
done >>"$work/few/table.csv"
broken=$(sed -n 8p "$work/few/table.csv" | cut -d , -f 1)
echo "no image" >"$work/few/$broken"

harvest() { "${program[@]}" harvest --model "$model" --images "$work/few" --layers 5,8 "${blocks[@]}" --block-size 4 --out "$@"; }
train() {
  "${program[@]}" train --store "$work/harvest.here" --model "$model" --layers 5,8 --sae topk:k=8 --sae relu:l1=1e-3 --expansion 2 \
    --train-tokens 10000 --batch 512 --threads 1 --out "$@"
}
on_run() { # COMMAND FOLDER OPTIONS…: adds to a copy of the run
  local command=$1 folder=$2
  shift 2
  cp -r "$work/train.here" "$folder"
  "${program[@]}" "$command" --run "$folder" --images "$work/few" --library "$library" "${blocks[@]}" --block-size 4 "$@"
}
evaluate() { on_run evaluate "$@" --truth "$truth"; }
index() { on_run index "$@"; }
steerability() {
  "${program[@]}" steerability --run "$work/train.here" --images "$work/few" --limit 4 --library "$library" --units features,random --sample 96 \
    --random-count 96 --set 40 "${blocks[@]}" --out "$@"
}
suppress() {
  "${program[@]}" suppress --run "$work/train.here" --data "csv:$work/few/table.csv" --library "$library" --layers 8 --sizes 1,4 --draws 2 --max-clean-loss 100 \
    "${blocks[@]}" --out "$@"
}
selectivity() {
  "${program[@]}" study selectivity --run "$work/train.here" --probe "$work/probe" --data "segmentation:$scenes:validation" --ignore 11 --layer 8 \
    --controls 2 --scale 0 "${blocks[@]}" --out "$@"
}
library=$model

known() { # FILE FOLDER: without what may differ; a page's title has the end of the folder's path
  local end
  end=$(basename "$(dirname "$2")")/$(basename "$2")
  case $1 in
  *.json | *.html) sed -E "s#$2#OUT#g; s#$end#OUT#g; s/(\"[a-z_]*(seconds|prepared)[a-z_]*\" ?: ?)[-+.0-9E]+/\\1/g" "$1" ;;
  *) cat "$1" ;;
  esac
}
different() { # WHOLE OTHER: how many files are missing or differ
  local one count=0
  while read -r one; do
    if [ ! -f "$1/$one" ] || [ ! -f "$2/$one" ] || ! cmp -s <(known "$1/$one" "$1") <(known "$2/$one" "$2"); then
      echo "$2/$one differs" >&2
      count=$((count + 1))
    fi
  done < <((names "$1"; names "$2") | sort -u)
  echo $count
}
names() { (cd "$1" && find . -type f ! -name '*manifest.json' ! -name .lock | cut -c 3-); }

echo "# bench/cluster_equality.sh: photos, one of 36 broken; files but manifests, seconds in them apart; threads 1" >"$out"
echo "command,master,partitions,files,bytes,different_files" >>"$out"
finished() { # COMMAND WORDS…
  "$@" >"$work/log" 2>&1 </dev/null || { cat "$work/log"; exit 1; }
}
commands=(harvest train evaluate index steerability suppress selectivity)
for command in "${commands[@]}"; do
  [ "$command" = selectivity ] && finished "${program[@]}" probe train --model "$model" --data "segmentation:$scenes:validation" --ignore 11 --layer 8 \
    --threads 1 --out "$work/probe"
  finished "$command" "$work/$command.here"
done
there=$work/there
while read -r master partitions; do
  for command in "${commands[@]}"; do
    finished "$command" "$there" --master "$master" --cluster-conf "spark.default.parallelism=$partitions"
    grep -q "Spark's page" "$work/log"
    row="$command,\"$master\",$partitions,$(names "$there" | wc -l),$(cd "$there" && names . | xargs -d '\n' cat | wc -c)"
    echo "$row,$(different "$work/$command.here" "$there")" | tee -a "$out"
    rm -r "$there"
  done
done <<<'local[2] 3
local-cluster[2,1,2048] 7
local-cluster[2,1,2048] 3
local[2] 7'
rm -r "$work"
