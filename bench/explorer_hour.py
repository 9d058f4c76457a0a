#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An hour of one person's use, a request a second of every kind, with the server's memory by the minute.

    clipsteer explore --run RUN --images SRC --no-browser --url-file url.txt &
    python3 bench/explorer_hour.py url.txt PID --seconds 3600 > bench/results/explorer_hour.csv

Needs Pillow, for the images that are dropped onto the page.
"""

import argparse
import http.cookiejar
import io
import json
import random
import time
import urllib.error
import urllib.request

from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("url_file")
parser.add_argument("pid", type=int)
parser.add_argument("--seconds", type=float, default=3600)
options = parser.parse_args()

address = open(options.url_file).read().strip()
base = address.split("/?")[0]
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
opener.open(address).read()
draw = random.Random(1)


def send(path, body=None, kind="application/json"):
    headers = {"X-Clipsteer": "1", "Content-Type": kind}
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with opener.open(urllib.request.Request(base + path, data, headers if data else {})) as answer:
        return answer.read()


def resident():
    """MB of the server's memory."""
    for line in open(f"/proc/{options.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    raise SystemExit("no such process")


session = json.loads(send("/api/session"))
run = session["runs"][0]
images = session["images"]
if not isinstance(images, int):
    images = len(images)
words = ["man", "woman", "red", "blue", "tree", "water", "bird", "face", "word", "hair"]


def image():
    return str(draw.randrange(images))


def unit():
    sae = draw.randrange(len(run["saes"]))
    return sae, draw.randrange(run["saes"][sae]["features"])


def answers():
    sae, feature = unit()
    strength = draw.choice(["0", "1x", "2x", "-1x"])
    edit = [{"sae": sae, "kind": draw.choice(["feature", "random"]), "id": feature, "set": strength}]
    body = {"image": image(), "tokens": "all", "words": draw.sample(words, 3), "units": edit}
    send("/api/runs/0/answers", body)


def drop():
    width, height = draw.randrange(300, 6000), draw.randrange(300, 4000)
    pixels = Image.effect_noise((width // 8, height // 8), 60).resize((width, height)).convert("RGB")
    file = io.BytesIO()
    pixels.save(file, draw.choice(["JPEG", "PNG"]))
    dropped = json.loads(send("/api/images", file.getvalue(), "image/png"))["image"]
    send("/api/runs/0/selection", {"image": dropped})


kinds = {
    "answers": (8, answers),
    "selection": (4, lambda: send("/api/runs/0/selection", {"image": image(), "patches": draw.sample(range(16), 3)})),
    "card": (3, lambda: send("/api/runs/0/features/%d/%d" % unit())),
    "search": (2, lambda: send("/api/runs/0/search?text=" + draw.choice(words))),
    "table": (2, lambda: send("/api/runs/0/features?sort=" + draw.choice(["frequency", "monosemanticity", "max"]))),
    "thumbnail": (4, lambda: send(f"/api/runs/0/images/{image()}/small")),
    "sql": (1, lambda: send("/api/runs/0/query", {"sql": "SELECT count(*) FROM features WHERE frequency > %g" % draw.random()})),
    "drop": (0.3, drop),
}
counts, refused = dict.fromkeys(kinds, 0), 0
started = time.time()
minute = 0
print("minute,resident_mb,requests,refused", flush=True)
while time.time() - started < options.seconds:
    kind = draw.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
    try:
        kinds[kind][1]()
        counts[kind] += 1
    except urllib.error.HTTPError as error:
        refused += 1
        print(f"# {kind}: {error.read().decode()}", flush=True)
    if time.time() - started >= 60 * minute:
        print(f"{minute},{resident()},{sum(counts.values())},{refused}", flush=True)
        minute += 1
    time.sleep(1)
time.sleep(60)
print(f"idle,{resident()},{sum(counts.values())},{refused}")
print("# " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
