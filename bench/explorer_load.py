#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that steer at once: every answer is compared with the one that a client alone got before.

    clipsteer explore --run RUN --images SRC --no-browser --url-file url.txt &
    python3 bench/explorer_load.py url.txt PID --clients 8 --seconds 600
"""

import argparse
import http.cookiejar
import json
import random
import threading
import time
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("url_file")
parser.add_argument("pid", type=int)
parser.add_argument("--clients", type=int, default=8)
parser.add_argument("--seconds", type=float, default=600)
parser.add_argument("--edits", type=int, default=10, help="different edits of each client")
options = parser.parse_args()

base = open(options.url_file).read().split("/?")[0]
# All clients share the key that the address gives once.
jar = http.cookiejar.CookieJar()
urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(open(options.url_file).read().strip()).read()


class Client:
    def __init__(self, name):
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.headers = {"X-Clipsteer": "1", "X-Client": name, "Content-Type": "application/json"}

    def post(self, path, body):
        request = urllib.request.Request(base + path, json.dumps(body).encode(), self.headers)
        return json.load(self.opener.open(request))


def resident():
    """Bytes of memory of the server."""
    for line in open(f"/proc/{options.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise SystemExit("no such process")


def p95(values):
    values = sorted(values)
    return values[min(len(values) - 1, int(0.95 * len(values)))]


draw = random.Random(1)
alone = Client("alone")
edits = []
for client in range(options.clients):
    image = str(client % 8)
    features = alone.post("/api/runs/0/selection", {"image": image})["features"]
    for _ in range(options.edits):
        feature = draw.choice(features)
        unit = {"sae": feature["sae"], "kind": "feature", "id": feature["id"], "set": f"{draw.uniform(-3, 3):.2f}x"}
        edits.append({"image": image, "words": ["man", "woman"], "units": [unit]})
for edit in edits:
    alone.post("/api/runs/0/answers", edit)
times, expected = [], []
for edit in edits:
    start = time.perf_counter()
    expected.append(alone.post("/api/runs/0/answers", edit))
    times.append(time.perf_counter() - start)
single = p95(times)

before = resident()
all_times, wrong, failed = [], [0], [0]
lock = threading.Lock()
end = time.time() + options.seconds


def steer(number):
    client = Client(f"client {number}")
    own = list(range(number * options.edits, (number + 1) * options.edits))
    pick = random.Random(number)
    while time.time() < end:
        k = pick.choice(own)
        start = time.perf_counter()
        try:
            answer = client.post("/api/runs/0/answers", edits[k])
        except OSError:
            with lock:
                failed[0] += 1
            continue
        with lock:
            all_times.append(time.perf_counter() - start)
            wrong[0] += answer != expected[k]


threads = [threading.Thread(target=steer, args=(k,)) for k in range(options.clients)]
for thread in threads:
    thread.start()
middle = None
while any(thread.is_alive() for thread in threads):
    time.sleep(1)
    if middle is None and time.time() > end - options.seconds / 2:
        middle = resident()
print(json.dumps({
    "clients": options.clients, "seconds": options.seconds, "answers": len(all_times), "wrong": wrong[0], "failed": failed[0],
    "p95_ms_alone": round(1000 * single, 1), "p50_ms": round(1000 * sorted(all_times)[len(all_times) // 2], 1), "p95_ms": round(1000 * p95(all_times), 1),
    "p95_ratio": round(p95(all_times) / single, 2), "resident_bytes": {"before": before, "half": middle, "after": resident()},
}, indent=1))
