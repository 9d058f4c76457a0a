# SPDX-License-Identifier: Apache-2.0
"""How well the machine proxies of `labels proxies` tell features of one concept from others, on the demo world.

Before, with a demo in the folder demo (clipsteer adds a table to its index):
  python bench/name_bars.py --truth demo/images/mixed/factors.jsonl > truth.tsv
  ./clipsteer labels proxies --run demo/run --images demo/images/mixed [--judge MODEL]
Then: python bench/proxies.py demo/run truth.tsv [clipsteer]

A value is a factor with a cell of the table; its base rate is its share of all images, and must be below 0.5. A feature's
*purity* is the largest share of its top images (up to 20, those that the index keeps by largest activation) that have one
such value. A feature is *pure* where its purity is at least 0.8, *mixed* where it is below 0.5; the others are skipped.
AUROC of a proxy: the probability that a pure feature has the larger score than a mixed one, ties counting half, over
features that have the score. With fewer than ten features on a side it tells nothing. Interval: Hanley and McNeil 1982. Also:
purity against the score, over all features (Spearman).
"""
import collections
import csv
import json
import math
import subprocess
import sys

PURE, MIXED, BASE, TOP, BAR, FEW = 0.8, 0.5, 0.5, 20, 0.8, 10
PROXIES = ("two_afc", "intruder", "verification")


def ask(command, run, sql):
    done = subprocess.run([*command, "features", "--run", run, sql, "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["rows"]


def values(table):
    """Of each image its values whose base rate is below the bound."""
    rows = list(csv.DictReader(open(table, encoding="utf-8"), delimiter="\t"))
    counts = collections.Counter((f, v) for row in rows for f, v in row.items() if f != "file" and v)
    rare = {value for value, n in counts.items() if n < BASE * len(rows)}
    return {row["file"]: {value for value in row.items() if value in rare} for row in rows}


def ranks(numbers):
    """From 1, equal numbers share the mean of theirs."""
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    result = [0.0] * len(numbers)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and numbers[order[end]] == numbers[order[start]]:
            end += 1
        for i in order[start:end]:
            result[i] = (start + 1 + end) / 2
        start = end
    return result


def auroc(pure, mixed):
    p, m = len(pure), len(mixed)
    if not p or not m:
        return {"auroc": None, "pure": p, "mixed": m}
    a = (sum(ranks(pure + mixed)[:p]) - p * (p + 1) / 2) / (p * m)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    half = 1.96 * math.sqrt(max(0, a * (1 - a) + (p - 1) * (q1 - a * a) + (m - 1) * (q2 - a * a)) / (p * m))
    return {"auroc": round(a, 4), "low": round(a - half, 4), "high": round(min(1, a + half), 4), "pure": p, "mixed": m,
            "mean_of_pure": round(sum(pure) / p, 4), "mean_of_mixed": round(sum(mixed) / m, 4), "reaches_bar": a >= BAR if min(p, m) >= FEW else None}


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    mean = (len(a) + 1) / 2
    product = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    lengths = math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))
    return round(product / lengths, 4) if lengths else None


def compared(scores, purity):
    result = {}
    for k, proxy in enumerate(PROXIES):
        scored = {f: s[k] for f, s in scores.items() if s[k] is not None and f in purity}
        result[proxy] = auroc([s for f, s in scored.items() if purity[f][0] >= PURE],
                              [s for f, s in scored.items() if purity[f][0] < MIXED])
        if scored:
            result[proxy]["features"] = len(scored)
            result[proxy]["spearman_with_purity"] = spearman([purity[f][0] for f in scored], list(scored.values()))
    return result


def report(run, table, command):
    known = values(table)
    tops = collections.defaultdict(list)
    for sae, i, image in ask(command, run, "SELECT sae, id, image FROM feature_tops WHERE ranking = 'max' AND rank <= "
                             f"{TOP} ORDER BY sae, id, rank"):
        tops[sae, i].append(image)
    purity = {}
    for feature, images in tops.items():
        counts = collections.Counter(value for image in images for value in known[image])
        best = max(counts, key=lambda value: (counts[value], value), default=("", ""))
        purity[feature] = (counts[best] / len(images), best[0])
    layers = {(r[0], r[1]): r[2] for r in ask(command, run, "SELECT sae, id, layer FROM features")}
    judges = collections.defaultdict(dict)
    circular = {}
    for sae, i, judge, own, *scores in ask(command, run, "SELECT sae, id, judge, circular, two_afc, intruder, verification"
                                           " FROM feature_proxies"):
        judges[judge][sae, i] = scores
        circular[judge] = own
    result = {"top_images_kept": max(map(len, tops.values())), "active_features": len(purity), "judges": []}
    for judge, scores in judges.items():
        scored = {f for f, s in scores.items() if s[0] is not None}
        one = {"judge": judge, "circular": circular[judge], "scored": len(scored), "all": compared(scores, purity)}
        one["by_layer"] = {layer: {p: r["auroc"] for p, r in compared(
            {f: s for f, s in scores.items() if layers[f] == layer}, purity).items()} for layer in sorted(set(layers.values()))}
        pure = {f for f in scored if purity[f][0] >= PURE}
        mixed = {f: s for f, s in scores.items() if f in scored and purity[f][0] < MIXED}
        by_factor = collections.Counter(purity[f][1] for f in pure)
        one["two_afc_by_factor_of_pure"] = {
            factor: auroc([scores[f][0] for f in pure if purity[f][1] == factor], [s[0] for s in mixed.values()])
            for factor, n in by_factor.most_common() if n >= 10}
        result["judges"].append(one)
    return result


print(json.dumps(report(sys.argv[1], sys.argv[2], sys.argv[3:] or ["./clipsteer"]), indent=1))
