# SPDX-License-Identifier: Apache-2.0
"""What open_clip and timm make of thousands of changed configurations and tensor sets.

    python make_config_mutations.py --models ../../engine/src/test/resources/models \\
        --out ../../engine/src/test/resources/mutations.jsonl.gz

Each row of the file: {"folder", "edits", "outcome"}. An edit is {"at": "model_cfg/vision_cfg/width", "set": 32}, the same
with "drop" or "rename", or {"tensor": name} with "drop", "rename" or "add" (a shape; the values are 0.5). The outcome is
"raises" (numbers that are not finite among them), or {"image": [3 numbers], "text": [3 numbers]}: of the golden input's first image and text, the first three
numbers of the unit embedding (of the pooled vector, brought to unit length, where there is no projection).
Where two edits together raise, "alone" holds the outcome of each alone: one of them may only have been of a wrong type.

With --recent the folders are those of Perception Encoder, DINOv3, EVA-02, SigLIP and CLIPA (make_recent_golden.py); tensors are also transposed
("transpose").

The libraries are asked as a user asks them: open_clip.create_model("local-dir:…") and timm.create_model("local-dir:…",
pretrained=True). Everything is a function of the seed. Made with torch 2.15.0, open_clip_torch 3.3.0, timm 1.0.31.
"""

import argparse
import copy
import dataclasses
import gzip
import inspect
import json
import logging
import os
import pathlib
import random
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"  # a changed name must not be looked for elsewhere

import open_clip  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from timm.models.eva import Eva  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

SEED = 20261130
ANY = [None, True, False, 0, 1, 2, 3, -1, 0.5, 0.01, "", "none", "default", [], {}, [1, 2], "foo"]
MEANT = {
    "pool_type": ["tok", "avg", "none", "argmax", "eos", "first", "last"], "timm_pool": ["", "avg", "token", "map", "max", None],
    "timm_proj": ["", "linear", "mlp", "none", None], "global_pool": ["", "avg", "token", "max", "avgmax", "map"],
    "act_kwargs": [{"approximate": "tanh"}, {"approximate": "none"}, {"approximate": "erf"}, {"inplace": True}, {}, None],
    "norm_kwargs": [{"eps": 0.01}, {"eps": 1e-3, "bias": True}, {"bias": False}, {"elementwise_affine": False}, {}, None,
                    {"epsilon": 1e-3}],
    "block_type": ["default", "custom", "foo", None], "act_layer": ["gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "", None],
    "norm_layer": ["layernorm", "LayerNorm", "layer_norm", "rmsnorm", "layernormfp32", "", None],
    "pos_embed_type": ["learnable", "sin_cos_2d", "none"], "pos_embed": ["learn", "none", ""], "proj_type": ["linear", "none", "mlp"],
    "init_values": [1e-5, 0, None], "ls_init_value": [1e-5, 0, None], "mlp_ratio": [2, 2.0, 4, 1.99, 2.03, "2"],
    "norm_eps": [1e-3], "eos_id": [0, 1, 2, 5, 95, 96, -1, None], "pad_id": [0, 1, 95], "fc_norm": [True, False, None],
    "timm_model_name": ["test_vit2", "vit_tiny_patch16_224", "vit_foo", "", None, "eva02_tiny_patch14_224", "resnet18"],
    "architecture": ["vit_small_patch16_224", "vit_base_patch16_clip_224", "vit_base_patch16_clip_quickgelu_224", "vit_foo",
                     "deit_tiny_patch16_224", "vit_base_patch16_siglip_224", "vit_huge_patch14_224", "eva02_tiny_patch14_224",
                     "vit_tiny_patch16_384", "vit_medium_patch16_reg4_256", "deit3_small_patch16_224", "vit_base_mci_224"],
    "head_width": [8, 16, 32, 64, 48, 128], "heads": [1, 2, 4, 8, 3, 16], "num_heads": [1, 2, 4, 8, 3, 16, 32],
    "image_size": [32, [32, 32], [32, 40], 40, 33, 24], "img_size": [32, [32, 32], [32, 40], 40, 33, 24],
    "attentional_pool": [True, "parallel", "cascade", "", 0, None], "vocab_size": [96, 95, 97],
    "hf_model_name": ["roberta-base", "", None], "patch_size": [8, [8, 8], [8, 4], 16, 4],
    "fixed_input_size": [True, False], "input_size": [[3, 32, 32], [3, 40, 40], [1, 32, 32], [3, 32], 32, None],
    "tokenizer_kwargs": [{"clean": "lower"}, {"clean": "foo"}, {}], "multimodal_cfg": [{}, None, {"context_length": 16}],
    "quick_gelu": [True, False, None, 1], "custom_text": [True, False, None], "no_causal_mask": [True, False, None],
    "dynamic_img_size": [True, False, None], "use_naflex": [True, False], "reg_tokens": [0, 1, 4], "in_chans": [1, 3, 4],
    "attn_type": ["eva", "rope", "foo", None], "rope_type": ["cat", "dinov3", "mixed", "foo", None], "rope_temperature": [50.0, 100.0, 1e4, None],
    "rope_grid_indexing": ["ij", "xy", "foo", None], "rope_grid_offset": [0.0, 1.0, 0.5], "ref_feat_shape": [[4, 4], [16, 16], 4, None],
    "attn_pool_num_heads": [1, 4, 8, 3, None], "attn_pool_mlp_ratio": [1.5, 2.0, None], "swiglu_align_to": [0, 8, 64], "num_reg_tokens": [0, 1, 4],
    "use_fc_norm": [True, False, None], "use_post_transformer_norm": [True, False, None],
    "init_logit_bias": [-10, 0, None], "nonscalar_logit_scale": [True, False], "depth": [1, 2, 3, 4], "layers": [1, 2, 3],
}


def put(place, value):
    return {"at": place, "set": value}


def moved(name, other):
    return {"tensor": name, "rename": other}


def added(name, n):
    return {"tensor": name, "add": [n]}


TRANSPOSED = False  # set by --recent: the other rows stay as they are


def lost(*names):
    return [{"tensor": n, "drop": True} for n in names]


V, T, A = "model_cfg/vision_cfg/", "model_cfg/text_cfg/", "model_args/"
TRUNK_HEAD = [moved("visual.head.proj.weight", "visual.trunk.head.weight"), added("visual.trunk.head.bias", 20)]
FC_NORM = [moved(f"visual.trunk.norm.{k}", f"visual.trunk.fc_norm.{k}") for k in ("weight", "bias")]
OWN_FC_NORM = [moved(f"norm.{k}", f"fc_norm.{k}") for k in ("weight", "bias")]
PRE_NORM = [added("norm_pre.weight", 32), added("norm_pre.bias", 32), *lost("patch_embed.proj.bias")]
GAMMAS = [added(f"visual.transformer.resblocks.{i}.ls_{j}.gamma", 64) for i in range(2) for j in (1, 2)]
TEXT_GAMMAS = [added(f"transformer.resblocks.{i}.ls_{j}.gamma", 16) for i in range(2) for j in (1, 2)]
OWN_GAMMAS = [added(f"blocks.{i}.ls{j}.gamma", 32) for i in range(3) for j in (1, 2)]
LN_PRE = lost("visual.ln_pre.weight", "visual.ln_pre.bias")
CLIP_NAME = [put("architecture", "vit_base_patch16_clip_224"), *PRE_NORM]
# Changes whose parts only make sense together.
CHOSEN = {
    "open-clip-timm": [
        [put(V + "timm_proj", None), *TRUNK_HEAD], [put(V + "timm_proj", ""), *TRUNK_HEAD],
        [put(V + "timm_proj", None), put(V + "timm_pool", "avg"), *TRUNK_HEAD],
        [put(V + "timm_proj", None), put(V + "timm_pool", "avg"), *TRUNK_HEAD, *FC_NORM],
        [put(V + "timm_proj", ""), put(V + "timm_pool", None), *TRUNK_HEAD],
        [put(V + "timm_proj", ""), put(V + "timm_pool", ""), *TRUNK_HEAD],
        [put(V + "timm_proj", "none"), *lost("visual.head.proj.weight")],
        [put(V + "timm_proj", "none"), put(V + "timm_pool", "avg"), *lost("visual.head.proj.weight"), *FC_NORM],
        [put(V + "timm_pool", "avg")], [put(V + "timm_pool", None)], [put(V + "timm_pool", "")],
        [put(V + "timm_pool", "avg"), *FC_NORM],
        [put(V + "timm_proj_bias", True), added("visual.head.proj.bias", 20)],
        [put(V + "timm_proj", None), *TRUNK_HEAD, *lost("visual.trunk.head.bias")],
        TRUNK_HEAD, [added("visual.trunk.head.bias", 20)]],
    "open-clip-native": [
        [put(V + "no_ln_pre", True), *LN_PRE], LN_PRE,
        [put(V + "pool_type", "avg"), put(V + "final_ln_after_pool", True)],
        [put(V + "ls_init_value", 0.1), *GAMMAS], GAMMAS, [put(V + "ls_init_value", 0.1), *GAMMAS[:3]],
        [put(T + "ls_init_value", 0.1), *TEXT_GAMMAS], TEXT_GAMMAS,
        [put(T + "proj_type", "none"), *lost("text_projection")],
        [put("model_cfg/quick_gelu", False), put(V + "act_kwargs", {"approximate": "tanh"})],
        [put("model_cfg/quick_gelu", False), put(T + "act_kwargs", {"approximate": "tanh"})],
        [put(T + "pool_type", "eos"), put(T + "eos_id", 95)], [put(T + "pool_type", "eos")],
        [put("model_cfg/init_logit_bias", -10), added("logit_bias", 1)], [added("logit_bias", 1)],
        [put(V + "norm_kwargs", {"eps": 0.1}), put(T + "norm_kwargs", {"eps": 0.2})],
        [put(T + "hf_model_name", ""), put("model_cfg/custom_text", True)]],
    "timm-vit": [
        [put(A + "global_pool", "avg"), put("global_pool", "avg"), *OWN_FC_NORM],
        [put("pretrained_cfg/global_pool", "avg"), put("global_pool", "avg"), *OWN_FC_NORM],
        [put("global_pool", "avg"), *OWN_FC_NORM], [put("global_pool", "avg")],
        [put(A + "global_pool", "avg"), put(A + "fc_norm", False), put("global_pool", "avg")],
        [put(A + "fc_norm", True), *OWN_FC_NORM],
        [put(A + "init_values", 0.1), *OWN_GAMMAS], OWN_GAMMAS, [put(A + "init_values", 0), *OWN_GAMMAS],
        [put(A + "pre_norm", True), *PRE_NORM], PRE_NORM,
        [put(A + "qkv_bias", False), *lost(*(f"blocks.{i}.attn.qkv.bias" for i in range(3)))],
        CLIP_NAME, [*CLIP_NAME, put(A + "norm_layer", "layernorm")],
        [put("architecture", "vit_base_patch16_clip_quickgelu_224"), *PRE_NORM],
        [put("architecture", "vit_base_patch16_siglip_gap_224")],
        [put("architecture", "vit_small_patch14_dinov2"), *OWN_GAMMAS],
        [put("architecture", "vit_huge_patch14_224"), put(A + "num_heads", 4)]],
    "timm-deit-distilled": [
        [put("architecture", "deit_tiny_patch16_224")], [put(A + "act_layer", "quick_gelu"), put(A + "num_heads", 1)],
        [put("architecture", "deit_base_distilled_patch16_384")]],
}
FLAGS = ("qk_norm scaled_cosine_attn scale_heads scale_attn_inner scale_attn scale_fc output_tokens no_ln_pre "
         "final_ln_after_pool embed_cls proj_bias timm_proj_bias qkv_bias class_token no_embed_class pre_norm final_norm "
         "pool_include_prefix scale_attn_norm scale_mlp_norm dynamic_img_pad fix_init output_dict qkv_fused swiglu_mlp scale_mlp "
         "use_abs_pos_emb use_rot_pos_emb rope_rotate_half use_pre_transformer_norm use_post_norm attn_only_layer_scale").split()
for flag in FLAGS:
    MEANT[flag] = [True, False, None]


def fields(folder, config, kind):
    """Every place of a configuration, those that are there and those that the library's classes know."""
    places = [(key,) for key in config] + [("foo",)]
    if "model_cfg" in config:
        clip = [n for n in inspect.signature(CLIP.__init__).parameters if n not in ("self", "cast_dtype")]
        places += [("model_cfg", n) for n in [*clip, "custom_text", "multimodal_cfg", "foo"]]
        places += [("model_cfg", "vision_cfg", f.name) for f in dataclasses.fields(CLIPVisionCfg)]
        places += [("model_cfg", "text_cfg", f.name) for f in dataclasses.fields(CLIPTextCfg)]
        places += [("model_cfg", "vision_cfg", "foo"), ("model_cfg", "text_cfg", "foo")]
    else:
        args = [n for n in inspect.signature(kind.__init__).parameters if n not in ("self", "device", "dtype")]
        places += [("model_args", n) for n in [*args, "use_naflex", "foo"]]
        places += [("pretrained_cfg", n) for n in ("input_size", "fixed_input_size", "global_pool")]
    return [p for p in places if p[0] != "preprocess_cfg"]


def at(config, place):
    node = config
    for key in place[:-1]:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None


def edit(rng, places, config, tensors):
    if rng.random() < 0.06:
        name = rng.choice(sorted(tensors))
        kind = rng.random()
        if TRANSPOSED and kind < 0.3 and tensors[name].ndim == 2:
            return {"tensor": name, "transpose": True}
        if kind < 0.5:
            return {"tensor": name, "drop": True}
        if kind < 0.8:
            return {"tensor": name, "rename": name + rng.choice(["x", ".y", "_z"])}
        return {"tensor": rng.choice(["foo.weight", "logit_bias", name + "2", "visual.trunk.head.weight", "fc_norm.weight"]),
                "add": [rng.choice([1, 4, 64])]}
    place = rng.choice(places)
    name, node = place[-1], at(config, place)
    if node is None:
        return None
    here = name in node
    if here and rng.random() < 0.15:
        return {"at": "/".join(place), "drop": True}
    if here and rng.random() < 0.1:
        return {"at": "/".join(place), "rename": rng.choice([name + "_", name.upper(), name[:-1], "foo"])}
    values = MEANT.get(name, ANY) if rng.random() < 0.8 else ANY
    old = node.get(name)
    if here and isinstance(old, (int, float)) and not isinstance(old, bool) and rng.random() < 0.5:
        values = [old, old * 2, old + 1, old // 2, float(old), str(old), [old], [old, old], -old]
    return {"at": "/".join(place), "set": rng.choice(values)}


def apply(config, tensors, edits):
    for e in edits:
        if "tensor" in e:
            if e.get("drop"):
                tensors.pop(e["tensor"], None)
            elif "transpose" in e and e["tensor"] in tensors:
                tensors[e["tensor"]] = tensors[e["tensor"]].T.contiguous()
            elif "rename" in e and e["tensor"] in tensors:
                tensors[e["rename"]] = tensors.pop(e["tensor"])
            elif "add" in e:
                tensors[e["tensor"]] = torch.full(e["add"], 0.5)
            continue
        place = tuple(e["at"].split("/"))
        node = at(config, place)
        if node is None:
            continue
        if e.get("drop"):
            node.pop(place[-1], None)
        elif "rename" in e:
            if place[-1] in node:
                node[e["rename"]] = node.pop(place[-1])
        else:
            node[place[-1]] = e["set"]


def unit3(x):
    x = x[0].double()
    assert x.isfinite().all()
    return [round(v, 6) for v in (x / x.norm()).tolist()[:3]]


@torch.no_grad()
def outcome(folder, golden):
    try:
        if (folder / "open_clip_config.json").is_file():
            model = open_clip.create_model(f"local-dir:{folder}", precision="fp32").eval()
            image = model.encode_image(golden["input"][:1])
            text = model.encode_text(golden["input_ids"][:1].long())
            assert image.shape == (1, image.shape[-1]) and text.shape == (1, text.shape[-1])
            return {"image": unit3(image), "text": unit3(text)}
        model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        pooled = model.forward_head(model.forward_features(golden["input"][:1]), pre_logits=True)
        assert pooled.ndim == 2
        return {"image": unit3(pooled)}
    except Exception:  # noqa: BLE001
        return "raises"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--recent", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rng = random.Random(SEED)
    counts = {"open-clip-native": 5500, "open-clip-timm": 500, "timm-vit": 3500, "timm-deit-distilled": 800}
    if args.recent:
        global TRANSPOSED
        TRANSPOSED = True
        counts = {"timm-pe-core": 450, "timm-dinov3": 450, "timm-eva02": 450, "timm-siglip": 300, "open-clip-clipa": 350}
    rows, seen = [], set()
    for name, count in counts.items():
        source = args.models / name
        clip = (source / "open_clip_config.json").is_file()
        config_file = "open_clip_config.json" if clip else "config.json"
        weights_file = "open_clip_model.safetensors" if clip else "model.safetensors"
        config = json.loads((source / config_file).read_text())
        tensors = load_file(source / weights_file)
        golden = load_file(source / "golden.safetensors")
        places = fields(source, config, Eva if args.recent and name != "timm-siglip" else VisionTransformer)
        tally = {"raises": 0, "loads": 0}
        with tempfile.TemporaryDirectory() as temp:
            folder = pathlib.Path(temp)
            done, stored = 0, None
            chosen = list(CHOSEN.get(name, []))
            while done < count or chosen:
                edits = chosen.pop() if done >= count else [] if done == 0 else [e for e in (edit(rng, places, config, tensors)
                                                          for _ in range(1 if rng.random() < 0.85 else 2)) if e]
                key = name + json.dumps(edits)
                if (done and not edits) or key in seen:
                    continue
                seen.add(key)
                changed, parts = copy.deepcopy(config), dict(tensors)
                apply(changed, parts, edits)
                (folder / config_file).write_text(json.dumps(changed))
                if stored != list(parts) or any("tensor" in e for e in edits):
                    save_file(parts, folder / weights_file, {"format": "pt"})
                    stored = None if any("transpose" in e for e in edits) else list(parts)
                result = outcome(folder, golden)
                row = {"folder": name, "edits": edits, "outcome": result}
                if result == "raises" and len(edits) == 2:
                    row["alone"] = []
                    for one in edits:
                        changed, parts = copy.deepcopy(config), dict(tensors)
                        apply(changed, parts, [one])
                        (folder / config_file).write_text(json.dumps(changed))
                        save_file(parts, folder / weights_file, {"format": "pt"})
                        row["alone"].append(outcome(folder, golden))
                    stored = None
                tally["raises" if result == "raises" else "loads"] += 1
                rows.append(json.dumps(row))
                done += 1
                if done % 500 == 0:
                    print(name, done, tally, flush=True)
        print(name, tally, flush=True)
    with open(args.out, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        out.write(("\n".join(rows) + "\n").encode("ascii"))
    print(len(rows), "rows,", args.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
