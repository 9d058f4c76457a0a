# SPDX-License-Identifier: Apache-2.0
"""How well an index knows the demo world: units chosen on one set of images, measured on another.

Before:
  ./clipsteer world model --out demo
  ./clipsteer world generate --set mixed --split train --count 12000 --seed 11 --out wtrain
  ./clipsteer world generate --set mixed --split validation --count 4000 --seed 12 --out wval
  ./clipsteer world generate --set mixed --split test --count 4000 --seed 13 --out wtest
  for s in wval wtest; do python bench/peers/index_bars.py --plain $s/factors.jsonl > $s-plain.jsonl; done
  ./clipsteer train --model demo --images wtrain --layers 6,7 --sae topk:k=8 --expansion 32 \
      --train-tokens 3000000 --lr 1e-3 --dead-tokens 200000 --out run67
  ./clipsteer index --run run67 --images wval --labels wval-plain.jsonl --out ival    # also --units neurons
  ./clipsteer index --run run67 --images wtest --labels wtest-plain.jsonl --out itest # also --units neurons
Then: python bench/peers/index_bars.py ival itest [run67]

With --monosemanticity INDEX (of features and neurons) that alone, which needs no labels.

--plain skips what a thing is and looks like where a word is written on it: there the demo CLIP sees the word alone,
which is what it was made to do, so that no unit can know the thing.
"""
import json
import math
import random
import statistics
import subprocess
import sys

UNNAMED = {"image", "extent", "place", "count"}
WORDS = {("waterbird", "yes"): {"waterbird"}, ("hat", "yes"): {"hat"}, ("glasses", "yes"): {"glasses"},
         ("beard", "yes"): {"beard"}, ("background", "brick"): {"brick", "bricks", "wall"},
         ("background", "wood"): {"planks", "wooden", "wood"}}


def call(*words):
    done = subprocess.run(["./clipsteer", *words, "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def ask(index, sql):
    return call("features", "--index", index, sql)["rows"]


def wilson(hits, n):
    z = 1.959963984540054
    p = hits / n
    middle, half, scale = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n), 1 + z * z / n
    return {"hits": hits, "n": n, "share": p, "low": (middle - half) / scale, "high": (middle + half) / scale}


def reached(val, test, unit):
    seen = {tuple(r[:5]): r[5] for r in ask(test, f"SELECT factor, value, sae, id, score, auroc FROM {unit}_labels WHERE auroc > 0.6")}
    chosen = ask(val, f"SELECT factor, value, arg_max(sae, auroc), arg_max(id, auroc), arg_max(score, auroc) FROM {unit}_labels GROUP BY 1, 2")
    return {(r[0], r[1]): seen.get(tuple(r), 0.5) for r in chosen}


def monosemanticity(index):
    alive = {t: [r[0] for r in ask(index, f"SELECT monosemanticity FROM {t} WHERE monosemanticity IS NOT NULL")] for t in ("features", "neurons")}
    rng = random.Random(1)
    gaps = sorted(statistics.median(rng.choices(alive["features"], k=len(alive["features"])))
                  - statistics.median(rng.choices(alive["neurons"], k=len(alive["neurons"]))) for _ in range(1000))
    return {**{t: statistics.median(v) for t, v in alive.items()}, "difference_low": gaps[25], "difference_high": gaps[974]}


def names(test):
    values = {}
    for sae, i, f, v in ask(test, "SELECT sae, id, factor, value FROM feature_labels WHERE auroc >= 0.95 GROUP BY ALL"):
        values.setdefault((sae, i), []).append((f, v))
    first = {(r[0], r[1]): r[2] for r in ask(test, "SELECT sae, id, word FROM feature_names WHERE method = 'images' AND rank = 1")}
    sure = {i: v[0] for i, v in values.items() if len(v) == 1 and v[0][0] not in UNNAMED}
    hits = sum(first.get(i) in WORDS.get(fv, {fv[1], fv[1] + "s"}) for i, fv in sure.items())
    return wilson(hits, len(sure))


ASKED = """water grass sand snow bricks night road forest planks sky red orange yellow green blue purple pink brown black
white blond grey man woman hat glasses beard waterbird suit dress phone hammer car bus book boat clock""".split()


def search(run, val, test):
    right = {}
    said = {"waterbird": "waterbird", "hat": "hat", "glasses": "glasses", "beard": "beard", "brick": "bricks", "wood": "planks"}
    for sae, i, f, v in ask(test, "SELECT sae, id, factor, value FROM feature_labels WHERE auroc >= 0.95 GROUP BY ALL"):
        if f not in UNNAMED | {"texture"}:
            right.setdefault(said.get(f if v == "yes" else v, v), set()).add((sae, i))
    words = [w for w in ASKED if w in right][:30]
    found = {w: [(h["sae"], h["id"]) for h in call("search", "--run", run, "--index", val, "--text", w, "--count", "5")["features"]] for w in words}
    missed = [w for w in words if not right[w] & set(found[w])]
    return {"words": len(words), "right among the first 5": len(words) - len(missed), "missed": missed}


OF_THINGS = ("kind", "colour", "texture", "extent", "place", "count", "occluded")


def plain(file):
    for line in open(file, encoding="utf-8"):
        row = json.loads(line)
        if row["kind"] == "things" and row["factors"]["written"] is not None:
            row["factors"].update(dict.fromkeys(OF_THINGS))
        print(json.dumps(row))


if sys.argv[1] == "--plain":
    sys.exit(plain(sys.argv[2]))
if sys.argv[1] == "--monosemanticity":
    print(json.dumps({"monosemanticity": monosemanticity(sys.argv[2])}, indent=2))
    sys.exit()
val, test = sys.argv[1:3]
result = {}
for unit in ("feature", "neuron"):
    areas = reached(val, test, unit)
    for what, keys in (("all values", list(areas)), ("values the bar names", [k for k in areas if k[0] not in UNNAMED])):
        result[f"{unit}: AUROC >= 0.95, {what}"] = wilson(sum(areas[k] >= 0.95 for k in keys), len(keys))
result["monosemanticity"] = monosemanticity(val)
result["first name is the value's word"] = names(test)
if len(sys.argv) > 3:
    result["search"] = search(sys.argv[3], val, test)
print(json.dumps(result, indent=2))
