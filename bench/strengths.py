#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Collects folders of `clipsteer steerability` into one result: python bench/strengths.py NAME=FOLDER ... > FILE"""

import json
import sys
from pathlib import Path

LAYER = ["layer", "unit", "set", "n", "images", "norm", "nearest", "mean_s", "mean_s_unbiased", "share_above_tau",
         "share_low", "share_high", "share_above_tau_of_s", "coverage"]
COMPARISON = ["layer", "set", "baseline", "mean_features", "mean_baseline", "difference", "low", "high", "p_holm",
              "features_steer_more"]


def only(row, keys):
    return {key: row[key] for key in keys if key in row}


def main():
    results = []
    for argument in sys.argv[1:]:
        name, folder = argument.split("=", 1)
        report = json.loads((Path(folder) / "steerability.json").read_text())
        results.append({
            "name": name,
            "protocol": report["protocol"],
            **only(report, ["images", "words", "tau", "at", "screen"]),
            "layers": [only(layer, LAYER) for layer in report["layers"]],
            "comparisons": [only(one, COMPARISON) for one in report.get("comparisons", [])],
        })
    print(json.dumps({"command": "clipsteer steerability", "results": results}, indent=1))


if __name__ == "__main__":
    main()
