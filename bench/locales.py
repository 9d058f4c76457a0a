# SPDX-License-Identifier: Apache-2.0
"""Runs the demo and the other commands, with names beyond ASCII, in three environments (UTF-8, LC_ALL=C, and no locale, as
under cron), and compares exit codes, output, names of files, and the bytes of tensors, images and tables. Times and rates
differ between runs and are not compared.

  python3 bench/locales.py WORK OUT.csv

WORK must not exist, takes about 300 MB, and is deleted on success.
"""
import csv
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK, OUT = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
PATH = {"PATH": os.environ["PATH"], **{k: v for k, v in os.environ.items() if k == "CLIPSTEER_JAVA"}}
ENVIRONMENTS = {"utf8": PATH | {"LC_ALL": "C.UTF-8"}, "c": PATH | {"LC_ALL": "C"}, "none": PATH}
COMPARED = (".safetensors", ".png", ".csv", ".tsv", ".jsonl", ".html", ".onnx", ".bin", ".py")
# Pages hold times; manifests hold times and process ids.
TIMED = re.compile(r"[0-9.,]+(?= ?(s|ms|min|MB|GB|GiB|images/s|tokens/s|images/s)\b)|(?<=_second\" : )[0-9.]+"
                   r"|(?<=seconds\" : )[0-9.E-]+|(?<=bytes\" : )[0-9]+|\"(started|ended)\".*"
                   r"|(?m:(?<= )[0-9]+\.[0-9]$)")

DEMO = "démo"
COMMANDS = [
    ["demo", "--quick", "--out", DEMO],
    ["world", "model", "--out", "modèle"],
    ["world", "generate", "--set", "mixed", "--count", "12", "--out", "été"],
    ["model", "inspect", "modèle", "--json"],
    ["classify", "--model", "modèle", "--images", "été", "--classes", "chien,été,日本"],
    ["classify", "--model", "modèle", "--images", "t.csv", "--classes", "chien,été", "--json"],
    ["classify", "--model", "modèle", "--images", "été", "--classes-file", "mots.txt", "--templates", "modèles.txt"],
    ["harvest", "--model", "modèle", "--images", "été", "--layers", "6", "--out", "données"],
    ["store", "verify", "données", "--json"],
    ["train", "--store", "données", "--layers", "6", "--sae", "topk:k=4", "--expansion", "2", "--train-tokens", "2000",
     "--batch", "64", "--out", "entraînement"],
    ["evaluate", "--run", "entraînement", "--model", "modèle", "--images", "t.csv", "--json"],
    ["index", "--run", "entraînement", "--model", "modèle", "--images", "été", "--labels", "t.tsv", "--vocabulary", "mots.txt"],
    ["features", "--run", "entraînement", "SELECT id, name FROM features WHERE name = 'été' OR id < 5"],
    ["search", "--run", "entraînement", "--model", "modèle", "--text", "été"],
    ["steer", "--run", "entraînement", "--model", "modèle", "--image", "été/ça va.png", "--feature", "3", "--set", "9",
     "--classes", "chien,été"],
    ["steerability", "--run", "entraînement", "--model", "modèle", "--images", "été", "--vocabulary", "mots.txt",
     "--out", "dérive"],
    ["report", "--run", "entraînement", "--model", "modèle", "--images", "été", "--out", "rapport été.html"],
    ["attack", "--images", "t.csv", "--words", "naïf,été", "--out", "attaqué"],
    ["suppress", "--run", "pas là", "--data", "csv:où.csv", "--out", "édité"],
    ["classify", "--model", "modèle", "--images", "absent-é", "--classes", "a,b"],
    ["doctor", "--threads", "deux²"],
]


def prepare(folder):
    folder.mkdir(parents=True)
    (folder / "mots.txt").write_text("chien\nété\n日本\nnaïf\n", "utf-8")
    (folder / "modèles.txt").write_text("une photo d’un {}.\n", "utf-8")


def images(folder):
    """After the world is drawn: names beyond ASCII, in tables too."""
    drawn = sorted((folder / "été").rglob("*.png"))
    drawn[0].rename(folder / "été" / "ça va.png")
    drawn[1].rename(folder / "été" / "日本.png")
    rows = ["file,label", "été/ça va.png,été", "été/日本.png,chien"]
    rows += [f"{p.relative_to(folder)},{'été' if i % 2 else 'chien'}" for i, p in enumerate(drawn[2:])]
    (folder / "t.csv").write_text("\n".join(rows) + "\n", "utf-8")
    cells = [row.replace("été/", "", 1).replace(",", "\t") for row in rows]
    (folder / "t.tsv").write_text("\n".join(cells) + "\n", "utf-8")


def run(folder, environment, words):
    ran = subprocess.run(["bash", ROOT / "clipsteer", *words], cwd=folder, env=environment, capture_output=True)
    text = "\n".join([str(ran.returncode), ran.stdout.decode("utf-8"), ran.stderr.decode("utf-8")])
    return TIMED.sub("?", text.replace(str(folder), "WORK"))


def tree(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.suffix in COMPARED and path.suffix != ".html"
            name = str(path.relative_to(folder))
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if text else ""
    return found


def main():
    printed, trees = {}, {}
    for name, environment in ENVIRONMENTS.items():
        folder = WORK / name
        prepare(folder)
        printed[name] = []
        for words in COMMANDS:
            printed[name].append(run(folder, environment, words))
            if words[:2] == ["world", "generate"]:
                images(folder)
        trees[name] = tree(folder)
    rows, failed = [], False
    for i, words in enumerate(COMMANDS):
        expected = printed["utf8"][i]
        equal = {name: printed[name][i] == expected for name in ENVIRONMENTS}
        rows.append([" ".join(words), expected.splitlines()[0], len(expected), equal["c"], equal["none"]])
        for name, same in equal.items():
            if not same:
                failed = True
                print(f"{words} differs in {name}:\n{expected}\n---\n{printed[name][i]}")
    for name in ENVIRONMENTS:
        different = {k for k in trees["utf8"].keys() | trees[name].keys() if trees["utf8"].get(k) != trees[name].get(k)}
        rows.append([f"files in {name}", "", len(trees[name]), not different, ""])
        if different:
            failed = True
            print(f"files differ in {name}: {sorted(different)}")
    with open(OUT, "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["command", "exit_code", "characters_or_files", "equal_LC_ALL_C", "equal_no_environment"])
        writer.writerows(rows)
    if failed:
        sys.exit(1)
    shutil.rmtree(WORK)


main()
