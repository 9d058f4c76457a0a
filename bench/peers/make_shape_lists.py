# SPDX-License-Identifier: Apache-2.0
"""Names and shapes of full-size models of the recent families, as the libraries build them, without their weights.

    python make_shape_lists.py --out engine/src/test/resources/shapes.jsonl.gz

Each model is built on torch's meta device, which computes shapes alone. A line of the file holds a folder: its configuration files
and the name and shape of every tensor of the state dict. open_clip's configurations and timm's arguments are the libraries' own by
the model's name; transformers' sizes are those of the published config.json, absent fields being its defaults. FullSizeTest plans
each with clipsteer's readers.

Made with torch 2.15.0, transformers 5.24.0, open_clip_torch 3.3.0, timm 1.0.31.
"""

import argparse
import gzip
import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402

OPEN_CLIP = [
    "ViT-B-16-SigLIP", "ViT-L-16-SigLIP-256", "ViT-SO400M-14-SigLIP", "ViT-B-16-SigLIP-i18n-256",
    "ViT-B-16-SigLIP2", "ViT-B-32-SigLIP2-256", "ViT-L-16-SigLIP2-256", "ViT-SO400M-14-SigLIP2", "ViT-SO400M-16-SigLIP2-384",
    "ViT-gopt-16-SigLIP2-256", "PE-Core-T-16-384", "PE-Core-S-16-384", "PE-Core-B-16", "PE-Core-L-14-336", "PE-Core-bigG-14-448",
    "EVA02-B-16", "EVA02-L-14", "EVA02-L-14-336", "ViT-B-32-worldwide", "ViT-B-16-worldwide", "ViT-L-14-worldwide", "ViT-H-14-worldwide-quickgelu",
    "ViT-H-14-worldwide", "ViT-H-14-worldwide-378", "ViT-bigG-14-worldwide", "ViT-bigG-14-worldwide-378",
    "ViT-L-14-CLIPA", "ViT-L-14-CLIPA-336", "ViT-H-14-CLIPA", "ViT-H-14-CLIPA-336", "ViT-bigG-14-CLIPA", "MobileCLIP2-L-14",
    "ViT-B-16-quickgelu", "ViT-L-14-quickgelu", "ViT-H-14-quickgelu", "ViT-H-14-378-quickgelu"]

TIMM = [
    "vit_base_patch16_siglip_224", "vit_large_patch16_siglip_256", "vit_so400m_patch14_siglip_378", "vit_so400m_patch14_siglip_gap_224",
    "vit_small_patch16_dinov3", "vit_small_plus_patch16_dinov3", "vit_base_patch16_dinov3", "vit_large_patch16_dinov3",
    "vit_huge_plus_patch16_dinov3", "vit_7b_patch16_dinov3", "vit_base_patch16_dinov3_qkvb", "vit_pe_core_base_patch16_224",
    "vit_pe_core_large_patch14_336", "vit_pe_core_gigantic_patch14_448", "vit_pe_lang_large_patch14_448",
    "vit_pe_lang_gigantic_patch14_448", "vit_pe_spatial_tiny_patch16_512", "vit_pe_spatial_small_patch16_512",
    "vit_pe_spatial_base_patch16_512", "vit_pe_spatial_large_patch14_448", "vit_pe_spatial_gigantic_patch14_448",
    "eva02_base_patch14_224", "eva02_large_patch14_224", "eva02_base_patch16_clip_224", "eva02_large_patch14_clip_224"]

SIGLIP = {  # width, inner, layers, heads, image, patch
    "siglip2-base-patch16-224": (768, 3072, 12, 12, 224, 16), "siglip2-large-patch16-256": (1024, 4096, 24, 16, 256, 16),
    "siglip2-so400m-patch14-384": (1152, 4304, 27, 16, 384, 14)}

DINO = {  # width, inner, layers, heads, gated
    "dinov3-vits16": (384, 1536, 12, 6, False), "dinov3-vits16plus": (384, 1536, 12, 6, True), "dinov3-vitb16": (768, 3072, 12, 12, False),
    "dinov3-vitl16": (1024, 4096, 24, 16, False), "dinov3-vit7b16": (4096, 8192, 40, 32, True)}

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def folder(library, name, files, model):
    weights = {"open_clip": "open_clip_model.safetensors"}.get(library, "model.safetensors")
    tensors = {key: list(value.shape) for key, value in model.state_dict().items()}
    return {"library": library, "name": name, "files": files, "weights": weights, "tensors": tensors}


def open_clip_folder(name):
    import open_clip

    config = open_clip.get_model_config(name)
    if config is None:
        return None
    with torch.device("meta"):
        model = open_clip.create_model(name, load_weights=False, device="meta")
    cfg = open_clip.model.get_model_preprocess_cfg(model)
    size = cfg["size"][0] if isinstance(cfg["size"], (list, tuple)) else cfg["size"]
    cfg = {key: list(value) if isinstance(value, tuple) else value for key, value in cfg.items()}
    return folder("open_clip", name, {"open_clip_config.json": {"model_cfg": config, "preprocess_cfg": {**cfg, "size": size}}}, model)


def timm_folder(name):
    import timm

    if not timm.is_model(name):
        return None
    with torch.device("meta"):
        model = timm.create_model(name)
    cfg = model.pretrained_cfg
    kept = {key: list(value) if isinstance(value, tuple) else value for key, value in cfg.items()
            if key in ("tag", "input_size", "fixed_input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "num_classes",
                       "pool_size", "first_conv", "classifier", "license")}
    return folder("timm", name, {"config.json": {"architecture": name, "num_classes": model.num_classes, "num_features": model.num_features,
                                                 "global_pool": model.global_pool, "pretrained_cfg": kept}}, model)


def hf_folder(name, kind, config, size, processor):
    import transformers

    with torch.device("meta"):
        model = getattr(transformers, kind)(getattr(transformers, kind.replace("Model", "Config"))(**config))
    files = {"config.json": {"architectures": [kind], **config},
             "preprocessor_config.json": {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 2, "rescale_factor": 1 / 255,
                                          "size": {"height": size, "width": size}, **processor}}
    return folder("transformers", name, files, model)


def transformers_folders():
    for name, (width, inner, layers, heads, size, patch) in SIGLIP.items():
        side = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads}
        yield hf_folder(name, "SiglipModel", {
            "model_type": "siglip", "vision_config": {"model_type": "siglip_vision_model", **side, "image_size": size, "patch_size": patch},
            "text_config": {"model_type": "siglip_text_model", **side, "vocab_size": 256000}}, size,
            {"image_processor_type": "SiglipImageProcessor", **HALF})
    for name, (width, inner, layers, heads, gated) in DINO.items():
        yield hf_folder(name, "DINOv3ViTModel", {
            "model_type": "dinov3_vit", "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_register_tokens": 4, "use_gated_mlp": gated, "hidden_act": "silu" if gated else "gelu",
            **({"query_bias": False, "value_bias": False} if layers == 40 else {})}, 224,
            {"image_processor_type": "DINOv3ViTImageProcessor", **IMAGENET})
    yield hf_folder("metaclip-2-worldwide-huge", "MetaClip2Model", {
        "model_type": "metaclip_2", "projection_dim": 1024,
        "vision_config": {"model_type": "metaclip_2_vision_model", "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
                          "num_attention_heads": 16, "image_size": 224, "patch_size": 14, "hidden_act": "gelu"},
        "text_config": {"model_type": "metaclip_2_text_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                        "num_attention_heads": 16, "vocab_size": 901629, "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1,
                        "hidden_act": "gelu"}}, 224,
        {"image_processor_type": "CLIPImageProcessor", "do_center_crop": True, "crop_size": {"height": 224, "width": 224}, **HALF})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    rows = [*((name, open_clip_folder(name)) for name in OPEN_CLIP), *((name, timm_folder(name)) for name in TIMM)]
    for name, row in rows:
        if row is None:
            print(f"not in this version: {name}", file=sys.stderr)
    made = [row for _, row in rows if row is not None] + list(transformers_folders())
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in made)
    args.out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(made)} models, {sum(len(row['tensors']) for row in made)} tensors, {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
