"""Applies the clipsteer edit beside this file to a CLIP image tower. Needs torch and safetensors.

    from @NAME@ import attach
    handle = attach(model)   # transformers: CLIPModel, CLIPVisionModelWithProjection; or open_clip
    ...                      # embed images as ever; handle.remove() takes the edit away

In half precision, which from_pretrained takes where a checkpoint is stored so, embeddings have that precision only: dtype=torch.float32.
"""

import os

import torch
from safetensors import safe_open

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "@FILE@")


def attach(model, file=FILE):
    with safe_open(file, "pt") as stored:
        notes = stored.metadata()
        weights = {name: stored.get_tensor(name) for name in stored.keys()}
    layer, site = notes["hook_point"].split(".")[1:]
    prefix = int(notes["prefix_tokens"])
    start, stop = {"ALL": (0, None), "CLS": (0, 1), "PATCHES": (prefix, None)}[notes["tokens"]]
    batch_first = True
    if hasattr(model, "vision_model"):
        block = model.vision_model.encoder.layers[int(layer)]
    else:
        transformer = getattr(model, "visual", model).transformer
        batch_first = getattr(transformer, "batch_first", False)
        block = transformer.resblocks[int(layer)]

    def hook(module, inputs, output):
        x = output[0] if isinstance(output, tuple) else output
        x = x.clone() if batch_first else x.transpose(0, 1).clone()
        w = {name: tensor.to(x.device) for name, tensor in weights.items()}
        z, sigma = x[:, start:stop].float(), 1.0
        if notes["normalisation"] == "layer_norm":
            sigma = z.std(-1, keepdim=True)
            z = (z - z.mean(-1, keepdim=True)) / (sigma + 1e-5)
        p = z @ w["encoder"] + w["bias"]
        active = torch.where(p > w["thresholds"], p, torch.zeros_like(p))
        moved = w["values"] - active
        if notes["version"] == "2":  # values are caps: what is below them stays
            moved = moved.clamp(max=0)
        x[:, start:stop] += ((moved * sigma) @ w["decoder"]).to(x.dtype)
        x = x if batch_first else x.transpose(0, 1)
        return (x, *output[1:]) if isinstance(output, tuple) else x

    return (block.mlp if site == "hook_mlp_out" else block).register_forward_hook(hook)
