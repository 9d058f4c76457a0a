# SPDX-License-Identifier: Apache-2.0
"""How far an index's names can be trusted, on the demo world, whose images have known factors.

Before, with a demo in the folder demo:
  python bench/name_bars.py --truth demo/images/mixed/factors.jsonl > truth.tsv
  ./clipsteer index --run demo/run --image-batch 128 --images demo/images/mixed --labels truth.tsv \
      --vocabulary demo/model/words.txt --out names-index
Then: python bench/name_bars.py names-index truth.tsv

A value is a factor with a cell of the table, on 10 images or more; its words are those that the world's captions use for
it. A feature *knows* the value whose label has the largest correlation c with the feature's largest activation on an
image, where c >= 0.4 and no other value has a correlation above 0.8 c; values that share a word with it, and values whose
images are all among its images or all of them its images (a woman is a portrait), are no others. A name is *right* where
the feature knows a value and the name is one of its words. A feature without such a value *knows no single value*.
"""
import collections
import csv
import json
import math
import subprocess
import sys

LEAST, RIVAL, FEW = 0.4, 0.8, 10
SENSITIVITY = [(0.3, 0.8), (0.5, 0.8), (0.4, 0.7), (0.4, 0.9)]
COUNTS = {"1": "one", "2": "two", "3": "three"}
PLURAL = {"bus": "buses", "fish": "fish"}
WORDS = {
    ("image", "things"): "thing things object objects something",
    ("image", "portrait"): "portrait face person",
    ("background", "brick"): "brick wall",
    ("background", "wood"): "wooden planks",
    ("writing", "yes"): "word written say says sign",
}
THINGS = ("kind", "colour", "texture", "extent", "place", "count")
PORTRAIT = ("gender", "hair", "length", "clothing", "cloth")
COLUMNS = ["file", "image", "background", *THINGS, "occluded", "written", "writing", *PORTRAIT, "beard", "glasses", "hat",
           "bird", "bird colour", "bird on"]


def words(factor, value):
    if (factor, value) in WORDS:
        return set(WORDS[factor, value].split())
    if factor == "count":
        return {COUNTS[value]}
    if factor in ("beard", "glasses", "hat"):
        return {factor}
    if factor == "occluded":
        return set()
    return {value, PLURAL.get(value, value + "s")} if factor in ("kind", "written") else {value}


def truth(file):
    """The world's factors as a table of labels, with what follows from them: a landbird, any writing."""
    out = csv.DictWriter(sys.stdout, COLUMNS, delimiter="\t", lineterminator="\n")
    out.writeheader()
    for line in open(file, encoding="utf-8"):
        image = json.loads(line)
        known = {k: v.lower() if isinstance(v, str) else v for k, v in image["factors"].items()}
        row = {"file": image["file"], "image": image["kind"], "background": known["background"]}
        if image["kind"] == "things":
            row |= {k: known[k] for k in THINGS} | {"occluded": "yes" if known["occluded"] else ""}
            if known["written"]:
                row |= {"written": known["written"]["text"], "writing": "yes"}
        elif image["kind"] == "portrait":
            row |= {k: known[k] for k in PORTRAIT} | {k: "yes" if known[k] else "" for k in ("beard", "glasses", "hat")}
        else:
            row |= {"bird": "waterbird" if known["waterbird"] else "landbird", "bird colour": known["colour"],
                    "bird on": "" if known["background"] == "water" else "land"}
        out.writerow(row)


def ask(index, sql):
    done = subprocess.run(["./clipsteer", "features", "--index", index, sql, "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["rows"]


def share(hits, n):
    if n == 0:
        return None
    z, p = 1.959963984540054, hits / n
    middle, half, scale = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n), 1 + z * z / n
    return {"value": p, "low": (middle - half) / scale, "high": (middle + half) / scale, "n": n}


class Values:
    def __init__(self, table):
        images = collections.defaultdict(set)
        for n, row in enumerate(csv.DictReader(open(table, encoding="utf-8"), delimiter="\t")):
            for factor in COLUMNS[1:]:
                if row[factor]:
                    images[factor, row[factor]].add(n)
        self.images = {value: of for value, of in images.items() if len(of) >= FEW}
        self.words = {value: words(*value) for value in self.images}
        self.same = {}

    def alike(self, a, b):
        """Whether b is no rival of a."""
        if (a, b) not in self.same:
            of = self.images
            self.same[a, b] = bool(self.words[a] & self.words[b]) or of[a] <= of[b] or of[b] <= of[a]
        return self.same[a, b]

    def known(self, correlations, least, rival):
        best = max(correlations, key=correlations.get, default=None)
        if best is None or correlations[best] < least:
            return None
        others = [c for value, c in correlations.items() if not self.alike(best, value)]
        return None if max(others, default=0) > rival * correlations[best] else best


def bars(features, known, values):
    """Of (sae, id) to name, and to known value."""
    named = {f: name for f, name in features.items() if name}
    right = {f for f, name in named.items() if known[f] and name in values.words[known[f]]}
    none = [f for f in features if not known[f]]
    knows = [f for f in features if known[f]]
    return {
        "features": len(features), "named": len(named),
        "right_of_named": share(len(right), len(named)),
        "unnamed_of_knowing_none": share(sum(f not in named for f in none), len(none)),
        "rightly_named_of_knowing_one": share(len(right), len(knows)),
    }


def halves(features):
    return {"calibration (even numbers)": {f: n for f, n in features.items() if f[1] % 2 == 0},
            "test (odd numbers)": {f: n for f, n in features.items() if f[1] % 2 == 1}}


def report(index, table):
    values = Values(table)
    correlations = collections.defaultdict(dict)
    for sae, i, factor, value, c in ask(index, "SELECT sae, id, factor, value, correlation FROM feature_labels"
                                               " WHERE score = 'max' AND correlation > 0.2"):
        if (factor, value) in values.images:
            correlations[sae, i][factor, value] = c
    rows = ask(index, "SELECT sae, layer, id, coalesce(name, ''), name_change FROM features WHERE images > 0")
    features = {(r[0], r[2]): r[3] for r in rows}
    layers = {(r[0], r[2]): r[1] for r in rows}
    known = {f: values.known(correlations.get(f, {}), LEAST, RIVAL) for f in features}
    result = {"all": bars(features, known, values)}
    result |= {half: bars(some, known, values) for half, some in halves(features).items()}
    result["by_layer"] = {layer: bars({f: n for f, n in features.items() if layers[f] == layer}, known, values)
                          for layer in sorted(set(layers.values()))}
    result["other_bounds"] = {f"correlation >= {least}, rival <= {rival}":
                              bars(features, {f: values.known(correlations.get(f, {}), least, rival) for f in features}, values)
                              for least, rival in SENSITIVITY}
    counts = collections.Counter(n for n in features.values() if n)
    true = collections.Counter(word for f in features if known[f] for word in values.words[known[f]])
    result["most_frequent_names"] = [
        {"word": word, "names": n, "share": n / len(features), "share_by_truth": true[word] / len(features)}
        for word, n in counts.most_common(8)]
    result["contradicted_by_steering"] = share(sum(r[4] is not None and r[4] < 0 for r in rows), sum(counts.values()))
    result["calibration"] = calibration(index, known, values)
    return result


def calibration(index, known, values):
    """Names and right ones of even-numbered features at other bounds; chosen: most names with a lower end of 0.85."""
    first = ask(index, "SELECT n.sae, n.id, word, n.score, n.margin FROM feature_names n JOIN features f USING (sae, id)"
                       " WHERE method = 'images' AND rank = 1 AND f.images >= 10 AND n.id % 2 = 0")
    grid = []
    for score in range(30, 71, 5):
        for margin in range(0, 31, 5):
            named = {(r[0], r[1]): r[2] for r in first if r[3] >= score / 100 and r[4] >= margin / 100}
            right = sum(bool(known[f]) and name in values.words[known[f]] for f, name in named.items())
            grid.append({"score": score / 100, "margin": margin / 100, "named": len(named), "right": share(right, len(named))})
    sure = [g for g in grid if g["right"] and g["right"]["low"] >= 0.85]
    return {"chosen": max(sure, key=lambda g: g["named"], default=None), "grid": grid}


if sys.argv[1] == "--truth":
    truth(sys.argv[2])
else:
    print(json.dumps(report(*sys.argv[1:3]), indent=1))
