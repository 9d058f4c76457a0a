# SPDX-License-Identifier: Apache-2.0
"""What transformers' DINOv3 processor makes of 50 images of odd sizes: it rescales, then resizes floats.

    python make_float_resize_golden.py --out ../../data/src/test/resources/images/float-resize.jsonl

Images: x 0..w-1, y 0..h-1: red 7x + 3y, green 11y + x*x, blue xy, each modulo 256. A line an image: its size, the target, the
filter (PIL's number) and every n-th of the result's numbers. Made with torch 2.15.0, torchvision 0.29.2, transformers 5.24.0.
"""

import argparse
import json
import pathlib
import random

import numpy as np
import torch
from PIL import Image
from transformers import DINOv3ViTImageProcessor

STEP = 37


def image(w, h):
    y, x = np.mgrid[0:h, 0:w]
    return Image.fromarray(np.stack([(7 * x + 3 * y) % 256, (11 * y + x * x) % 256, (x * y) % 256], -1).astype(np.uint8))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(28)
    lines = []
    for i in range(50):
        w, h = rng.choice([(rng.randrange(1, 9), rng.randrange(1, 300)), (rng.randrange(9, 260), rng.randrange(9, 260)), (96, 32), (33, 99)])
        tw, th = rng.choice([(32, 32), (48, 48), (w, 32), (17, 23)])
        resample = rng.choice([2, 2, 3])
        processor = DINOv3ViTImageProcessor(size={"height": th, "width": tw}, resample=resample)
        made = processor(image(w, h), return_tensors="pt")["pixel_values"][0]
        assert made.shape == (3, th, tw), made.shape
        lines.append(json.dumps({"w": w, "h": h, "tw": tw, "th": th, "resample": resample,
                                 "some": [float(f"{v:.8g}") for v in made.flatten()[::STEP].tolist()]}, separators=(",", ":")))
    args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
