# SPDX-License-Identifier: Apache-2.0
"""What loading a full-size model costs clipsteer in memory, as CSV.

    python bench/peers/measure_loading.py --work /tmp/loading --out bench/results/loading.csv

Run in the project's root, after a build. Folders come from engine/src/test/resources/shapes.jsonl.gz, their weights are random
numbers. Each is loaded by a process of its own (`io.clipsteer.bench.LoadBench`). `peak` and `end` are by how much resident memory
grew, mapped pages of the file included; `peak_per_file` is the peak divided by the size of the file. An F16 file in fp32 needs twice
its size, but for the vectors of tokens, which stay in the file.
"""

import argparse
import csv
import gzip
import json
import os
import pathlib
import shutil
import subprocess

import numpy

JVM = ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "--add-modules=jdk.incubator.vector",
       "-Dorg.bytedeco.javacpp.maxBytes=0", "-Dorg.bytedeco.javacpp.maxPhysicalBytes=16g", "-Xmx1g"]
MODELS = [("dinov3-vitl16", "F32", "fp32"), ("siglip2-base-patch16-224", "F32", "fp32"), ("siglip2-base-patch16-224", "F16", "bf16"),
          ("metaclip-2-worldwide-huge", "F16", "fp32"), ("metaclip-2-worldwide-huge", "F16", "bf16")]
PIECE = 1 << 22


def write(folder, row, dtype):
    """A folder of random weights; tensors are written one by one."""
    folder.mkdir(parents=True)
    for name, text in row["files"].items():
        (folder / name).write_text(json.dumps(text))
    kind, header, end = {"F32": numpy.float32, "F16": numpy.float16}[dtype], {}, 0
    for name, shape in row["tensors"].items():
        size = int(numpy.prod(shape, dtype=numpy.int64)) * numpy.dtype(kind).itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    piece = numpy.random.default_rng(0).normal(0, 0.02, PIECE).astype(kind)
    with (folder / row["weights"]).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for entry in header.values():
            left = (entry["data_offsets"][1] - entry["data_offsets"][0]) // piece.itemsize
            while left > 0:
                left -= file.write(piece[:left]) // piece.itemsize


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--java", default="java")
    parser.add_argument("--classes", default="cli/target/dist/lib/*:bench/target/classes")
    args = parser.parse_args()
    with gzip.open("engine/src/test/resources/shapes.jsonl.gz", "rt") as lines:
        listed = {row["name"]: row for row in map(json.loads, lines)}
    with args.out.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# python bench/peers/measure_loading.py --work <folder> --out {args.out}\n")
        writer = csv.writer(file)
        writer.writerow(["model", "file", "loaded_as", "file_mb", "peak_mb", "end_mb", "peak_per_file", "seconds"])
        for name, stored, dtype in MODELS:
            folder = args.work / f"{name}-{stored}"
            if not folder.exists():
                write(folder, listed[name], stored)
            out = subprocess.run([args.java, *JVM, "-cp", args.classes, "io.clipsteer.bench.LoadBench", str(folder), dtype], check=True,
                                 capture_output=True, text=True, env={**os.environ, "MALLOC_ARENA_MAX": "2"}).stdout
            said = json.loads(out.strip().splitlines()[-1])
            writer.writerow([name, stored, dtype, *(round(said[key] / 1e6) for key in ("file_bytes", "peak_bytes", "end_bytes")),
                             round(said["peak_bytes"] / said["file_bytes"], 3), said["seconds"]])
            file.flush()
    shutil.rmtree(args.work)


if __name__ == "__main__":
    main()
