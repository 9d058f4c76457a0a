# SPDX-License-Identifier: Apache-2.0
"""Whether steering a feature raises its name, on images that did not name it, computed by PyTorch and transformers.

Before: an index, as in bench/name_bars.py.
Then: python bench/peers/name_steering.py demo names-index demo/images/mixed-train [IMAGES]

Feature j is set to A on every token of each image: x' = x + (A - f_j(x))·sigma(x)·d_j. A is the feature's largest
activation in the index, and the strength of the paper, 150. m(w) is the mean change of a word's probability. `raised`: share
with m > 0 for the feature's word; `chance`: mean share of all words with m > 0 under the same edits. A feature's word is its
name, or (of every eighth feature) the word that the index saw steering raise.
"""
import glob
import json
import math
import subprocess
import sys

import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

BATCH = 32
demo, index, folder = sys.argv[1:4]
count = int(sys.argv[4]) if len(sys.argv) > 4 else 8
model = CLIPModel.from_pretrained(demo + "/model").float().eval()
vision, scale = model.vision_model, model.logit_scale.exp()


def share(hits, n):
    if n == 0:
        return None
    z, p = 1.959963984540054, hits / n
    middle, half, over = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n), 1 + z * z / n
    return {"value": p, "low": (middle - half) / over, "high": (middle + half) / over, "n": n}


def features():
    sql = ("SELECT layer, id, max, name, name_change, CASE WHEN id % 8 = 0 THEN steered END AS word FROM features"
           " WHERE coalesce(name, word) IS NOT NULL")
    done = subprocess.run(["./clipsteer", "features", "--index", index, sql, "--json"], capture_output=True, text=True)
    return json.loads(done.stdout)["rows"]


def unit(output):
    rows = output if torch.is_tensor(output) else output.pooler_output
    return rows / rows.norm(dim=-1, keepdim=True)


def rest(x, layer):
    for block in vision.encoder.layers[layer + 1:]:
        out = block(x, None)
        x = out[0] if isinstance(out, tuple) else out
    return (scale * unit(model.visual_projection(vision.post_layernorm(x[:, 0]))) @ texts.T).softmax(-1)


with torch.no_grad():
    words = open(demo + "/model/words.txt", encoding="utf-8").read().split("\n")
    words = [w for w in words if w]
    tokens = AutoTokenizer.from_pretrained(demo + "/model")(words, padding="max_length", max_length=32, return_tensors="pt")
    texts = unit(model.get_text_features(input_ids=tokens["input_ids"]))
    images = [Image.open(f).convert("RGB") for f in sorted(glob.glob(folder + "/*.png"))[:count]]
    pixels = CLIPImageProcessor.from_pretrained(demo + "/model")(images, return_tensors="pt")["pixel_values"]
    hidden = vision(pixel_values=pixels, output_hidden_states=True).hidden_states
    all_features, result = features(), {"images": len(images), "strengths": {}}
    for strength in ("max", 150):
        layers = result["strengths"][str(strength)] = []
        for layer in sorted({f[0] for f in all_features}):
            sae = load_file(glob.glob(f"{demo}/run/saes/blocks.{layer}.hook_resid_post.*/sae_weights.safetensors")[0])
            x = hidden[layer + 1]
            sigma = x.std(-1, keepdim=True) + 1e-5
            p = ((x - x.mean(-1, keepdim=True)) / sigma - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]
            f = torch.where(p > sae["threshold"], p, torch.zeros(()))
            before, counts = rest(x, layer), {kind: [0, 0, 0.0] for kind in ("name", "name, not contradicted", "steered")}
            own = [r for r in all_features if r[0] == layer]
            for part in (own[at:at + BATCH] for at in range(0, len(own), BATCH)):
                edited = [x + ((r[2] if strength == "max" else strength) - f[..., r[1]:r[1] + 1]) * sigma * sae["W_dec"][r[1]]
                          for r in part]
                after = rest(torch.cat(edited), layer).reshape(len(part), len(images), -1)
                for (_, _, _, name, change, steered), m in zip(part, (after - before).mean(1)):
                    chance = (m > 0).float().mean().item()
                    kinds = {"name": name, "name, not contradicted": name if name and change >= 0 else None,
                             "steered": steered}
                    for kind, word in kinds.items():
                        if word:
                            tally = counts[kind]
                            tally[0] += m[words.index(word)].item() > 0
                            tally[1] += 1
                            tally[2] += chance
            layers.append({"layer": layer} | {kind: {"raised": share(hits, n), "chance": total / n if n else None}
                                              for kind, (hits, n, total) in counts.items()})
print(json.dumps(result, indent=1))
