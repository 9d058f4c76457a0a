# SPDX-License-Identifier: Apache-2.0
"""Simulates a cluster from measured figures: efficiency for 1.28 M images, and where it breaks.

    python3 bench/cluster_simulation.py OUT.csv --image-seconds S --spread C --task-seconds D --dispatch-seconds Q

Measured: S seconds of an image on one executor, C the coefficient of variation of a block's time, D an executor's seconds
between two blocks (of one image, less the image's own), Q seconds of the driver for a task. Assumed, and varied in the table:
the start (15 s), one executor in 100 that is half as fast, the merge (MB a block that the driver reads at 1 GB/s).

An executor asks for its next block when it has ended one; the driver gives blocks one after the other, in order. The efficiency is
the time of one executor for all images, divided by that of all executors together and by their number.
"""

import argparse
import heapq
import random

IMAGES = 1_281_167
START = 15.0
READ = 1e9


def simulate(executors, block, args, merge_mb, slow, retries):
    """Seconds until all blocks are computed and merged."""
    draw = random.Random(1)
    speed = [0.5 if slow and i % 100 == 99 else 1.0 for i in range(executors)]
    free = [(START, i) for i in range(executors)]
    heapq.heapify(free)
    driver = START
    left = IMAGES
    ends = []
    again = 0
    while left > 0 or again > 0:
        if left > 0:
            images = min(block, left)
            left -= images
        else:
            images = block
            again -= 1
        at, executor = heapq.heappop(free)
        driver = max(driver, at) + args.dispatch_seconds
        seconds = images * args.image_seconds * max(0.2, draw.gauss(1, args.spread)) / speed[executor]
        end = driver + args.task_seconds + seconds
        if retries and draw.random() < retries:
            again += 1  # Lost half-way; another executor computes it.
            end = driver + seconds / 2
        else:
            ends.append(end)
        heapq.heappush(free, (end, executor))
    # The driver merges blocks in their order as they come: it may fall behind.
    merged = 0.0
    for end in sorted(ends):
        merged = max(merged, end) + merge_mb * 1e6 / READ
    return merged


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    for name in ["image", "task", "dispatch"]:
        parser.add_argument(f"--{name}-seconds", type=float, required=True)
    parser.add_argument("--spread", type=float, required=True)
    args = parser.parse_args()
    alone = IMAGES * args.image_seconds
    rows = []
    for executors in [1, 10, 100, 1000]:
        for block in [64, 512, 2048]:
            for merge, slow, retries in [(0, False, 0), (0, True, 0.01), (1, False, 0), (100, False, 0)]:
                seconds = simulate(executors, block, args, merge, slow, retries)
                blocks = -(-IMAGES // block)
                rows.append(f"{executors},{block},{blocks},{merge},{'1 of 100' if slow else 'none'},{retries:g},{seconds:.0f},"
                            f"{alone / seconds / executors:.3f}")
    head = [f"# bench/cluster_simulation.py --image-seconds {args.image_seconds:g} --task-seconds {args.task_seconds:g} "
            f"--dispatch-seconds {args.dispatch_seconds:g} --spread {args.spread:g}: {IMAGES} images, simulated",
            "executors,block_images,blocks,merge_mb_a_block,half_as_fast,lost_blocks,seconds,efficiency"]
    with open(args.out, "w", encoding="utf-8") as file:
        file.write("\n".join(head + rows) + "\n")


main()
