"""Runs every block of docs/python.md on a finished demo, and names files of its folder that no block is for.

    ../../clipsteer demo --quick --out DEMO
    python open_files.py DEMO ["../../clipsteer"]

What a demo does not hold is made beside links to its files, in a temporary folder: a store, exported edits, cards.
A block whose library is not installed is named and counted apart. Exits with 1 where a block fails or a file has none.
"""

import ast
import importlib.util
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "python.md"
OPTIONAL = {"transformers", "sae_lens", "onnxruntime", "PIL"}

# Where a run is unfinished, locks, and what other programs read only with clipsteer.
PRIVATE = re.compile(r"(^|/)\.|\.blocks/|state\.safetensors$")


def blocks(text):
    """The code blocks of the page, and the patterns of files that it lists."""
    patterns = [p for line in re.findall(r"^Files: (.*(?:\n`.*)*)", text, re.M)
                for p in re.findall(r"`([^`\s]*[*/.][^`\s]*)`", line.split(" (")[0])]
    return re.findall(r"```python\n(.*?)```", text, re.S), patterns


def run_block(code):
    """Runs a block; returns the value of its last line, or of the name that it sets."""
    tree = ast.parse(code)
    last = tree.body[-1]
    names = {}
    if isinstance(last, ast.Expr):
        exec(compile(ast.Module(tree.body[:-1], []), "block", "exec"), names)
        return eval(compile(ast.Expression(last.value), "block", "eval"), names)
    exec(compile(tree, "block", "exec"), names)
    return names[last.targets[0].id]


def missing(code):
    """A library that a block needs and that is not installed; None where all are."""
    for node in ast.walk(ast.parse(code)):
        names = [node.module] if isinstance(node, ast.ImportFrom) else \
            [a.name for a in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.split(".")[0] in OPTIONAL and importlib.util.find_spec(name.split(".")[0]) is None:
                return name
    return None


def link(demo, folder):
    """The demo's files as links, in folders of our own."""
    for file in demo.rglob("*"):
        place = folder / file.relative_to(demo)
        if file.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(file.resolve())


def complete(clipsteer, folder):
    """Adds what a demo does not hold."""
    (folder / "exported").mkdir()
    for line in (
            "export --edit edits/portraits --out exported/no-blond.safetensors",
            "export --edit edits/portraits --to onnx --out exported/no-blond.onnx",
            "harvest --model model --images images/objects --layers 7 --dtype fp32 --limit 20 --out store",
            "report --run run --steerability steerability --edit edits/portraits --no-images --out report-again.html"):
        subprocess.run([*clipsteer, *shlex.split(line)], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main():
    demo = pathlib.Path(sys.argv[1])
    clipsteer = shlex.split(sys.argv[2]) if len(sys.argv) > 2 else [str(PAGE.parents[1] / "clipsteer")]
    code, patterns = blocks(PAGE.read_text(encoding="utf-8"))
    failed, skipped = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve()
        link(demo, folder)
        complete(clipsteer, folder)
        os.chdir(folder)
        listed = {file for pattern in patterns for file in pathlib.Path().glob(pattern)}
        written = {f for f in pathlib.Path().rglob("*")
                   if f.is_file() and not PRIVATE.search(str(f)) and "__pycache__" not in f.parts}
        for block in code:
            first = block.splitlines()[1]
            if len(block.strip().splitlines()) != 3:
                failed.append(f"not three lines: {first}")
            elif missing(block):
                skipped.append(f"{missing(block)} is not installed: {first}")
            else:
                try:
                    value = run_block(block)
                    assert value is not None and (not hasattr(value, "__len__") or len(value) > 0), "empty"
                except Exception as error:  # whatever a library throws is the finding
                    failed.append(f"{type(error).__name__}: {error}: {first}")
        failed += [f"no block: {file}" for file in sorted(written - listed)]
    for line in skipped:
        print("skipped:", line)
    for line in failed:
        print("FAILED:", line)
    print(f"{len(code) - len(skipped)} of {len(code)} blocks run, {len(written)} files, {len(failed)} faults")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
