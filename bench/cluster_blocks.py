# SPDX-License-Identifier: Apache-2.0
"""What Spark costs for a block: 200 blocks of one image, harvested here and by one executor.

    python3 bench/cluster_blocks.py MODEL IMAGES WORK OUT.csv [PROGRAM]

The time of a block is that between the files of two consecutive blocks; the difference of the medians is the scheduler's.
"""

import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import time

BLOCKS = 200


def blocks(store):
    """Seconds between consecutive shards, in the order in which they were written."""
    times = sorted(file.stat().st_mtime_ns for file in (store / "shards").glob("??????.json"))
    assert len(times) == BLOCKS, len(times)
    return [(b - a) * 1e-9 for a, b in zip(times, times[1:])]


def main(model, images, work, out, program="./clipsteer"):
    work = pathlib.Path(work)
    work.mkdir()
    rows = []
    first = None
    for master in ["", "local[1]", "local-cluster[1,1,1024]"]:
        store = work / f"store{len(rows)}"
        command = shlex.split(program) + ["harvest", "--model", model, "--images", images, "--limit", str(BLOCKS), "--layers", "2",
                                          "--image-batch", "1", "--block-size", "1", "--threads", "1", "--decode-threads", "1",
                                          "--out", str(store)]
        begin = time.time()
        subprocess.run(command + (["--master", master] if master else []), check=True, capture_output=True)
        seconds = time.time() - begin
        each = blocks(store)
        files = {f.relative_to(store): f.read_bytes() for f in sorted(store.rglob("*")) if f.is_file() and f.name != "manifest.json"}
        first = first or files
        rows.append([f'"{master}"', f"{seconds:.1f}", f"{sum(each):.2f}", f"{statistics.median(each) * 1e3:.1f}",
                     f"{sorted(each)[int(0.95 * len(each))] * 1e3:.1f}", "equal" if files == first else "DIFFERENT"])
    text = [f"# bench/cluster_blocks.py: harvest of {BLOCKS} blocks of one image, one layer, one thread, one executor",
            "master,command_seconds,first_to_last_block_seconds,median_block_ms,p95_block_ms,bytes"]
    pathlib.Path(out).write_text("\n".join(text + [",".join(row) for row in rows]) + "\n")
    shutil.rmtree(work)


main(*sys.argv[1:])
