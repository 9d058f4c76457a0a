#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Annotators who know the demo world's factors answer a plan through the real page.

    clipsteer labels plan --run OUT/run --images OUT/images/mixed --labels OUT/images/mixed/factors.jsonl ... --out study
    clipsteer explore --run OUT/run --images OUT/images/mixed --plan study --no-browser --url-file url.txt &
    python3 bench/simulated_annotators.py url.txt study OUT/images/mixed/factors.jsonl --annotators 2 --error 0.1
    clipsteer labels report --labels study

Nothing of the plan is read but its seed, which says whose blind name an image bears: an annotator knows the true factors of the
images that the page shows, and neither the unit nor its kind.

An annotator who reasons (--by factors) weighs every value of a factor, such as colour red, as the idea of the shown images. An
image that fits an idea has its value with probability FITS or halfway from the base rate to 1, whichever is larger; one that does
not fit, with half the base rate. All values are as likely beforehand, in naming "nothing in common" as likely as all of them
together. The answer is the most likely one, and a share --error of the answers is turned into another one.

Who guesses (--by guess) sees nothing but whether an image is shown twice, so that catch trials are right, and guesses the rest.
Who is blind (--by blind) guesses everything.

    python3 bench/simulated_annotators.py --purity study OUT/images/mixed/factors.jsonl

prints, of each kind of unit, how many have a value on at least seven of the eight strongest images of their naming sheets, and how
often the value of most of these eight is on the sheet's eight others. This reads the plan, for those who ask why an accuracy is as it is.
"""

import argparse
import hashlib
import json
import math
import random
import sys
from collections import Counter, defaultdict

FITS = 0.85
OTHERS = 0.5
RARE, COMMON = 5, 5
PAUSE_MS = 1050
# An answer is on the disk before the next trial appears; a busy disk may take long.
TIMEOUT_MS = 300_000


def values(row):
    """The values of an image's factors."""
    known = {("class", row["kind"])}
    for factor, value in row["factors"].items():
        if isinstance(value, dict):
            known.add(("written", True))
            known.update((part, value[part]) for part in ("text", "font", "ink", "onPlate"))
            known.add(("writing", "top" if value["y"] < 0.5 else "bottom"))
        elif value is None:
            known.add((factor, False))
        elif isinstance(value, float):
            known.add((factor, int(3 * value)))
        else:
            known.add((factor, value))
    return frozenset(known)


def truth(study, factors):
    """The values of each image by its blind name."""
    seed = json.load(open(study + "/plan.json"))["seed"]
    rows = map(json.loads, open(factors))
    return {hashlib.sha256(f"{seed} {row['file']}".encode()).hexdigest()[:16]: values(row) for row in rows}


def purity(study, factors):
    known = truth(study, factors)
    base = Counter(value for one in known.values() for value in one)
    plan = json.load(open(study + "/plan.json"))
    kinds = defaultdict(list)
    for trial in plan["trials"]:
        if trial["task"] != "naming" or trial["role"] != "main":
            continue
        top = [known[one["image"]] for one in trial["images"] if one["part"] == "top"]
        rest = [known[one["image"]] for one in trial["images"] if one["part"] != "top"]
        counts = Counter(value for one in top for value in one if 2 * base[value] < len(known))
        value = max(sorted(counts, key=str), key=lambda v: (counts[v], -base[v]))
        kinds[plan["units"][trial["unit"]]["kind"]].append(
            (counts[value] >= 7, sum(value in one for one in rest) / len(rest), base[value] / len(known)))
    return {kind: {"units": len(own), "pure_top": round(sum(one[0] for one in own) / len(own), 4),
                   "on_the_others": round(sum(one[1] for one in own) / len(own), 4),
                   "base_rate": round(sum(one[2] for one in own) / len(own), 4)} for kind, own in kinds.items()}


class Reasoner:
    """Weighs values as the idea of shown images."""

    def __init__(self, known):
        counts = Counter(value for one in known.values() for value in one)
        self.ideas = sorted((v for v, n in counts.items() if RARE <= n <= len(known) - COMMON), key=str)
        self.base = {v: counts[v] / len(known) for v in self.ideas}

    def odds(self, idea, image, fits):
        """Log of how much likelier an image is as one that fits an idea, or does not, than as any."""
        base = self.base[idea]
        share = max(FITS, (1 + base) / 2) if fits else OTHERS * base
        return math.log(share / base if idea in image else (1 - share) / (1 - base))

    def weights(self, fitting, others):
        return [sum(self.odds(idea, one, True) for one in fitting) + sum(self.odds(idea, one, False) for one in others)
                for idea in self.ideas]

    @staticmethod
    def total(weights):
        most = max(weights)
        return most + math.log(sum(math.exp(w - most) for w in weights) / len(weights))

    def query(self, images):
        left, right, (one, two) = images[:9], images[9:18], images[18:]
        first = self.total(self.weights(left + [one], right + [two]))
        return 0 if first > self.total(self.weights(left + [two], right + [one])) else 1

    def intruder(self, images):
        scores = [self.total(self.weights(images[:k] + images[k + 1:], [images[k]])) for k in range(len(images))]
        return scores.index(max(scores))

    def idea(self, images):
        """The likeliest idea; None where nothing in common is likelier than any."""
        weights = self.weights(images, [])
        return self.ideas[weights.index(max(weights))] if self.total(weights) > 0 else None


def spoken(value):
    return f"{value[0]} {value[1]}".lower()


class Annotator:
    def __init__(self, known, by, error, name):
        self.known, self.by, self.error = known, by, error
        self.random = random.Random(name)
        self.reasoner = Reasoner(known)

    def errs(self):
        return self.random.random() < self.error

    def choice(self, names, choices, reasoned, shown_twice):
        """One of some: what the images say, or chance."""
        if self.by == "blind" or (self.by == "guess" and shown_twice(names) is None):
            return self.random.randrange(choices)
        right = shown_twice(names)
        right = reasoned([self.known[name] for name in names]) if right is None else right
        return self.random.choice([k for k in range(choices) if k != right]) if self.errs() else right

    def answer(self, page):
        task = page.locator("h1").inner_text()
        names = page.eval_on_selector_all("main img", "all => all.map((one) => one.src.split('/').pop())")
        options = page.locator(".option")
        if task.startswith("Naming"):
            self.name(page, options, [self.known[name] for name in names])
        elif task.startswith("Two"):
            options.nth(self.choice(names, 2, self.reasoner.query, query_shown)).click()
            page.get_by_role("button", name="rather sure").click()
        elif task.startswith("Intruder"):
            options.nth(self.choice(names, 5, self.reasoner.intruder, odd_one)).click()
        else:
            idea = page.locator(".name b").inner_text().lower()
            for k, name in enumerate(names):
                fits = any(idea in (spoken(value), str(value[1]).lower()) for value in self.known[name])
                marked = self.random.random() < 0.5 if self.by != "factors" else fits != self.errs()
                if marked:
                    options.nth(k).click()

    def name(self, page, options, images):
        idea = self.reasoner.idea(images)
        if self.by != "factors":
            idea = self.random.choice([None, self.random.choice(self.reasoner.ideas)])
        elif self.errs():
            idea = None if idea else self.random.choice(self.reasoner.ideas)
        if idea is None:
            page.get_by_role("button", name="Nothing in common").click()
            return
        page.get_by_role("button", name="One idea").click()
        page.get_by_label("Name of the idea").fill(spoken(idea))
        for k, image in enumerate(images):
            marked = self.random.random() < 0.5 if self.by != "factors" else (idea in image) != self.errs()
            if marked:
                options.nth(k).click()


def query_shown(names):
    """The query that is among the references on the left, or whose other one is among those on the right."""
    for k in range(2):
        if names[18 + k] in names[:9] and names[19 - k] in names[9:18]:
            return k
    return None


def odd_one(names):
    """The image that is shown once, where another one is shown four times."""
    once = [k for k, name in enumerate(names) if names.count(name) == 1]
    return once[0] if len(once) == 1 else None


def run(options):
    from playwright.sync_api import sync_playwright

    known = truth(options.study, options.factors)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        for k in range(options.annotators):
            name = f"{options.prefix}-{k + 1}"
            annotator = Annotator(known, options.by, options.error, name)
            url = open(options.url_file).read().strip()
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.set_default_timeout(TIMEOUT_MS)
            page.goto(url)
            page.goto(url.split("?")[0] + f"#/label?as={name}")
            page.wait_for_selector("progress")
            count = 0
            while page.locator("h1").inner_text() != "Done":
                before = page.locator("progress").get_attribute("value")
                annotator.answer(page)
                page.wait_for_timeout(PAUSE_MS)
                page.get_by_role("button", name="Answer").click()
                page.wait_for_function("b => document.querySelector('progress')?.getAttribute('value') !== b", arg=before)
                count += 1
            print(f"{name}: {count} answers", flush=True)
        browser.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--purity"]:
        print(json.dumps(purity(*sys.argv[2:]), indent=1))
        sys.exit()
    parser = argparse.ArgumentParser()
    parser.add_argument("url_file")
    parser.add_argument("study")
    parser.add_argument("factors")
    parser.add_argument("--annotators", type=int, default=3)
    parser.add_argument("--by", choices=["factors", "guess", "blind"], default="factors")
    parser.add_argument("--error", type=float, default=0.1)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--prefix", default="simulated")
    run(parser.parse_args())
