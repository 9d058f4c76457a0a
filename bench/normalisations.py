"""Compares input normalisations and losses of SAE training on one model, each in all forms of explained variance.

    python bench/normalisations.py --clipsteer ./clipsteer --name vit-tiny-clip --model vit-tiny-clip --store stores/tiny --layers 4,8 \\
        --images photos.tsv --library vit-tiny-clip --sae topk:k=32 --work WORK --out bench/results/normalisations.csv

A store (`clipsteer harvest`) gives the tokens. Every normalisation is one training of several SAEs, one a loss. L0, alive
and explained variance are those of `train` on the store's held-out images; zero-shot is measured on --images by `evaluate`
(skipped with --no-answers, where a model has no text tower), monosemanticity on the same images by `index`. Rows are
added to --out; a setting that it already has is skipped.
"""

import argparse
import csv
import json
import pathlib
import shutil
import subprocess

SETTINGS = {
    "layer_norm": ("mse", "token_fvu"),
    "standardise": ("mse", "token_fvu", "clipped"),
    "none": ("mse",),
}
FORMS = ("explained_variance", "token_mean", "token_median", "ordinary", "massive_tokens", "top_share", "l0", "alive_fraction")
FIELDS = ("model", "hook_point", "kind", "tokens", "seed", "normalise", "loss", *FORMS, "ce_recovered", "accuracy_kept",
          "median_monosemanticity")


def clipsteer(args, *words):
    out = subprocess.run([*args.clipsteer.split(), *map(str, words)], check=True, stdout=subprocess.PIPE).stdout.decode()
    return json.loads(out)


def done(path):
    if not path.exists():
        return set()
    with path.open(encoding="utf-8") as file:
        return {(row["model"], row["seed"], row["normalise"]) for row in csv.DictReader(file)}


def answers(args, run):
    """CE recovered (mean ablation) and accuracy with the reconstruction by accuracy without, by SAE folder."""
    if args.no_answers:
        return {}
    library = ["--library", args.library] if args.library else []
    report = clipsteer(args, "evaluate", "--run", run, "--model", args.model, "--images", args.images, "--limit", args.limit,
                       *library, "--json")
    found = {}
    for sae in report["saes"]:
        scores = sae["zero_shot"]
        kept = scores["spliced"]["accuracy"] / scores["original"]["accuracy"]
        found[sae["folder"]] = scores["ce_recovered"]["mean_ablation"], kept
    return found


def monosemanticity(args, run):
    """By SAE folder. Without a library no feature of a model without text tower is named, which takes long."""
    clipsteer(args, "index", "--run", run, "--model", args.model, "--images", args.images, "--limit", args.limit, "--json")
    table = clipsteer(args, "features", "--run", run, "--json",
                      "SELECT sae, median(monosemanticity) AS m FROM features GROUP BY sae")
    return dict(table["rows"])


def measure(args, normalise, seed):
    run = args.work / f"{args.name}-{normalise}-{seed}"
    kinds = []
    for loss in SETTINGS[normalise]:
        kinds += ["--sae", args.sae + ("" if loss == "mse" else f",loss={loss}")]
    if not (run / "run.json").exists():
        shutil.rmtree(run, ignore_errors=True)
        clipsteer(args, "train", "--store", args.store, "--model", args.model, "--layers", args.layers, *kinds, "--normalise", normalise,
                  "--expansion", args.expansion, "--lr", args.lr, "--train-tokens", args.tokens, "--seed", seed, "--out", run, "--json")
    kept, clear = answers(args, run), monosemanticity(args, run)
    rows = []
    with (run / "pareto.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            folder = "saes/" + row["sae"]
            recovered, accuracy = kept.get(folder, ("", ""))
            loss = row["sae"].split("-loss-")[1] if "-loss-" in row["sae"] else "mse"
            rows.append([args.name, row["hook_point"], args.sae, args.tokens, seed, normalise, loss, *(row[form] for form in FORMS),
                         recovered, accuracy, clear[folder]])
    shutil.rmtree(run)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clipsteer", required=True, help="the command, with its first words")
    parser.add_argument("--name", required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--store", type=pathlib.Path, required=True)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--library", type=pathlib.Path)
    parser.add_argument("--no-answers", action="store_true")
    parser.add_argument("--sae", default="topk:k=32")
    parser.add_argument("--expansion", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    finished = done(args.out)
    if not args.out.exists():
        args.out.write_text(",".join(FIELDS) + "\n", encoding="utf-8")
    for seed in args.seeds.split(","):
        for normalise in SETTINGS:
            if (args.name, seed, normalise) in finished:
                continue
            rows = measure(args, normalise, seed)
            with args.out.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
