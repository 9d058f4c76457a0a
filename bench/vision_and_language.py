#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is vision less sparse than language inside one CLIP? The same SAEs on both towers of the demo CLIP.

    python bench/vision_and_language.py --clipsteer ./clipsteer --work WORK --out bench/results/vision_and_language.csv

Both towers have width 128, so all SAEs have one shape. They are trained with the same settings on images and on their
captions, and measured by `clipsteer evaluate` on held-out ones; zero-shot classes are the objects of the images. TopK SAEs
of several k compare explained variance at an equal L0, ReLU SAEs compare L0 at an equal penalty.
"""

import argparse
import csv
import json
import pathlib
import subprocess

SAES = ["topk:k=4", "topk:k=8", "topk:k=16", "topk:k=32", "relu:l1=1e-3"]
TRAINED, JUDGED = 6000, 1000
TOKENS = 500_000
LAYERS = {"vision": "2,4,7", "text": "0,1,2"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clipsteer", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.work.mkdir(parents=True)

    def clipsteer(*words):
        subprocess.run([str(args.clipsteer), *map(str, words)], check=True, stdout=subprocess.DEVNULL)

    model = args.work / "clip"
    clipsteer("world", "model", "--out", model)
    sources = {}
    for name, count, seed in (("train", TRAINED, args.seed), ("test", JUDGED, args.seed + 1)):
        folder = args.work / name
        clipsteer("world", "generate", "--set", "objects", "--split", name, "--count", count, "--seed", seed, "--out", folder)
        rows = (folder / "factors.jsonl").read_text(encoding="utf-8").splitlines()
        texts = args.work / f"{name}.txt"
        texts.write_text("\n".join(caption for row in rows for caption in json.loads(row)["captions"]), encoding="utf-8")
        sources[name] = folder, texts
    out = []
    for tower, layers in LAYERS.items():
        run = args.work / tower
        option = ["--images", sources["train"][0]] if tower == "vision" else ["--texts", sources["train"][1]]
        clipsteer("train", "--model", model, *option, "--layers", layers, *[word for sae in SAES for word in ("--sae", sae)],
                  "--expansion", 16, "--train-tokens", TOKENS, "--batch", 1024, "--seed", args.seed, "--out", run)
        option = [] if tower == "vision" else ["--texts", sources["test"][1]]
        clipsteer("evaluate", "--run", run, "--images", sources["test"][0], *option)
        for sae in json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["saes"]:
            recovered = sae["zero_shot"]["ce_recovered"]["mean_ablation"]
            out.append([tower, sae["layer"], sae["variant"], sae["tokens"], *(f"{value:.4f}" for value in (
                sae["l0"], sae["l0_cls" if tower == "vision" else "l0_end"],
                sae["l0_patches" if tower == "vision" else "l0_others"], sae["explained_variance"], sae["cosine"], recovered,
                sae["alive_fraction"]))])
    with args.out.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# python bench/vision_and_language.py --clipsteer ./clipsteer --work WORK --seed {args.seed} --out OUT\n")
        file.write(f"# demo CLIP, both towers of width 128, 2,048 features; {TOKENS:,} tokens; speaker: class or end token\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["tower", "layer", "sae", "tokens", "l0", "l0_speaker", "l0_others", "explained_variance", "cosine",
                         "ce_recovered_of_mean", "alive_fraction"])
        writer.writerows(out)


if __name__ == "__main__":
    main()
