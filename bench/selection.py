# SPDX-License-Identifier: Apache-2.0
"""Compares rules that select an edit on validation images: how often a choice flips, and what it is worth on test images.

Before: bench/selection.sh DEMO SEED OUT for some demos. Then: python bench/selection.py OUT/*.json

Each rule chooses on the validation images, and again on 20 bootstrap samples of them, drawn within groups. A choice is made as `suppress`
makes it: of each layer the size with the best score at strength 1, then among all sizes and those sizes' other strengths, of edits within
the allowed loss. Printed for each seed and task, and as means: share of the samples whose choice has another layer, or is another edit, than the
choice on all images; worst-group accuracy on test images, mean, standard deviation and minimum over the samples; of the choice on all images;
accuracy over all test images. "perturbed": the choice after the SAEs' weights were multiplied by 1 + 1e-6·normal.
"""
import json
import pathlib
import sys

import numpy as np

SAMPLES = 20
INNER = 200
RULES = {
    "maximum": "the largest worst-group accuracy",
    "expected": "the largest mean of the worst group under the groups' sampling error",
    "vote": "the most frequent maximum over bootstrap samples",
    "quartile": "the largest lower quartile over bootstrap samples",
    "one_error_smallest": "of the edits within one standard error of the maximum, the smallest (the product's rule)",
    "one_error_overall": "of these, the one with the best accuracy over all images",
    "neighbours": "the largest mean with the neighbouring sizes and strengths of the layer",
}


def read(path):
    """Of each part: group of every image, right answers before, of each candidate, and the candidates (layer, size, strength)."""
    parts = {}
    for name, part in json.load(open(path)).items():
        bits = lambda text: np.frombuffer(text.encode(), dtype=np.uint8) - 48.0
        tried = [t for t in part["tried"] if t["family"] == "FEATURES"]
        right = np.array([bits(t["right"]) for t in tried])
        edits = [(t["layer"], t["size"], t["strength"]) for t in tried]
        parts[name] = (np.array(part["groups"]), bits(part["before"]), right, edits)
    return parts


def scores(part, times, written):
    """Worst group, points lost and accuracy over all images, each [samples, candidates]."""
    group, before, right, _ = part
    accuracies = [(times[:, group == g] @ right[:, group == g].T) / times[:, group == g].sum(1, keepdims=True) for g in sorted(set(group[group >= 0]))]
    own = group >= 0
    n = times[:, own].sum(1, keepdims=True)
    overall = times[:, own] @ right[:, own].T / n
    loss = 100 * ((times[:, own] @ before[own])[:, None] / n - overall)
    if written:  # The group without writing is the clean set.
        clean = group == 0
        n = times[:, clean].sum(1, keepdims=True)
        loss = np.maximum(loss, 100 * ((times[:, clean] @ before[clean])[:, None] - times[:, clean] @ right[:, clean].T) / n)
    return np.min(accuracies, 0), loss, overall


def samples(group, times, count, random):
    drawn = np.zeros((count, len(group)))
    for g in set(group):
        own = np.flatnonzero(group == g)
        n = int(times[own].sum())
        drawn[:, own] = random.multinomial(n, times[own] / n, size=count)
    return drawn


def expected(part, times, random):
    """Mean of the lowest accuracy, each with a normal error of its binomial variance."""
    group, _, right, _ = part
    accuracies = []
    for g in sorted(set(group[group >= 0])):
        own = group == g
        n = times[own].sum()
        a = right[:, own] @ times[own] / n
        p = (a * n + 1) / (n + 2)
        accuracies.append(a[None] + random.standard_normal((1000, 1)) * np.sqrt(p * (1 - p) / n)[None])
    return np.min(accuracies, 0).mean(0)


def choose(rule, part, times, written, most):
    group, _, _, edits = part
    random = np.random.default_rng(1)
    goal, loss, overall = (x[0] for x in scores(part, times[None], written))
    layer, size, strength = np.array(edits).T
    score = goal
    if rule == "expected":
        score = expected(part, times, random)
    elif rule in ("vote", "quartile"):
        inner, lost, _ = scores(part, samples(group, times, INNER, random), written)
        if rule == "quartile":
            score = np.quantile(inner, 0.25, axis=0)
        else:
            score = np.bincount(np.where(lost <= most, inner, -1).argmax(1), minlength=len(edits)) + 0.001 * goal
    elif rule == "neighbours":
        at = np.array([[sorted(set(size)).index(s), sorted(set(strength)).index(t)] for s, t in zip(size, strength)])
        far = np.abs(at[:, None] - at[None])
        near = (layer[:, None] == layer[None]) & (far.max(2) <= 1)
        weight = np.where(near, 1 / (1 + far.sum(2)), 0)
        score = weight @ goal / weight.sum(1)
    pool = []
    for one in sorted(set(layer)):
        whole = np.flatnonzero((layer == one) & (strength == 1))
        best = whole[score[whole].argmax()]
        pool += [*whole, *np.flatnonzero((layer == one) & (size == size[best]) & (strength != 1))]
    pool = np.array(pool)[loss[pool] <= most + 1e-9]
    if not len(pool):
        return None
    if rule.startswith("one_error"):
        best = pool[goal[pool].argmax()]
        some = (part[0], part[1], part[2][[best]], None)
        error = scores(some, samples(group, times, INNER, random), written)[0].std()
        near = pool[goal[pool] >= goal[best] - error]
        return near[np.lexsort((-goal[near], size[near]))[0]] if rule.endswith("smallest") else near[overall[near].argmax()]
    return pool[score[pool].argmax()]


def compare(path, means):
    seed, task = pathlib.Path(path).stem.split("-")
    written = task == "typographic"
    most = 0.75 if written else 1
    parts = read(path)
    part, test = parts["validation-0"], parts["test"]
    once = np.ones(len(part[0]))
    worst, _, overall = (100 * x[0] for x in scores(test, np.ones((1, len(test[0]))), written))
    before = min(100 * test[1][test[0] == g].mean() for g in set(test[0]) if g >= 0)
    drawn = samples(part[0], once, SAMPLES, np.random.default_rng(7))
    print(f"seed {seed}, {task}: {len(part[0])} validation and {len(test[0])} test images, {len(part[3])} edits; worst group {before:.1f} % before, {worst.max():.1f} % with the best of all edits")
    for rule in RULES:
        whole = choose(rule, part, once, written, most)
        chosen = [choose(rule, part, times, written, most) for times in drawn]
        reached = np.array([before if c is None else worst[c] for c in chosen])
        other = lambda c, k: c is None or whole is None or part[3][c][:k] != part[3][whole][:k]
        row = [
            np.mean([other(c, 1) for c in chosen]), np.mean([other(c, 3) for c in chosen]), reached.mean(), reached.std(), reached.min(),
            before if whole is None else worst[whole], np.mean([overall[c] for c in chosen if c is not None]),
        ]
        means.setdefault(rule, []).append(row)
        again = [choose(rule, p, np.ones(len(p[0])), written, most) for name, p in parts.items() if name.startswith("validation-") and name != "validation-0"]
        perturbed = "".join("; perturbed: " + ("same" if c == whole else str(None if c is None else part[3][c])) for c in again)
        print(f"  {rule:18} {'nothing' if whole is None else 'layer %d, size %d, x %.4g' % part[3][whole]:26} " + line(row) + perturbed)


def line(row):
    return f"other layer {row[0]:.2f}, other edit {row[1]:.2f}; test {row[2]:.1f} (sd {row[3]:.1f}, min {row[4]:.1f}), on all images {row[5]:.1f}, overall {row[6]:.1f}"


def main():
    means = {}
    for path in sorted(sys.argv[1:]):
        compare(path, means)
    print("means")
    for rule, rows in means.items():
        print(f"  {rule:18} {line(np.mean(rows, 0))}   {RULES[rule]}")


main()
