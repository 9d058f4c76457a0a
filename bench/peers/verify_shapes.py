"""Holds clipsteer against golden values at full size, and writes the figures as CSV.

    python bench/peers/make_model_golden.py --shapes vit-b-32,vit-b-16,vit-l-14 --out shapes
    python bench/peers/verify_shapes.py --out bench/results/parity.csv shapes/*
    python bench/peers/make_recent_golden.py --shapes siglip-b-16,dinov3-b-16,pe-core-b-16 --out recent
    python bench/peers/verify_shapes.py --out bench/results/parity_recent.csv recent/*

Run in the project's root. Each folder is a checkpoint with its golden.safetensors (random weights; float64 reference by
transformers or open_clip, rounded to float32). For fp32 the largest relative L2 error over whole tensors and the largest
logit difference, for bf16 the least cosine of an image or text embedding.
"""

import argparse
import csv
import json
import pathlib
import subprocess


def verify(folder, dtype):
    command = ["./clipsteer", "model", "verify", str(folder), "--golden", str(folder), "--dtype", dtype, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def logits(exact):
    """Empty for a model without texts."""
    return "" if exact["max_logit_diff"] is None else f"{exact['max_logit_diff']:.3g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    with args.out.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# python bench/peers/verify_shapes.py --out {args.out} shapes/*\n")
        writer = csv.writer(file)
        writer.writerow(["model", "fp32_max_rel_error", "fp32_max_logit_diff", "bf16_min_cosine"])
        for folder in sorted(args.folders):
            exact, short = verify(folder, "fp32"), verify(folder, "bf16")
            cosine = min(short["min_cosine"].values())
            writer.writerow([folder.name, f"{exact['max_rel_error']:.3g}", logits(exact), f"{cosine:.6f}"])
            file.flush()


if __name__ == "__main__":
    main()
