# SPDX-License-Identifier: Apache-2.0
"""Stops `demo --quick` with Ctrl-C at a random instant of every stage, resumes it with --resume, and compares the result with
an undisturbed run: every stage's figures (without times and memory), all tensors and all images, byte by byte.

  python3 bench/demo_stops.py WORK OUT.csv [SEED]

WORK must not exist, takes about 100 MB, and is deleted on success. The seed fixes the instants; their position in a
stage depends on the machine.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK, OUT = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
TIMED = ("second", "bytes", "started", "ended")


def start(folder, *more):
    # A shell's background jobs ignore Ctrl-C, and so would what they start.
    return subprocess.Popen(
        [ROOT / "clipsteer", "demo", "--quick", "--json", "--out", folder, *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def finish(folder, *more):
    process = start(folder, *more)
    error = process.stderr.read()
    if process.wait():
        sys.exit(error)


def stop(folder, stage, seconds, *more):
    """Stops the demo after a stage has run for this long; returns the exit code."""
    process = start(folder, *more)
    for line in process.stderr:
        if line.startswith(f"[{stage}/"):
            break
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    return process.wait()


def timeless(value):
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if not any(word in k for word in TIMED)}
    return [timeless(one) for one in value] if isinstance(value, list) else value


def figures(folder):
    stages = {}
    for file in sorted((folder / "stages").glob("*.json")):
        stages[file.stem] = timeless(json.loads(file.read_text().replace(str(folder), "OUT")))
    return stages


def sums(folder):
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in folder.rglob("*") if file.suffix in (".safetensors", ".png", ".jpg", ".jsonl")}


WORK.mkdir()
whole, stopped = WORK / "whole", WORK / "stopped"
finish(whole)
names = [line.split()[0] for line in ROOT.joinpath(
    "cli/src/main/java/io/clipsteer/cli/DemoStage.java").read_text().split('"""')[1].strip().splitlines()]
took = {name: json.loads((whole / "stages" / f"{name}.json").read_text())["seconds"] for name in names}
rng = random.Random(SEED)
rows = []
for number, name in enumerate(names, 1):
    after = rng.random() * took[name]
    code = stop(stopped, number, after, *(["--resume"] if number > 1 else []))
    done = (stopped / "stages" / f"{name}.json").exists()
    rows.append((name, f"{took[name]:.2f}", f"{after:.2f}", code, "finished" if done else "not finished"))
    print(*rows[-1], flush=True)
inside = sum(row[-1] == "not finished" for row in rows)
if inside < len(names) // 2:
    sys.exit(f"only {inside} of {len(names)} stages were stopped inside: nothing is shown")
finish(stopped, "--resume")
ours, theirs = figures(whole), figures(stopped)
wrong = [name for name in names if ours[name] != theirs[name]]
a, b = sums(whole), sums(stopped)
other = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
if wrong or other:
    sys.exit(f"the stopped demo differs: stages {wrong}, {len(other)} files {other[:10]}")
with open(OUT, "w") as out:
    out.write(f"# python3 bench/demo_stops.py WORK OUT.csv {SEED}; {os.cpu_count()} cores; SIGINT so many seconds into each stage\n")
    out.write("stage,seconds,stopped_after,exit_code,stage_then\n")
    for row in rows:
        out.write(",".join(map(str, row)) + "\n")
    out.write(f"# afterwards {len(names)} stages' figures and {len(a)} files as the undisturbed run's\n")
shutil.rmtree(WORK)
