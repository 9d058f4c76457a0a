#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills the explorer in the middle of answering, and counts what was confirmed against what is on the disk.

    python3 bench/label_kills.py STUDY --kills 30 -- ./clipsteer explore --run RUN --images SRC --plan STUDY --no-browser
"""

import argparse
import http.cookiejar
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("study")
parser.add_argument("--kills", type=int, default=30)
cut = sys.argv.index("--")
options = parser.parse_args(sys.argv[1:cut])
command = sys.argv[cut + 1:]
rng = random.Random(1)
confirmed = {}


def stored(annotator):
    file = f"{options.study}/answers/{annotator}.jsonl"
    if not os.path.exists(file):
        return []
    return [json.loads(line[17:]) for line in open(file, "rb").read().split(b"\n")[:-1]]


def said(trial):
    if trial["task"] == "naming":
        return {"ideas": "none", "picked": []}
    if trial["task"] == "verification":
        return {"picked": [0]}
    return {"choice": 0, "confidence": 1}


for kill in range(options.kills):
    url_file = tempfile.mktemp()
    server = subprocess.Popen(command + ["--url-file", url_file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not os.path.exists(url_file):
        time.sleep(0.05)
    url = open(url_file).read().strip()
    base = url.split("/?")[0]
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    opener.open(url).read()

    def post(path, body):
        request = urllib.request.Request(base + path, json.dumps(body).encode(), {"Content-Type": "application/json", "X-Clipsteer": "1", "X-Client": "kills", "Origin": base})
        return json.load(opener.open(request))

    annotator = f"kill{kill // 10}"
    # What was confirmed must be there after the kill before, once each, in order.
    answers = stored(annotator)
    end = time.time() + rng.uniform(0.05, 1.0)
    pid = os.fork()
    if pid == 0:
        time.sleep(end - time.time())
        os.killpg(server.pid, signal.SIGKILL)
        os._exit(0)
    try:
        while True:
            trial = post("/api/labels/next", {"annotator": annotator})["trial"]
            if trial is None:
                break
            answer = post("/api/labels/answers", {"annotator": annotator, "position": trial["position"], "said": said(trial), "milliseconds": 1500 + kill, "heat_maps": 0})
            if answer["stored"]:
                confirmed.setdefault(annotator, []).append((trial["position"], 1500 + kill))
    except OSError:
        pass
    os.waitpid(pid, 0)
    server.wait()
    lines = stored(annotator)
    positions = [one["position"] for one in lines]
    assert positions == list(range(len(positions))), "a trial twice, or lost"
    on_disk = {(one["position"], one["milliseconds"]) for one in lines}
    lost = [one for one in confirmed.get(annotator, []) if one not in on_disk]
    assert not lost, f"lost: {lost}"
    print(f"{kill + 1}: {len(confirmed.get(annotator, []))} confirmed, {len(lines)} on the disk", flush=True)
print("0 lost, 0 twice,", sum(map(len, confirmed.values())), "answers", file=sys.stderr)
