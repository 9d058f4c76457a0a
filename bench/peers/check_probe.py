# SPDX-License-Identifier: Apache-2.0
"""A segmentation head of `probe train` beside PyTorch's AdamW head, and our scores beside plain numpy.

python bench/peers/check_probe.py MODEL CAMVID PROBE > bench/results/probe_camvid.json

MODEL: a DINOv2 folder of transformers. CAMVID: train/ and validation/ with images/ and masks/, classes.txt; value 11 is no class. PROBE: made by
  ./clipsteer probe train --model MODEL --data segmentation:CAMVID:train --test segmentation:CAMVID:validation --ignore 11 --squash --out PROBE --json

Images are squashed to 224 x 224 by PIL; features are transformers' normalised patch tokens; a patch has its commonest pixel label, of equal ones the lower. The AdamW head is the second paper's
(arXiv 2502.06755): 400 epochs of batches of 1,024 patches; the best of 4 rates and 2 decays on a fifth of the training images, then fitted again on all. Logits are upsampled bilinearly.
"""
import json
import pathlib
import sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModel

SIDE, PATCH, NONE = 224, 14, 11
GRID = SIDE // PATCH


def read(model, processor, folder):
    mean, std = torch.tensor(processor.image_mean), torch.tensor(processor.image_std)
    features, labels, masks = [], [], []
    for file in sorted((folder / "images").iterdir()):
        image = Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.BICUBIC)
        pixels = (torch.from_numpy(np.array(image)).float() / 255 - mean) / std
        with torch.no_grad():
            features.append(model(pixels.permute(2, 0, 1)[None]).last_hidden_state[0, 1:])
        mask = np.array(Image.open(folder / "masks" / (file.stem + ".png")).resize((SIDE, SIDE), Image.NEAREST))
        blocks = mask.reshape(GRID, PATCH, GRID, PATCH).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)
        labels.append([np.bincount(b, minlength=256).argmax() for b in blocks])
        masks.append(mask)
    return torch.stack(features), torch.tensor(np.array(labels)), np.array(masks)


def score(weight, bias, features, masks, classes):
    right, truth, answered = np.zeros(classes), np.zeros(classes), np.zeros(classes)
    for x, mask in zip(features, masks):
        logits = (x @ weight.T + bias).T.reshape(1, classes, GRID, GRID)
        answer = torch.nn.functional.interpolate(logits, (SIDE, SIDE), mode="bilinear", align_corners=False).argmax(1)[0].numpy()
        known = mask != NONE
        for c in range(classes):
            truth[c] += (mask[known] == c).sum()
            answered[c] += (answer[known] == c).sum()
            right[c] += ((mask == c) & (answer == c)).sum()
    iou = right / (truth + answered - right)
    return {"miou": float(iou[truth > 0].mean()), "pixel_accuracy": float(right.sum() / truth.sum())}


def fit(x, y, classes, rate, decay, epochs=400):
    torch.manual_seed(0)
    head = torch.nn.Linear(x.shape[1], classes)
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=decay)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(1024):
            loss = torch.nn.functional.cross_entropy(head(x[batch]), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return head.weight.detach(), head.bias.detach()


def main():
    path, camvid, probe = map(pathlib.Path, sys.argv[1:])
    classes = len((camvid / "classes.txt").read_text().split())
    model, processor = AutoModel.from_pretrained(path).eval(), AutoImageProcessor.from_pretrained(path)
    x, y, _ = read(model, processor, camvid / "train")
    tx, _, masks = read(model, processor, camvid / "validation")
    ours = load_file(probe / "probe.safetensors")
    result = {"command": "python bench/peers/check_probe.py MODEL CAMVID PROBE", "numpy_scores_of_our_head": score(ours["weight"], ours["bias"], tx, masks, classes)}
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    held, own = order[: len(x) // 5], order[len(x) // 5 :]
    rows = lambda which: (x[which].reshape(-1, x.shape[2])[(y[which] != NONE).reshape(-1)], y[which].reshape(-1)[(y[which] != NONE).reshape(-1)])
    tried = {}
    for rate in (1e-4, 3e-4, 1e-3, 3e-3):
        for decay in (1e-3, 1e-1):
            weight, bias = fit(*rows(own), classes, rate, decay, 100)
            hx, hy = rows(held)
            tried[rate, decay] = float(torch.nn.functional.cross_entropy(hx @ weight.T + bias, hy))
    rate, decay = min(tried, key=tried.get)
    weight, bias = fit(*rows(torch.arange(len(x))), classes, rate, decay)
    result["adamw"] = {"rate": rate, "decay": decay, **score(weight, bias, tx, masks, classes)}
    print(json.dumps(result, indent=2))


main()
