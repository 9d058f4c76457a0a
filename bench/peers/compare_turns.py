# SPDX-License-Identifier: Apache-2.0
"""Vision towers of the recent families in clipsteer and in PyTorch, batch by batch in turn, as CSV.

    python make_recent_golden.py --shapes siglip-b-16,dinov3-b-16,pe-core-b-16,eva02-b-16 --out shapes
    python bench/peers/compare_turns.py --out bench/results/tower_recent_fp32.csv shapes/*

Run in the project's root, after a build, with the peers' Python. Both programs stay open and run one batch each in turn, so that
what else the machine does meets both alike. A ratio is PyTorch's seconds divided by clipsteer's (above 1: clipsteer is faster), the
median over rounds; `cpu_ratio` is of seconds of the processors, which other programs on the machine change less. PyTorch: transformers'
SiglipModel with sdpa or timm's model, inference_mode, the same number of threads.
"""

import argparse
import csv
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
from compare_tower import ENV, JVM  # noqa: E402

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def peer(folder, dtype):
    """A function of pixels, and the side of the images."""
    config = json.loads((folder / "config.json").read_text())
    if config.get("model_type") == "siglip":
        from transformers import SiglipModel

        model = SiglipModel.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").eval().vision_model
        return lambda pixels: model(pixel_values=pixels).pooler_output, model.config.image_size
    import timm

    model = timm.create_model(f"local-dir:{folder}", pretrained=True).to(dtype).eval()
    return lambda pixels: model(pixels), config["pretrained_cfg"]["input_size"][1]


def timed(step):
    cpu, start = time.process_time(), time.perf_counter()
    step()
    return time.perf_counter() - start, time.process_time() - cpu


def turns(folder, args):
    command = [args.java, *JVM, "-cp", args.classes, "io.clipsteer.bench.TowerTurns", str(folder), args.dtype, str(args.batch)]
    ours = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **ENV})

    def ask():
        print("", file=ours.stdin, flush=True)
        return tuple(map(float, ours.stdout.readline().split()))

    embed, size = peer(folder, DTYPES[args.dtype])
    pixels = torch.randn(args.batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(DTYPES[args.dtype])
    rounds = []
    with torch.inference_mode():
        for number in range(args.rounds + 3):
            pair = ask(), timed(lambda: embed(pixels))
            if number >= 3:
                rounds.append(pair)
    ours.stdin.close()
    ours.wait()
    wall = [theirs[0] / mine[0] for mine, theirs in rounds]
    cpu = [theirs[1] / mine[1] for mine, theirs in rounds]
    quarters = statistics.quantiles(wall, n=4)
    return [folder.name, args.dtype, args.batch, args.rounds, round(args.batch / statistics.median(m[0] for m, _ in rounds), 2),
            round(args.batch / statistics.median(t[0] for _, t in rounds), 2), round(statistics.median(wall), 3),
            f"{quarters[0]:.3f}-{quarters[2]:.3f}", round(statistics.median(cpu), 3)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="fp32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--java", default="java")
    parser.add_argument("--classes", default="cli/target/dist/lib/*:bench/target/classes")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with args.out.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# python bench/peers/compare_turns.py --dtype {args.dtype} --batch {args.batch} --rounds {args.rounds} "
                   f"--out {args.out} shapes/*  (torch {importlib.metadata.version('torch').split('+')[0]}, {args.threads} threads)\n")
        writer = csv.writer(file)
        writer.writerow(["model", "dtype", "batch", "rounds", "clipsteer_images_per_s", "torch_images_per_s", "ratio", "ratio_quartiles",
                         "cpu_ratio"])
        for folder in args.folders:
            writer.writerow(turns(folder, args))
            file.flush()


if __name__ == "__main__":
    main()
