"""Computes every form of explained variance with numpy, and compares it with what `clipsteer train` wrote.

    python bench/peers/check_variance_forms.py --store stores/tiny8 --run runs/tiny8 --out bench/results/variance_forms.csv

The SAEs of the run (SAELens folders) encode the store's held-out tokens in float64. Definitions: docs/metrics.md. Quantiles are
exact here. A row an SAE: each form, and the largest difference from the forms that pareto.csv has. Without --run, a row a hook
point: what its residual alone shows.
"""

import argparse
import csv
import json
import pathlib

import numpy as np
from safetensors.numpy import load_file

from store_tokens import _rows

HELD_OUT = 100_000
FORMS = ("explained_variance", "token_mean", "token_median", "ordinary", "massive_tokens", "top_share")


def held_out(store, hook_point):
    about = json.loads((store / "store.json").read_text(encoding="utf-8"))
    parts, first = [], 0
    for shard in sorted((store / "shards").glob(f"*.{hook_point}.bin")):
        rows = _rows(shard, about["width"], about["dtype"]).view(-1, about["tokens_per_image"], about["width"])
        parts += [rows[i].float().numpy() for i in range(len(rows)) if (first + i) % 10 == 9]
        first += len(rows)
    return np.concatenate(parts)[:HELD_OUT].astype(np.float64)


def reconstruct(folder, x):
    cfg = json.loads((folder / "cfg.json").read_text(encoding="utf-8"))
    w = {name: value.astype(np.float64) for name, value in load_file(folder / "sae_weights.safetensors").items()}
    shift, scale, divisor = 0, 1, 1
    if cfg["normalize_activations"] == "layer_norm":
        shift, scale = x.mean(1, keepdims=True), x.std(1, ddof=1, keepdims=True)
        divisor = scale + 1e-5
    z = (x - shift) / divisor - (w["b_dec"] if cfg["apply_b_dec_to_input"] else 0)
    pre = z @ w["W_enc"] + w["b_enc"]
    if cfg["architecture"] == "topk":
        bound = -np.partition(-pre, cfg["k"] - 1, axis=1)[:, cfg["k"] - 1:cfg["k"]]
        code = np.where(pre >= bound, np.maximum(pre, 0), 0)
    elif cfg["architecture"] == "jumprelu":
        code = np.where(pre > w["threshold"], pre, 0)
    else:
        code = np.maximum(pre, 0)
    return (code @ w["W_dec"] + w["b_dec"]) * scale + shift


def residual(x):
    length = np.linalg.norm(x, axis=1)
    away = ((x - x.mean(0)) ** 2).sum(1)
    variance = x.var(0)
    massive = length > 5 * np.sort(length)[(len(length) - 1) // 2]
    return away, variance, massive, variance > 20 * variance.mean()


def forms(x, y):
    away, _, massive, coordinates = residual(x)
    gap = ((x - y) ** 2).sum(1)
    rows, columns = x[~massive][:, ~coordinates], y[~massive][:, ~coordinates]
    ordinary = ((rows - columns) ** 2).sum() / ((rows - rows.mean(0)) ** 2).sum()
    top = np.sort(away)[::-1][: int(0.05 * len(x))].sum() / away.sum()
    token = 1 - gap / away
    return 1 - gap.sum() / away.sum(), token.mean(), np.median(token), 1 - ordinary, massive.mean(), top


def residual_row(store, hook_point):
    x = held_out(store, hook_point)
    away, variance, massive, coordinates = residual(x)
    length, magnitude = np.linalg.norm(x, axis=1), np.abs(x)
    top = np.sort(away)[::-1][: int(0.05 * len(x))].sum() / away.sum()
    return [store.name, hook_point, len(x), f"{np.median(length):.2f}", f"{length.max():.1f}", f"{massive.mean():.5f}",
            f"{away[massive].sum() / away.sum():.4f}", f"{top:.4f}", " ".join(map(str, np.flatnonzero(coordinates))),
            f"{variance.max() / variance.sum():.4f}", f"{magnitude.max() / np.median(magnitude):.0f}"]


def forms_row(store, run, row):
    x = held_out(store, row["hook_point"])
    own = forms(x, reconstruct(run / "saes" / row["sae"], x))
    off = max(abs(value - float(row[name])) for name, value in zip(FORMS, own) if name in row)
    return [row["sae"], len(x), *(f"{value:.6f}" for value in own), f"{off:.1e}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=pathlib.Path, action="append", required=True)
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    with args.out.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        if args.run:
            out.writerow(["sae", "tokens", *FORMS, "largest_difference"])
            with (args.run / "pareto.csv").open(encoding="utf-8") as table:
                out.writerows(forms_row(args.store[0], args.run, row) for row in csv.DictReader(table))
            return
        out.writerow(["store", "hook_point", "tokens", "median_length", "longest", "massive_tokens", "massive_share", "top_share",
                      "massive_coordinates", "largest_variance_share", "largest_activation_by_median"])
        for store in args.store:
            about = json.loads((store / "store.json").read_text(encoding="utf-8"))
            out.writerows(residual_row(store, point) for point in about["hook_points"])


if __name__ == "__main__":
    main()
