"""Applies the clipsteer edit beside this file to a CLIP image tower. Needs torch and safetensors.

    from @NAME@ import attach
    handle = attach(model)   # a model or image tower of transformers or open_clip (timm trunks too)
    ...                      # embed images as ever; handle.remove() takes the edit away

In half precision, which from_pretrained takes where a checkpoint is stored so, embeddings have that precision only: dtype=torch.float32.
"""

import os

import torch
from safetensors import safe_open

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "@FILE@")
BLOCKS = ("vision_model.encoder.layers", "visual.trunk.blocks", "visual.transformer.resblocks", "trunk.blocks",
          "transformer.resblocks", "encoder.layers", "encoder.layer", "blocks", "model.layer", "layer")
MLPS = ("layer_scale2", "ls_2", "ls2", "mlp")  # what is added to the residual: behind LayerScale, where there is one


def _find(module, paths):
    for path in paths:
        try:
            return module.get_submodule(path), path
        except AttributeError:
            continue
    raise ValueError(f"{type(module).__name__} has none of {', '.join(paths)}")


def attach(model, file=FILE):
    with safe_open(file, "pt") as stored:
        notes = stored.metadata()
        weights = {name: stored.get_tensor(name) for name in stored.keys()}
    layer, site = notes["hook_point"].split(".")[1:]
    prefix, k, rule = int(notes["prefix_tokens"]), int(notes["top_k"]), notes["rule"]
    start, stop = {"ALL": (0, None), "CLS": (0, 1), "PATCHES": (prefix, None)}[notes["tokens"]]
    blocks, path = _find(model, BLOCKS)
    batch_first = True
    if path.endswith("resblocks"):
        batch_first = getattr(_find(model, [path.rpartition(".")[0]])[0], "batch_first", False)

    block = blocks[int(layer)]
    mlp = site == "hook_mlp_out"
    gamma = getattr(block, "gamma_2", None) if mlp else None  # timm's Eva scales what its mlp gives, outside any module

    def hook(module, inputs, output):
        x = output[0] if isinstance(output, tuple) else output
        x = x.clone() if batch_first else x.transpose(0, 1).clone()
        if gamma is not None:
            x *= gamma
        w = {name: tensor.to(x.device) for name, tensor in weights.items()}
        z, sigma = x[:, start:stop].float(), 1.0
        if notes["normalisation"] == "layer_norm":
            sigma = z.std(-1, keepdim=True)
            z = (z - z.mean(-1, keepdim=True)) / (sigma + 1e-5)
        p = z @ w["encoder"] + w["bias"]
        if k:  # all features compete; the k largest are active
            least = p.topk(k, -1).values[..., -1:]
            p = p[..., w["units"]]
            active = torch.where(p >= least, p, torch.zeros_like(p)).clamp(min=0)
        else:
            active = torch.where(p > w["thresholds"], p, torch.zeros_like(p))
        moved = {"set": w["values"] - active, "cap": (w["values"] - active).clamp(max=0),
                 "scale": (w["values"] - 1) * active, "add": w["values"].expand_as(active)}[rule]
        x[:, start:stop] += ((moved * sigma) @ w["decoder"]).to(x.dtype)
        if gamma is not None:
            x /= gamma
        x = x if batch_first else x.transpose(0, 1)
        return (x, *output[1:]) if isinstance(output, tuple) else x

    return (_find(block, MLPS)[0] if mlp else block).register_forward_hook(hook)
