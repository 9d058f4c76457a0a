# SPDX-License-Identifier: Apache-2.0
"""Seconds of each stage of finished demos, side by side: python bench/demo_stages.py FOLDER… > results.csv (FOLDER: of clipsteer demo --out)"""
import csv
import json
import pathlib
import sys

folders = [pathlib.Path(name) for name in sys.argv[1:]]
stages = [{f.stem: json.loads(f.read_text()) for f in (folder / "stages").glob("*.json")} for folder in folders]
out = csv.writer(sys.stdout)
out.writerow(["stage"] + [folder.name for folder in folders])
for name in sorted(stages[0], key=lambda stage: (folders[0] / "stages" / f"{stage}.json").stat().st_mtime):
    out.writerow([name] + [round(demo[name]["seconds"], 2) for demo in stages])
out.writerow(["all"] + [round(sum(stage["seconds"] for stage in demo.values()), 1) for demo in stages])
out.writerow(["peak_mib"] + [round(max(stage["peak_bytes"] for stage in demo.values()) / 2**20) for demo in stages])
