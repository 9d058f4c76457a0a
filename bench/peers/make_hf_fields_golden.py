# SPDX-License-Identifier: Apache-2.0
"""Writes what transformers makes of tiny models, of their configurations changed field by field, and of image processors.

    python make_hf_fields_golden.py --models engine/src/test/resources/hf --processors data/src/test/resources/images/processors.jsonl

--models gets a folder for each class and scheme of names (`-old`: as the hub's files, `-new`: transformers 5's own) with
`golden.safetensors`: the images and ids given and what the class gives for them; `mutations.jsonl`: a changed
configuration a line, with "raises", or the first numbers of the result; `defaults.json`: each configuration class's defaults.
--processors is a configuration a line with "raises", or some pixels that the PIL processor makes of the image described there.

All weights are random. Made with torch 2.15.0, transformers 5.24.0, pillow 13.0.0.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import shutil
import tempfile
import zlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers as t  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

t.utils.logging.disable_progress_bar()
VISION = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=8, patch_size=4)
DINO = {k: v for k, v in VISION.items() if k != "intermediate_size"} | {"mlp_ratio": 2}
TEXT = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=20,
            max_position_embeddings=6, eos_token_id=19, bos_token_id=18, pad_token_id=1)
CLIP = dict(vision_config=VISION, text_config=TEXT, projection_dim=4)
SIGLIP_TEXT = {k: v for k, v in TEXT.items() if not k.endswith("_token_id")}
METACLIP2 = dict(vision_config=VISION, text_config={**TEXT, "eos_token_id": 2, "bos_token_id": 0}, projection_dim=4)
DINO3 = VISION | {"num_register_tokens": 2}
CLASSES = {
    "clip": ("CLIPModel", "CLIPConfig", CLIP), "clip-classifier": ("CLIPForImageClassification", "CLIPConfig", CLIP),
    "clip-vision": ("CLIPVisionModel", "CLIPVisionConfig", VISION),
    "clip-vision-projection": ("CLIPVisionModelWithProjection", "CLIPVisionConfig", VISION | {"projection_dim": 4}),
    "vit": ("ViTModel", "ViTConfig", VISION), "vit-classifier": ("ViTForImageClassification", "ViTConfig", VISION),
    "vit-masked": ("ViTForMaskedImageModeling", "ViTConfig", VISION | {"encoder_stride": 4}),
    "deit": ("DeiTModel", "DeiTConfig", VISION), "deit-classifier": ("DeiTForImageClassification", "DeiTConfig", VISION),
    "deit-teacher": ("DeiTForImageClassificationWithTeacher", "DeiTConfig", VISION),
    "dinov2": ("Dinov2Model", "Dinov2Config", DINO),
    "dinov2-swiglu": ("Dinov2ForImageClassification", "Dinov2Config", DINO | {"use_swiglu_ffn": True}),
    "dinov2-no-mask": ("Dinov2Model", "Dinov2Config", DINO | {"use_mask_token": False, "qkv_bias": False}),
    "dinov2-registers": ("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", DINO | {"num_register_tokens": 2}),
    "siglip": ("SiglipModel", "SiglipConfig", dict(vision_config=VISION, text_config=SIGLIP_TEXT)),
    "siglip-vision": ("SiglipVisionModel", "SiglipVisionConfig", VISION),
    "dinov3": ("DINOv3ViTModel", "DINOv3ViTConfig", DINO3),
    "dinov3-gated": ("DINOv3ViTModel", "DINOv3ViTConfig", DINO3 | {"use_gated_mlp": True, "hidden_act": "silu"}),
    "metaclip-2": ("MetaClip2Model", "MetaClip2Config", METACLIP2),
}
MUTATED = ("clip", "clip-vision-projection", "vit", "deit", "dinov2", "dinov2-swiglu", "dinov2-registers",
           "siglip", "siglip-vision", "dinov3", "dinov3-gated", "metaclip-2")
PIXELS = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32))
IDS = torch.tensor([[18, 3, 19, 1, 1, 1], [18, 7, 4, 2, 5, 19]])


@torch.no_grad()
def randomise(model, name):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for key, p in model.named_parameters():
        draw = torch.from_numpy(rng.standard_normal(tuple(p.shape), dtype=np.float32))
        norm = "norm" in key and key.endswith("weight") or "lambda" in key
        p.copy_((1 if norm else 0) + 0.3 * draw.reshape(p.shape))
    return model.eval()


@torch.no_grad()
def result(model, name):
    """What clipsteer calls the embedding: unit vectors of the images, and of the texts where there is a text tower."""
    unit = torch.nn.functional.normalize
    if name in ("clip", "siglip", "metaclip-2"):
        out = model(pixel_values=PIXELS, input_ids=IDS)
        return {"image": unit(out.image_embeds, dim=-1), "text": unit(out.text_embeds, dim=-1)}
    if name == "siglip-vision" or name.startswith("dinov3"):
        return {"image": unit(model(pixel_values=PIXELS).pooler_output, dim=-1)}
    if name.startswith("clip-vision"):
        out = model(pixel_values=PIXELS)
        return {"image": unit(out.image_embeds if "projection" in name else out.pooler_output, dim=-1)}
    if name == "clip-classifier":
        return {"image": unit(model.vision_model(pixel_values=PIXELS).pooler_output, dim=-1)}
    base = getattr(model, model.base_model_prefix, model)
    return {"image": unit(base(pixel_values=PIXELS).last_hidden_state[:, 0], dim=-1)}


def make_models(out):
    shutil.rmtree(out, ignore_errors=True)
    for name, (model_class, config_class, kwargs) in CLASSES.items():
        model = randomise(getattr(t, model_class)(getattr(t, config_class)(**kwargs)), name)
        for scheme in ("old", "new"):
            folder = out / f"{name}-{scheme}"
            model.save_pretrained(folder, save_original_format=scheme == "old")
            loaded, info = getattr(t, model_class).from_pretrained(folder, output_loading_info=True)
            assert not info["missing_keys"] and not info["unexpected_keys"], info
            given = {"pixels": PIXELS, "ids": IDS, **result(loaded.eval(), name)}
            save_file({k: v.contiguous() for k, v in given.items()}, folder / "golden.safetensors")
    defaults = {}
    for name in ("CLIPConfig", "CLIPVisionConfig", "CLIPTextConfig", "ViTConfig", "DeiTConfig", "Dinov2Config",
                 "Dinov2WithRegistersConfig", "SiglipVisionConfig", "SiglipTextConfig", "DINOv3ViTConfig", "MetaClip2TextConfig",
                 "MetaClip2VisionConfig"):
        fields = dataclasses.fields(getattr(t, name))
        defaults[name] = {f.name: f.default for f in fields
                          if isinstance(f.default, (int, float, str, bool, list, type(None)))}
    (out / "defaults.json").write_text(json.dumps(defaults, indent=1) + "\n")


# ---------------------------------------------------------------------------------------------- changed configurations

DROP = "(drop)"
WRONG = [None, "x", -1, 0, 1.5, True, [], {}]
ACTIVATIONS = ["gelu", "gelu_10", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "gelu_accurate", "quick_gelu",
               "relu", "silu", "swish", "mish", "linear", "tanh", "GELU"]
VALUES = {
    "hidden_act": ACTIVATIONS, "layer_norm_eps": [1e-3, 1e-12, "1e-5"], "num_attention_heads": [1, 4, 3],
    "image_size": [[8, 8], [8, 4], 9, 16], "patch_size": [[4, 4], [4, 2], 8], "num_channels": [1, 4],
    "hidden_size": [4, 16], "intermediate_size": [8, 32], "num_hidden_layers": [1, 3], "mlp_ratio": [4],
    "qkv_bias": [False], "use_swiglu_ffn": [True, False], "num_register_tokens": [1, 3], "projection_dim": [8],
    "eos_token_id": [2, 0, 5, [19], 99], "max_position_embeddings": [4, 8], "vocab_size": [10, 30],
    "attention_dropout": [0.5], "hidden_dropout_prob": [0.5], "attention_probs_dropout_prob": [0.5],
    "drop_path_rate": [0.3], "layerscale_value": [0.1], "use_mask_token": [False], "apply_layernorm": [False],
    "reshape_hidden_states": [False], "out_indices": [[1]], "out_features": [["stage1"]], "initializer_range": [0.5],
    "rope_theta": [50.0, 1e4, "100"], "key_bias": [True], "query_bias": [False], "value_bias": [False], "proj_bias": [False],
    "mlp_bias": [False], "use_gated_mlp": [True, False], "pos_embed_rescale": [None, 3.0], "pos_embed_shift": [0.2],
    "pos_embed_jitter": [1.5], "vision_use_head": [False], "projection_size": [8, 4, None],
    "pooler_act": ["relu"], "encoder_stride": [8], "logit_scale_init_value": [1.0]}
ADDED = {
    "is_decoder": [True, False], "pruned_heads": [{}, {"0": [0]}], "chunk_size_feed_forward": [0, 1], "torch_dtype": ["float32"],
    "torchscript": [True], "head_dim": [4, 2], "tie_word_embeddings": [False], "num_beams": [4], "top_k": [50],
    "attention_bias": [False], "hidden_activation": ["relu"], "norm_eps": [1e-3], "use_cache": [False], "unheard_of": [1],
    "output_hidden_states": [True], "problem_type": [None], "pooler_output_size": [16]}


def changes(config, where):
    for key, value in config.items():
        if key in ("vision_config", "text_config"):
            yield from changes(value, where + [key])
            yield where + [key], None
            yield where + [key], DROP
            yield where + [key], 7
            yield where + [key + "_dict"], None
            yield where + [key + "_dict"], value
            yield where + [key + "_dict"], {**value, "hidden_act": "gelu"}
            yield where + [key + "_dict"], {**value, "num_attention_heads": 1}
            yield where + [key + "_dict"], {k: v for k, v in value.items() if k != "layer_norm_eps"}
            continue
        if key in ("architectures", "transformers_version", "dtype"):
            continue
        yield where + [key], DROP
        for new in WRONG + VALUES.get(key, []):
            if new != value or type(new) is not type(value):
                yield where + [key], new
    for key, values in ADDED.items():
        if key not in config:
            for value in values:
                yield where + [key], value


def outcome(folder, name, model_class):
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            model, info = getattr(t, model_class).from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
            if info["missing_keys"] or info.get("mismatched_keys"):
                return "raises"  # weights would be drawn at random
            got = result(model.eval(), name)
        return {k: [float(f"{x:.7g}") for x in v.flatten().tolist()] for k, v in got.items()}
    except Exception:
        return "raises"


def make_mutations(out):
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in MUTATED:
            folder = out / f"{name}-old"
            copy = pathlib.Path(scratch) / name
            shutil.copytree(folder, copy)
            config = json.loads((folder / "config.json").read_text())
            for path, value in changes(config, []):
                changed = json.loads(json.dumps(config))
                inner = changed
                for part in path[:-1]:
                    inner = inner[part]
                if value == DROP:
                    inner.pop(path[-1])
                else:
                    inner[path[-1]] = value
                (copy / "config.json").write_text(json.dumps(changed))
                record = {"model": name, "path": "/".join(path), "drop": True} if value == DROP else {
                    "model": name, "path": "/".join(path), "value": value}
                lines.append(json.dumps({**record, "outcome": outcome(copy, name, CLASSES[name][0])}))
            # A line shared by most: the configuration as it is.
            lines.append(json.dumps({"model": name, "path": "", "outcome": outcome(folder, name, CLASSES[name][0])}))
    (out / "mutations.jsonl").write_text("\n".join(compact(lines)) + "\n")
    print(len(lines), "mutations")


def compact(lines):
    """Outcomes that equal the unchanged one are "same"."""
    records = [json.loads(line) for line in lines]
    same = {r["model"]: r["outcome"] for r in records if r["path"] == ""}
    for r in records:
        if r["path"] and r["outcome"] == same[r["model"]]:
            r["outcome"] = "same"
        yield json.dumps(r, separators=(",", ":"))


# ---------------------------------------------------------------------------------------------- image processors

PROCESSORS = ("CLIPImageProcessor", "ViTImageProcessor", "DeiTImageProcessor", "BitImageProcessor", "SiglipImageProcessor")
PROCESSOR_VALUES = {
    "do_resize": [False], "size": [12, [10, 14], [10], {"shortest_edge": 12}, {"height": 10, "width": 14}, {"longest_edge": 12},
             {"shortest_edge": 12, "longest_edge": 20}, {"max_height": 10, "max_width": 10}, {"height": 10}, {"width": 1, "x": 2}],
    "default_to_square": [True, False], "crop_size": [6, [6, 8], {"height": 6, "width": 8}, {"height": 6}, {"shortest_edge": 6}],
    "resample": [0, 1, 2, 3, 4, 5, 6, "bicubic"], "do_rescale": [False], "rescale_factor": [0.5, 0, "x"], "do_normalize": [False],
    "image_mean": [0.5, [0.5], [0.1, 0.2, 0.3], [0.1, 0.2], "x"], "image_std": [0.5, [0.5], [0.1, 0.2, 0.3], [0.1, 0.2]],
    "do_pad": [True, False], "pad_size": [{"height": 30, "width": 30}], "do_center_crop": [True, False],
    "do_convert_rgb": [False, True], "data_format": ["channels_first", "channels_last"], "input_data_format": ["channels_last"],
    "disable_grouping": [True], "use_square_size": [True, False], "feature_extractor_type": ["CLIPFeatureExtractor"],
    "do_flip_channel_order": [True], "unheard_of": [1], "processor_class": ["CLIPProcessor"]}


def image():
    y, x = np.mgrid[0:20, 0:26]
    return Image.fromarray(np.stack([(7 * x + 3 * y) % 256, (11 * y + x * x) % 256, (x * y) % 256], -1).astype(np.uint8))


def processor_outcome(kind, config):
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            made = getattr(t, kind + "Pil").from_dict(config)(image(), return_tensors="np")["pixel_values"]
        made = np.asarray(made, dtype=np.float32)
        if made.ndim != 4:
            return "raises"
        flat = made.flatten()
        step = max(1, flat.size // 11)
        return {"shape": list(made.shape[1:]), "some": [float(f"{v:.7g}") for v in flat[::step].tolist()]}
    except Exception:
        return "raises"


def make_processors(out):
    base = {"size": {"height": 16, "width": 16}, "crop_size": {"height": 12, "width": 12}}
    lines = ["images: x 0..25, y 0..19: red 7x + 3y, green 11y + x*x, blue xy, each modulo 256"]
    for kind in PROCESSORS:
        for small in ({}, base, {"size": 14, "crop_size": 12}, {"size": 14, "crop_size": 12, "do_center_crop": True}):
            configs = [small] + [{**small, key: value} for key, values in PROCESSOR_VALUES.items() for value in [None, *values]]
            for config in configs if small else configs[:1]:
                named = {"image_processor_type": kind, **config}
                lines.append(json.dumps({"config": named, "outcome": processor_outcome(kind, dict(named))}, separators=(",", ":")))
    out.write_text("\n".join(lines) + "\n")
    print(len(lines) - 1, "processors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--processors", type=pathlib.Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.models:
        make_models(args.models)
        make_mutations(args.models)
    if args.processors:
        make_processors(args.processors)


if __name__ == "__main__":
    main()
