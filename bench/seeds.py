# SPDX-License-Identifier: Apache-2.0
"""The demo's suppressions over seeds and instruction sets, as a table: python bench/seeds.py WORK > results.csv

WORK: of bench/seeds.sh. p-values of the random controls are those of their worst-group accuracy: the exact sign-flip test over their samples
that it is as without an edit. Holm's adjustment is over all controls of a seed and set. On stderr the means.
"""
import csv
import itertools
import json
import pathlib
import sys

TASKS = ["portraits", "birds", "typographic"]


def sign_flip(differences):
    """Two-sided, exact."""
    bound = abs(sum(differences)) - 1e-12 * sum(map(abs, differences))
    signs = list(itertools.product([1, -1], repeat=len(differences)))
    return sum(abs(sum(s * d for s, d in zip(sign, differences))) >= bound for sign in signs) / len(signs)


def holm(ps):
    order, most, adjusted = sorted(range(len(ps)), key=ps.__getitem__), 0, [1.0] * len(ps)
    for rank, i in enumerate(order):
        most = max(most, min(1, ps[i] * (len(ps) - rank)))
        adjusted[i] = most
    return adjusted


def main():
    work = pathlib.Path(sys.argv[1])
    out = csv.writer(sys.stdout)
    out.writerow(
        "seed,set,task,layer,features,edit_same_sae,edit_same_edit,before,after,gain,loss_overall,overall_after,clean_loss,won_back,best_baseline,baseline_after,"
        "baseline_overall,difference,difference_low,difference_high,p,random_features,random_features_p_holm,random_directions,random_directions_p_holm,"
        "random_directions_in_worst_group".split(",")
    )
    gains = {}
    for folder in sorted(work.glob("*/*/train.json"), key=lambda f: (int(f.parts[-3]), f.parts[-2])):
        seed, kind = folder.parts[-3], folder.parts[-2]
        reports = {t: json.load(open(folder.parent / f"{t}.json")) for t in TASKS if (folder.parent / f"{t}.json").exists()}
        controls = [(t, name) for t in reports for name in ("random features", "random directions")]
        of = lambda t, name: next((b for b in reports[t]["baselines"] if b["name"] == name), None)
        raised = lambda t, name: 1.0 if of(t, name) is None else sign_flip([w - reports[t]["baseline_wga"] for w in of(t, name)["draws"]])
        adjusted = dict(zip(controls, holm([raised(*c) for c in controls])))
        for task, r in reports.items():
            a, d, s = r.get("against") or {}, r.get("defence") or {}, r.get("stability") or {}
            best = of(task, a["baseline"]) if a else None
            percent = lambda x: "" if x is None else f"{100 * x:.1f}"
            clean = "" if r["clean_before"] is None else f"{100 * (r['clean_before'] - r['clean_after']):.2f}"
            control = lambda name: (percent(of(task, name) and of(task, name)["wga"]), f"{adjusted[task, name]:.3f}")
            directions = of(task, "random directions")
            out.writerow(
                [seed, kind, task, r["layer"], len(r["features"]), s.get("same_sae"), s.get("same_edit"), percent(r["baseline_wga"]), percent(r["edited_wga"]),
                 percent(r["edited_wga"] - r["baseline_wga"]), percent(r["overall_before"] - r["overall_after"]), percent(r["overall_after"]), clean, percent(d.get("won_back")),
                 a.get("baseline"), percent(best and best["wga"]), percent(best and best["overall"]), percent(a.get("difference")), percent(a.get("low")), percent(a.get("high")),
                 a.get("p"), *control("random features"), *control("random directions"), percent(directions and directions["in_worst_group"])]
            )
            gains.setdefault((kind, task), []).append((100 * (r["edited_wga"] - r["baseline_wga"]), 100 * a.get("difference", float("nan")), 100 * d.get("won_back", float("nan"))))
    for (kind, task), rows in gains.items():
        gain, difference, won = zip(*rows)
        print(
            f"{kind} {task}: {len(rows)} seeds, gain {min(gain):.1f} to {max(gain):.1f} points, against the best baseline {min(difference):+.1f} to {max(difference):+.1f}"
            + (f", won back {min(won):.1f} to {max(won):.1f} %" if task == "typographic" else ""),
            file=sys.stderr,
        )


main()
