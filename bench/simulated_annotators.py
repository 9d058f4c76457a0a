#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Annotators who know the demo world's factors answer a plan through the real page.

    clipsteer labels plan --run OUT/run --images OUT/images/mixed --labels OUT/images/mixed/factors.jsonl ... --out study
    clipsteer explore --run OUT/run --images OUT/images/mixed --plan study --no-browser --url-file url.txt &
    python3 bench/simulated_annotators.py url.txt study OUT/images/mixed/factors.jsonl --annotators 3 --error 0.1
    clipsteer labels report --labels study

Each looks for a value of a factor that the shown images share, and errs in a tenth of the answers; with --error 1
they answer at random. Nothing of the plan is read but which file an image's blind name stands for.
"""

import argparse
import hashlib
import json
import random
from collections import Counter

from playwright.sync_api import sync_playwright

parser = argparse.ArgumentParser()
parser.add_argument("url_file")
parser.add_argument("study")
parser.add_argument("factors")
parser.add_argument("--annotators", type=int, default=3)
parser.add_argument("--error", type=float, default=0.1)
parser.add_argument("--chromium", default="/usr/bin/chromium")
parser.add_argument("--prefix", default="simulated")
options = parser.parse_args()

seed = json.load(open(options.study + "/plan.json"))["seed"]
truth = {}
for line in open(options.factors):
    row = json.loads(line)
    values = set()
    for factor, value in row["factors"].items():
        if isinstance(value, dict):
            values.add(("written", True))
            values.add(("text", value.get("text")))
        elif value is None:
            values.add((factor, False))
        else:
            values.add((factor, value))
    truth[hashlib.sha256(f"{seed} {row['file']}".encode()).hexdigest()[:16]] = values
base = Counter(v for values in truth.values() for v in values)
total = len(truth)


def telling(positive, negative):
    """The value that tells two groups apart best."""
    def share(group, value):
        return sum(value in one for one in group) / len(group)
    seen = sorted({v for one in positive for v in one}, key=str)
    return max(seen, key=lambda v: share(positive, v) - (share(negative, v) if negative else base[v] / total), default=None)


def shown(page):
    return [truth[src.split("/")[-1]] for src in page.eval_on_selector_all("main img", "all => all.map((one) => one.src)")]


def answer(page, rng):
    task = page.locator("h1").inner_text()
    images = shown(page)
    errs = rng.random() < options.error
    if task.startswith("Naming"):
        value = telling(images, None)
        share = sum(value in one for one in images) / len(images)
        one = (share >= 0.7 and base[value] / total < 0.6) != errs
        if one:
            page.get_by_role("button", name="One idea").click()
            page.get_by_label("Name of the idea").fill(f"{value[0]} {value[1]}".lower()[:90])
        else:
            page.get_by_role("button", name="Nothing in common").click()
        for k, node in enumerate(page.locator(".option").all()):
            if value in images[k] and rng.random() > options.error:
                node.click()
    elif task.startswith("Two"):
        value = telling(images[:9], images[9:18])
        fits = [value in one for one in images[18:]]
        choice = rng.randrange(2) if fits[0] == fits[1] else fits.index(True)
        same = [k for k in range(2) if images[18 + k] in images[:9] and images[19 - k] not in images[:9]]
        if same:
            choice = same[0]
        if errs:
            choice = rng.randrange(2) if options.error == 1 else 1 - choice
        page.locator(".option").nth(choice).click()
        page.get_by_role("button", name="rather sure").click()
    elif task.startswith("Intruder"):
        scores = []
        for k in range(5):
            rest = images[:k] + images[k + 1:]
            common = [v for v in set.intersection(*rest) if v not in images[k]]
            scores.append(max((1 - base[v] / total for v in common), default=0) + 1e-6 * rng.random())
        choice = scores.index(max(scores))
        if errs:
            choice = rng.randrange(5) if options.error == 1 else rng.choice([k for k in range(5) if k != choice])
        page.locator(".option").nth(choice).click()
    else:
        name = page.locator(".name b").inner_text()
        for k, node in enumerate(page.locator(".option").all()):
            fits = any(f"{v[0]} {v[1]}".lower() == name or str(v[1]).lower() == name for v in images[k])
            flips = rng.random() < (0.5 if options.error == 1 else options.error)
            if fits != flips:
                node.click()
    page.wait_for_timeout(1100)
    page.get_by_role("button", name="Answer").click()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
    for k in range(options.annotators):
        url = open(options.url_file).read().strip()
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(url)
        page.goto(url.split("?")[0] + f"#/label?as={options.prefix}-{k + 1}")
        rng = random.Random(k)
        count = 0
        while True:
            page.wait_for_selector("h1")
            page.wait_for_timeout(150)
            if page.locator("h1").inner_text() == "Done":
                break
            before = page.locator("progress").get_attribute("value")
            answer(page, rng)
            page.wait_for_function("b => document.querySelector('progress')?.getAttribute('value') !== b", arg=before)
            count += 1
        print(f"{options.prefix}-{k + 1}: {count} answers", flush=True)
    browser.close()
