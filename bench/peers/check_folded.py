"""That a checkpoint with a folded edit does in `transformers` and `open_clip` what PyTorch does with a hook of its own.

    python bench/peers/check_folded.py --work /tmp/folded ["./clipsteer"]

Run in the project's root, after a build. On the test suite's small checkpoints: writes edits of neurons at the output of an MLP (set, scale, add) and an
addition at a block's output, exports each with `clipsteer export --to transformers|open_clip`, loads the original and the copy with the library, edits the
original by a forward hook that is written here, and compares unit embeddings of noise. Prints the largest difference of each; exits with 1 above 1e-5.
"""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys

import open_clip
import torch
from transformers import CLIPModel

MODELS = pathlib.Path("engine/src/test/resources/models").resolve()
NEURONS = [3, 17]
LAYER = 1
# Hook point, rule, value of each neuron.
EDITS = [("hook_mlp_out", "set", [2.0, -1.0]), ("hook_mlp_out", "scale", [-3.0, -3.0]), ("hook_mlp_out", "add", [0.5, 0.5]),
         ("hook_resid_post", "add", [0.5, 0.5])]


def edited(y, rule, values):
    y = y.clone()
    v = torch.tensor(values)
    part = y[..., NEURONS]
    y[..., NEURONS] = {"set": v.expand_as(part), "scale": part * v, "add": part + v}[rule]
    return y


def hook(rule, values):
    def run(module, inputs, output):
        if isinstance(output, tuple):
            return (edited(output[0], rule, values), *output[1:])
        return edited(output, rule, values)

    return run


def transformers_model(path):
    model = CLIPModel.from_pretrained(path, dtype=torch.float32).eval()
    block = model.vision_model.encoder.layers[LAYER]

    def embed(pixels):
        out = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        return torch.nn.functional.normalize(out, dim=-1)

    return embed, {"hook_mlp_out": block.mlp, "hook_resid_post": block}, model.config.vision_config.image_size


def open_clip_model(path):
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{path}")
    model.eval()
    block = model.visual.transformer.resblocks[LAYER]
    size = model.visual.image_size
    return (lambda pixels: model.encode_image(pixels, normalize=True),
            {"hook_mlp_out": block.mlp, "hook_resid_post": block}, size[0] if isinstance(size, tuple) else size)


LIBRARIES = [("transformers", "hf-clip-quickgelu", transformers_model), ("open_clip", "open-clip-native", open_clip_model)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("clipsteer", nargs="?", default="./clipsteer")
    args = parser.parse_args()
    worst = 0.0
    print("library,hook_point,rule,largest_difference,moved_by_the_edit")
    for library, name, load in LIBRARIES:
        for at, rule, values in EDITS:
            folder = args.work / f"{library}-{at}-{rule}"
            folder.mkdir(parents=True)
            edit = {"protocol": 3, "model": str(MODELS / name), "model_sha256": "", "hook_point": f"blocks.{LAYER}.{at}",
                    "tokens": "all", "rule": rule, "neurons": [{"id": i, "value": v} for i, v in zip(NEURONS, values)]}
            (folder / "edit.json").write_text(json.dumps(edit))
            words = ["export", "--edit", folder, "--to", library, "--out", folder / "model"]
            subprocess.run([*shlex.split(args.clipsteer), *map(str, words)], check=True, stdout=subprocess.DEVNULL)
            embed, sites, size = load(MODELS / name)
            copy, _, _ = load(folder / "model")
            pixels = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))
            with torch.no_grad():
                plain = embed(pixels)
                handle = sites[at].register_forward_hook(hook(rule, values))
                wanted = embed(pixels)
                handle.remove()
                found = copy(pixels)
            apart = (wanted - found).abs().max().item()
            moved = (wanted - plain).abs().max().item()
            assert moved > 1e-3, "the edit does nothing"
            worst = max(worst, apart)
            print(f"{library},{at},{rule},{apart:.2g},{moved:.2g}")
    sys.exit(worst > 1e-5)


if __name__ == "__main__":
    main()
