# SPDX-License-Identifier: Apache-2.0
"""Tiny random checkpoints of the families of 2024 to 2026, each with golden activations.

    python make_recent_golden.py --out engine/src/test/resources/models [--only hf-siglip,hf-dinov3]
    python make_recent_golden.py --shapes siglip-b-16,dinov3-b-16 --out DIR     full-size ones, for local comparison

Folders, redrawn weights and golden files as make_model_golden.py makes them, whose functions this uses: the model that
gives the golden numbers is loaded from the files just written, in float64, by the library that users load them with.

Made with torch 2.15.0, transformers 5.24.0, open_clip_torch 3.3.0, timm 1.0.31, safetensors 0.8.0.
"""

import argparse
from functools import partial as base_partial
import json
import pathlib

import make_model_golden as base
import numpy as np
import torch
from make_model_golden import (CLIP_MEAN, CLIP_STD, IMAGENET, Taps, classic, fresh, images, load_file, randomise, reload, save_file,
                               seeded, unit, write_golden, write_json)

HALF = [0.5] * 3


def processor(kind, mean, std, size=32, resample=2):
    return {"image_processor_type": kind, "do_resize": True, "do_rescale": True, "do_normalize": True, "resample": resample,
            "rescale_factor": 1 / 255, "size": {"height": size, "width": size}, "image_mean": list(mean), "image_std": list(std)}


def save_hf(folder, model, config, preprocessor, half=True):
    """Files as the hub's have them: names of the original format."""
    scratch = folder / "scratch"
    (model.half() if half else model).save_pretrained(scratch)
    state = load_file(scratch / "model.safetensors")
    for file in scratch.iterdir():
        file.unlink()
    scratch.rmdir()
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    write_json(folder / "config.json", {"architectures": [type(model).__name__], **config})
    write_json(folder / "preprocessor_config.json", preprocessor)


def load_hf(kind, folder):
    model, info = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return model


# ---------------------------------------------------------------------------------------------- SigLIP, transformers


def siglip_config():
    side = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return {"model_type": "siglip",
            "vision_config": {"model_type": "siglip_vision_model", **side, "image_size": 32, "patch_size": 8},
            "text_config": {"model_type": "siglip_text_model", **side, "num_attention_heads": 2, "vocab_size": 60,
                            "max_position_embeddings": 12}}


SIGLIP_FORWARD = ("no class token and no norm before the blocks; positions on patches; gelu (tanh), eps 1e-6; pooled = y + "
                  "mlp(layernorm(y)), y = out_proj(attention of the probe over post_layernorm(tokens)), without projection; text: "
                  "no mask, the last position, text_model.head; logits = exp(logit_scale) * cosine + logit_bias")


def redraw_siglip(model, name):
    randomise(model, name, half=True)
    with torch.no_grad():
        model.logit_scale.fill_(3.9)
        model.logit_bias.fill_(-11.5)
    return model


def siglip_forward(pixels, ids):
    def forward(model, taps, cast):
        taps.blocks("", [(b, b.mlp) for b in model.vision_model.encoder.layers])
        taps.blocks("text_", [(b, b.mlp) for b in model.text_model.encoder.layers])
        norm = model.text_model.final_layer_norm.register_forward_hook(lambda _, __, out: taps.seen.update(text_pooled=out[:, -1]))
        out = model(pixel_values=cast(pixels), input_ids=ids)
        norm.remove()
        return {"pooled": out.vision_model_output.pooler_output, "image_embed": out.image_embeds, "text_embed": out.text_embeds,
                "logits": out.logits_per_image}

    return forward


def padded_rows(name, context, vocab):
    rows = np.zeros((3, context), dtype=np.int64)
    for row, length in zip(rows, [context, 4, 1]):
        row[:length] = seeded(name + "/text").integers(2, vocab, length)
        row[length - 1] = 1
    return torch.from_numpy(rows)


def make_hf_siglip(out, name="hf-siglip"):
    from transformers import SiglipConfig, SiglipModel

    folder = fresh(out, name)
    config = siglip_config()
    model = redraw_siglip(SiglipModel(SiglipConfig(**config)), name)
    save_hf(folder, model, config, processor("SiglipImageProcessor", HALF, HALF))
    pixels, ids = images(name, 2, 32, HALF, HALF), padded_rows(name, 12, 60)
    given = {"input": pixels, "token_index": torch.arange(16), "input_ids": ids, "text_token_index": torch.arange(12)}
    write_golden(folder, load_hf(SiglipModel, folder), siglip_forward(pixels, ids), given, {
        "family": "hf-siglip", "weights": "F16", "forward": SIGLIP_FORWARD,
        "absent_fields": "hidden_act gelu_pytorch_tanh, layer_norm_eps 1e-6, vision_use_head true, projection_size hidden_size"})


def make_hf_siglip_vision(out, name="hf-siglip-vision"):
    from transformers import SiglipVisionConfig, SiglipVisionModel

    folder = fresh(out, name)
    config = {**siglip_config()["vision_config"], "hidden_act": "gelu", "layer_norm_eps": 1e-4}
    model = randomise(SiglipVisionModel(SiglipVisionConfig(**config)), name, half=True)
    save_hf(folder, model, config, processor("SiglipImageProcessor", HALF, HALF, resample=3))

    def forward(pixels):
        def inner(m, taps, cast):
            taps.blocks("", [(b, b.mlp) for b in getattr(m, "vision_model", m).encoder.layers])
            pooled = m(pixel_values=cast(pixels)).pooler_output
            return {"pooled": pooled, "image_embed": unit(pooled)}

        return inner

    base.vision_finish(folder, name, load_hf(SiglipVisionModel, folder), forward, {
        "family": "hf-siglip-vision", "weights": "F16", "forward": SIGLIP_FORWARD + "; here gelu (erf), eps 1e-4"}, 16, HALF, HALF)


# ---------------------------------------------------------------------------------------------- DINOv3

DINO_FORWARD = ("sequence [CLS, registers, patches]; no learned positions; q and k of patches are turned by halves; eps 1e-5; pooled = "
                "norm(CLS)")


def dinov3(out, name, gated, registers=4, **changes):
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    folder = fresh(out, name)
    config = {"model_type": "dinov3_vit", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": 32, "patch_size": 8, "num_register_tokens": registers, "use_gated_mlp": gated,
              "hidden_act": "silu" if gated else "gelu", **changes}
    model = randomise(DINOv3ViTModel(DINOv3ViTConfig(**config)), name, half=True)
    save_hf(folder, model, config, processor("DINOv3ViTImageProcessor", *IMAGENET))

    def forward(pixels):
        def inner(m, taps, cast):
            taps.blocks("", [(b, b.layer_scale2) for b in m.model.layer])
            pooled = m(pixel_values=cast(pixels)).pooler_output
            return {"pooled": pooled, "image_embed": unit(pooled)}

        return inner

    base.vision_finish(folder, name, load_hf(DINOv3ViTModel, folder), forward, {
        "family": "hf-dinov3", "activation": "silu(gate) * up" if gated else "gelu (erf)", "weights": "F16", "forward": DINO_FORWARD,
        "small": "a 24x24 image, a grid of 3x3"}, 17 + registers, *IMAGENET, small=24)


def make_hf_dinov3(out):
    dinov3(out, "hf-dinov3", False)


def make_hf_dinov3_gated(out):
    dinov3(out, "hf-dinov3-gated", True, query_bias=False, value_bias=False, rope_theta=50.0)


def make_hf_dinov3_plain(out):
    dinov3(out, "hf-dinov3-no-registers", False, registers=0, key_bias=True, layer_norm_eps=1e-3)


# ---------------------------------------------------------------------------------------------- timm


def eva_taps(taps, blocks):
    """What blocks give, and what their MLPs add, scaled."""
    for layer, block in enumerate(blocks):
        gamma = getattr(block, "gamma_2", None)
        taps.tap(f"resid_block{layer}", block)
        last = getattr(block, "ls2", block.mlp)
        taps.handles.append(last.register_forward_hook(
            lambda _, __, out, key=f"mlp_out_block{layer}", g=gamma: taps.seen.update({key: out if g is None else g * out})))


def timm_forward(pixels):
    def inner(m, taps, cast):
        eva_taps(taps, m.blocks)
        pooled = m.forward_head(m.forward_features(cast(pixels)), pre_logits=True)
        return {"pooled": pooled, "image_embed": unit(pooled)}

    return inner


def timm_model(architecture, name, args):
    import timm

    return randomise(timm.create_model(architecture, num_classes=5, **args), name, half=True)


def timm_folder(out, name, architecture, prefix, small=None, **changes):
    import timm

    folder = fresh(out, name)
    args = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 1.5, **changes}
    model = timm_model(architecture, name, args)
    cfg = model.pretrained_cfg
    write_json(folder / "config.json", {
        "architecture": architecture, "num_classes": 5, "num_features": 32, "global_pool": model.global_pool, "model_args": args,
        "pretrained_cfg": {"tag": cfg["tag"], "custom_load": False, "input_size": [3, 32, 32], "fixed_input_size": True,
                           "interpolation": cfg["interpolation"], "crop_pct": cfg["crop_pct"], "crop_mode": cfg["crop_mode"],
                           "mean": list(cfg["mean"]), "std": list(cfg["std"]), "num_classes": 5, "pool_size": None,
                           "first_conv": "patch_embed.proj", "classifier": cfg["classifier"]}})
    save_file(classic(model.state_dict(), half=True), folder / "model.safetensors", {"format": "pt"})
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    base.vision_finish(folder, name, model, timm_forward, {
        "family": "timm", "weights": "F16", "forward": f"timm's {architecture} with model_args; pooled = forward_head(pre_logits=True)"},
        16 + prefix, list(cfg["mean"]), list(cfg["std"]), small=small)


def make_timm_siglip(out):
    timm_folder(out, "timm-siglip", "vit_base_patch16_siglip_224", 0)


def make_timm_siglip_tanh(out):
    timm_folder(out, "timm-siglip-tanh", "vit_so400m_patch16_siglip_256", 0, num_heads=4)


def make_timm_siglip_gap(out):
    timm_folder(out, "timm-siglip-gap", "vit_base_patch16_siglip_gap_224", 0, depth=1)


def make_timm_dinov3(out):
    timm_folder(out, "timm-dinov3", "vit_small_patch16_dinov3", 5, small=24, dynamic_img_size=True)


def make_timm_dinov3_qkvb(out):
    timm_folder(out, "timm-dinov3-qkvb", "vit_small_plus_patch16_dinov3_qkvb", 5, global_pool="token", rope_temperature=20.0)


def make_timm_pe_core(out):
    timm_folder(out, "timm-pe-core", "vit_pe_core_base_patch16_224", 1, attn_pool_num_heads=8, ref_feat_shape=None)


def make_timm_pe_spatial(out):
    timm_folder(out, "timm-pe-spatial", "vit_pe_spatial_base_patch16_512", 1)


def make_timm_pe_lang(out):
    timm_folder(out, "timm-pe-lang", "vit_pe_lang_large_patch14_448", 1)


def make_timm_eva02(out):
    timm_folder(out, "timm-eva02", "eva02_base_patch16_clip_224", 1, mlp_ratio=2.1)


def make_timm_eva02_tiny(out):
    timm_folder(out, "timm-eva02-tiny", "eva02_tiny_patch14_224", 1)


def make_dinov3_pth(out, name="dinov3-pth"):
    """Meta's names, which timm's own conversion reads; keys have biases that the mask takes to 0."""
    import timm
    from timm.models.eva import checkpoint_filter_fn

    folder = fresh(out, name)
    args = {"img_size": 64, "patch_size": 16, "embed_dim": 64, "depth": 2, "num_heads": 1, "mlp_ratio": 0.5, "global_pool": "token"}
    architecture = "vit_small_plus_patch16_dinov3_qkvb"
    model = timm_model(architecture, name, args)
    state = {"mask_token": torch.zeros(1, 64), "rope_embed.periods": 100 ** (torch.arange(16) / 16)}
    for key, value in classic(model.state_dict()).items():
        if key.startswith("head.") or key.endswith("v_bias"):
            continue
        if key.endswith("q_bias"):
            stem = key.removesuffix("q_bias")
            third = torch.full_like(value, 0.7)
            state[stem + "qkv.bias"] = torch.cat([value, third, model.state_dict()[stem + "v_bias"]])
            state[stem + "qkv.bias_mask"] = torch.cat([torch.ones_like(value), torch.zeros_like(value), torch.ones_like(value)])
            continue
        for ours, meta in (("reg_token", "storage_tokens"), ("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma"),
                           ("mlp.fc1_g", "mlp.w1"), ("mlp.fc1_x", "mlp.w2"), ("mlp.fc2", "mlp.w3")):
            key = key.replace(ours, meta)
        state[key] = value
    file = folder / "dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth"
    torch.save({k: v if "periods" in k else v.half() for k, v in state.items()}, file)
    stored = {k: v.float() for k, v in torch.load(file, weights_only=True).items()}
    model = timm.create_model(architecture, num_classes=0, **args)
    model.load_state_dict(checkpoint_filter_fn(stored, model))
    pixels = images(name, 1, 64, *IMAGENET)
    given = {"input": pixels, "token_index": torch.arange(21)}

    write_golden(folder, model, timm_forward(pixels), given, {
        "family": "dinov3", "weights": "F16, Meta's names; timm's conversion is the reference", "forward": DINO_FORWARD})


# ---------------------------------------------------------------------------------------------- MetaCLIP 2, open_clip


def make_hf_metaclip2(out, name="hf-metaclip-2"):
    from transformers import MetaClip2Config, MetaClip2Model

    folder = fresh(out, name)
    side = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "hidden_act": "gelu"}
    config = {"model_type": "metaclip_2", "projection_dim": 16,
              "vision_config": {"model_type": "metaclip_2_vision_model", **side, "image_size": 32, "patch_size": 8},
              "text_config": {"model_type": "metaclip_2_text_model", **side, "vocab_size": 60, "max_position_embeddings": 12,
                              "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}}
    model = randomise(MetaClip2Model(MetaClip2Config(**config)), name, half=True)
    save_hf(folder, model, config, {**processor("CLIPImageProcessor", CLIP_MEAN, CLIP_STD), "do_center_crop": True, "resample": 3,
                                    "crop_size": {"height": 32, "width": 32}})
    pixels, ids = images(name, 2, 32, CLIP_MEAN, CLIP_STD), padded_rows(name, 12, 60)
    ids[ids == 1], ids[ids == 2], ids[:, 0] = 2, 3, 0
    ids[0, 11] = ids[1, 3] = ids[2, 1] = 2  # the end token is not the largest id
    given = {"input": pixels, "token_index": torch.arange(17), "input_ids": ids, "text_token_index": torch.arange(12)}
    write_golden(folder, load_hf(MetaClip2Model, folder), base.hf_forward(pixels, ids), given, {
        "family": "hf-metaclip-2", "weights": "F16", "activation": "gelu (erf)",
        "forward": "CLIP's; pooled at the first eos_token_id, which is 2 and means 2"})


def open_clip_folder(out, name, cfg, mean, std, size=32, batch=2, index=None, **more):
    folder = fresh(out, name)
    write_json(folder / "open_clip_config.json", {"model_cfg": cfg, "preprocess_cfg": {**base.preprocess_cfg(size, mean=mean, std=std), **more}})
    model = base.open_clip_build(cfg)
    randomise(model, name, half=True)
    with torch.no_grad():
        if model.logit_bias is not None:
            model.logit_bias.fill_(-12.25)
    save_file(classic(model.state_dict(), half=True), folder / "open_clip_model.safetensors", {"format": "pt"})
    model = reload(lambda: base.open_clip_build(cfg), load_file(folder / "open_clip_model.safetensors"))
    return folder, model, images(name, batch, size, mean, std)


def open_clip_golden(folder, model, pixels, ids, index, facts):
    context = ids.shape[1]
    given = {"input": pixels, "token_index": torch.as_tensor(index), "input_ids": ids, "text_token_index": torch.arange(context)}

    def forward(m, taps, cast):
        if hasattr(m.visual, "trunk"):
            eva_taps(taps, m.visual.trunk.blocks)
            trunk = m.visual.trunk
            pooled = trunk.forward_head(trunk.forward_features(cast(pixels)), pre_logits=True)
            embed = m.visual.head(trunk.head(pooled))
        else:
            taps.blocks("", [(b, b.mlp) for b in m.visual.transformer.resblocks])
            taps.tap("norm", m.visual.ln_post)
            embed = m.visual(cast(pixels))
            pooled = taps.seen.pop("norm")
            pooled = pooled[:, 0] if pooled.ndim == 3 else pooled  # without final_ln_after_pool the norm is of all tokens
        text = m.text if hasattr(m, "text") else m
        taps.blocks("text_", [(b, b.mlp) for b in text.transformer.resblocks])
        text_embed = m.encode_text(ids, normalize=True)
        taps.seen = {k: v if k.startswith("text_") else v[:, list(index)] for k, v in taps.seen.items()}
        logits = m.logit_scale.exp() * unit(embed) @ text_embed.T + (0 if m.logit_bias is None else m.logit_bias)
        return {"pooled": pooled, "image_embed": unit(embed), "text_embed": text_embed, "logits": logits}

    write_golden(folder, model, forward, given, {"weights": "F16", **facts})


SIGLIP2_TEXT = {"context_length": 12, "vocab_size": 60, "width": 32, "heads": 2, "layers": 2, "mlp_ratio": 1.5, "no_causal_mask": True,
                "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"}}


# open_clip names a trunk and cannot change its size, so tiny ones are registered here; tests read their rows beside timm's.
TRUNKS = {
    "test_siglip": ("vit_base_patch16_siglip_224", dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4, mlp_ratio=1.5,
                                                        class_token=False, global_pool="map")),
    "test_clip_vit": ("vit_large_patch14_clip_224", dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, mlp_ratio=1.5,
                                                         pre_norm=True)),
    "test_pe_core": ("vit_pe_core_base_patch16_224", dict(
        img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, mlp_ratio=1.5, global_pool="map", attn_type="rope",
        use_pre_transformer_norm=True, use_rot_pos_emb=True, ref_feat_shape=(4, 4), rope_grid_offset=1.0, rope_grid_indexing="xy",
        attn_pool_num_heads=8, attn_pool_mlp_ratio=2.0)),
    "test_eva02_clip": ("eva02_base_patch16_clip_224", dict(
        img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, qkv_fused=False, mlp_ratio=2.1, swiglu_mlp=True, scale_mlp=True,
        scale_attn_inner=True, use_rot_pos_emb=True, ref_feat_shape=(16, 16), global_pool="token")),
}


def register_trunks(rows=None):
    """Registers them with timm; with `rows`, writes timm-test.tsv and timm-eva-test.tsv into that folder."""
    import make_timm_table as table
    import timm
    from timm.layers import LayerNorm
    from timm.models import eva, register_model, vision_transformer

    files = {}
    for name, (like, args) in TRUNKS.items():
        is_eva = name in ("test_pe_core", "test_eva02_clip")
        if name in ("test_pe_core", "test_clip_vit"):
            args = {**args, "norm_layer": base_partial(LayerNorm, eps=1e-5)}
        if not timm.is_model(name):
            create = eva._create_eva if is_eva else vision_transformer._create_vision_transformer

            def build(pretrained=False, like=like, args=args, create=create, **kwargs):
                return create(like, pretrained=False, **{**args, **kwargs})

            build.__name__, build.__module__ = name, __name__
            register_model(build)
        row = table.eva_row(args, args) if is_eva else table.row(vision_transformer.VisionTransformer, args, args)
        columns = table.EVA_COLUMNS if is_eva else table.COLUMNS
        files.setdefault("timm-eva-test.tsv" if is_eva else "timm-test.tsv", ["\t".join(["name", "kind", *columns, "other"])]).append(
            "\t".join([name, *map(str, row)]))
    for file, lines in files.items() if rows else ():
        (rows / file).write_text("\n".join(lines) + "\n")


def trunk_config(trunk, pool, projection, embed, text, **more):
    return {"embed_dim": embed, "custom_text": True, "text_cfg": text, **more,
            "vision_cfg": {"timm_model_name": trunk, "timm_model_pretrained": False, "timm_pool": pool, "timm_proj": projection,
                           "image_size": 32}}


def make_open_clip_siglip2(out, name="open-clip-siglip2"):
    register_trunks()
    cfg = trunk_config("test_siglip", "map", "none", 32, SIGLIP2_TEXT, init_logit_bias=-10)
    folder, model, pixels = open_clip_folder(out, name, cfg, HALF, HALF, resize_mode="squash")
    open_clip_golden(folder, model, pixels, padded_rows(name, 12, 60), range(16), {
        "family": "open-clip-timm", "forward": "vit_base_patch16_siglip_224 in small; text as SigLIP 2 in open_clip"})


CLIP_TEXT = {"context_length": 12, "vocab_size": 60, "width": 32, "heads": 2, "layers": 2, "mlp_ratio": 1.5}


def make_open_clip_pe(out, name="open-clip-pe-core"):
    register_trunks()
    folder, model, pixels = open_clip_folder(out, name, trunk_config("test_pe_core", "map", None, 24, CLIP_TEXT), HALF, HALF,
                                             resize_mode="squash", interpolation="bilinear")
    open_clip_golden(folder, model, pixels, base.token_rows(name, 12, 60), range(17), {
        "family": "open-clip-timm", "forward": "vit_pe_core_base_patch16_224 in small; visual.trunk.head is the projection"})


def make_open_clip_eva02(out, name="open-clip-eva02"):
    register_trunks()
    folder, model, pixels = open_clip_folder(out, name, trunk_config("test_eva02_clip", "token", None, 24, CLIP_TEXT), CLIP_MEAN, CLIP_STD)
    open_clip_golden(folder, model, pixels, base.token_rows(name, 12, 60), range(17), {
        "family": "open-clip-timm", "forward": "eva02_base_patch16_clip_224 in small; visual.trunk.head is the projection"})


def make_open_clip_clipa(out, name="open-clip-clipa"):
    cfg = {"embed_dim": 20,
           "vision_cfg": {"image_size": 32, "layers": 2, "width": 40, "head_width": 20, "patch_size": 8, "mlp_ratio": 1.5,
                          "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True},
           "text_cfg": {"context_length": 12, "vocab_size": 60, "width": 32, "heads": 2, "layers": 2, "mlp_ratio": 1.5,
                        "pool_type": "last", "no_causal_mask": True}}
    folder, model, pixels = open_clip_folder(out, name, cfg, *IMAGENET, resize_mode="squash", interpolation="bilinear")
    open_clip_golden(folder, model, pixels, padded_rows(name, 12, 60), range(17), {
        "family": "open-clip", "forward": "no norm before the blocks, patches averaged, then ln_post; text without mask, last position"})


def make_open_clip_mobile(out, name="open-clip-mobileclip2-l"):
    register_trunks()
    cfg = trunk_config("test_clip_vit", "token", None, 24, {**CLIP_TEXT, "no_causal_mask": True})
    folder, model, pixels = open_clip_folder(out, name, cfg, [0.0] * 3, [1.0] * 3, interpolation="bilinear")
    open_clip_golden(folder, model, pixels, base.token_rows(name, 12, 60), range(17), {
        "family": "open-clip-timm", "forward": "vit_large_patch14_clip_224 in small; visual.trunk.head is the projection; text without mask"})


def make_open_clip_worldwide(out, name="open-clip-worldwide"):
    cfg = {"embed_dim": 20, "vision_cfg": {"image_size": 32, "layers": 2, "width": 40, "head_width": 20, "patch_size": 8, "mlp_ratio": 1.5},
           "text_cfg": {**CLIP_TEXT, "hf_tokenizer_name": "facebook/xlm-v-base", "pool_type": "eos", "eos_id": 2}}
    folder, model, pixels = open_clip_folder(out, name, cfg, CLIP_MEAN, CLIP_STD)
    ids = padded_rows(name, 12, 60)
    ids[ids == 1], ids[ids == 2], ids[:, 0] = 2, 3, 0
    ids[0, 11] = ids[1, 3] = ids[2, 1] = 2  # the end token is not the largest id
    open_clip_golden(folder, model, pixels, ids, range(17), {
        "family": "open-clip", "forward": "CLIP's; pooled at the first eos_id, which is 2 and means 2"})


# ---------------------------------------------------------------------------------------------- full size


def few(forward, index):
    """The same pass with some tokens of the vision tower's residuals."""
    def inner(m, taps, cast):
        out = forward(m, taps, cast)
        taps.seen = {k: v if k.startswith("text_") else v[:, index] for k, v in taps.seen.items()}
        return out

    return inner


def shape_siglip(out, name="siglip-b-16"):
    from transformers import SiglipConfig, SiglipModel

    folder = fresh(out, name)
    config = {"model_type": "siglip", "vision_config": {"model_type": "siglip_vision_model"},
              "text_config": {"model_type": "siglip_text_model"}}
    save_hf(folder, redraw_siglip(SiglipModel(SiglipConfig(**config)), name), config, processor("SiglipImageProcessor", HALF, HALF, 224))
    pixels, ids, index = images(name, 2, 224, HALF, HALF), padded_rows(name, 64, 32000), [0, 1, 100, 195]
    given = {"input": pixels, "token_index": torch.tensor(index), "input_ids": ids, "text_token_index": torch.arange(64)}
    write_golden(folder, load_hf(SiglipModel, folder), few(siglip_forward(pixels, ids), index), given, {"family": "hf-siglip"})


def shape_timm(out, name, architecture, size, index):
    import timm

    folder = fresh(out, name)
    model = randomise(timm.create_model(architecture, num_classes=0), name, half=True)
    cfg = model.pretrained_cfg
    write_json(folder / "config.json", {
        "architecture": architecture, "num_classes": 0, "num_features": model.num_features, "global_pool": model.global_pool,
        "pretrained_cfg": {"input_size": [3, size, size], "fixed_input_size": True, "interpolation": cfg["interpolation"],
                           "crop_pct": cfg["crop_pct"], "crop_mode": cfg["crop_mode"], "mean": list(cfg["mean"]), "std": list(cfg["std"])}})
    save_file(classic(model.state_dict(), half=True), folder / "model.safetensors", {"format": "pt"})
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    pixels = images(name, 2, size, list(cfg["mean"]), list(cfg["std"]))
    given = {"input": pixels, "token_index": torch.tensor(index)}
    write_golden(folder, model, few(timm_forward(pixels), index), given, {"family": "timm"})


SHAPES = {
    "siglip-b-16": shape_siglip,
    "dinov3-b-16": lambda out: shape_timm(out, "dinov3-b-16", "vit_base_patch16_dinov3", 256, [0, 1, 5, 100, 260]),
    "pe-core-b-16": lambda out: shape_timm(out, "pe-core-b-16", "vit_pe_core_base_patch16_224", 224, [0, 1, 100, 196]),
    "eva02-b-16": lambda out: shape_timm(out, "eva02-b-16", "eva02_base_patch16_clip_224", 224, [0, 1, 100, 196]),
}

FIXTURES = {
    "hf-siglip": make_hf_siglip, "hf-siglip-vision": make_hf_siglip_vision, "hf-dinov3": make_hf_dinov3,
    "hf-dinov3-gated": make_hf_dinov3_gated, "hf-dinov3-no-registers": make_hf_dinov3_plain,
    "timm-siglip": make_timm_siglip, "timm-siglip-tanh": make_timm_siglip_tanh, "timm-siglip-gap": make_timm_siglip_gap,
    "timm-dinov3": make_timm_dinov3, "timm-dinov3-qkvb": make_timm_dinov3_qkvb, "timm-pe-core": make_timm_pe_core,
    "timm-pe-spatial": make_timm_pe_spatial, "timm-eva02": make_timm_eva02, "timm-eva02-tiny": make_timm_eva02_tiny,
    "dinov3-pth": make_dinov3_pth, "hf-metaclip-2": make_hf_metaclip2, "open-clip-siglip2": make_open_clip_siglip2, "open-clip-pe-core": make_open_clip_pe, "open-clip-eva02": make_open_clip_eva02,
    "open-clip-clipa": make_open_clip_clipa,
    "timm-pe-lang": make_timm_pe_lang, "open-clip-mobileclip2-l": make_open_clip_mobile, "open-clip-worldwide": make_open_clip_worldwide}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--shapes", help="full-size checkpoints instead: " + ",".join(SHAPES))
    parser.add_argument("--names", type=pathlib.Path, help="folder that gets the rows of the trunks registered here")
    parser.add_argument("--only", help="fixtures, separated by commas; default: all")
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.shapes:
        for name in args.shapes.split(","):
            SHAPES[name](args.out)
        return
    if args.names:
        register_trunks(args.names)
    for name in args.only.split(",") if args.only else FIXTURES:
        FIXTURES[name](args.out)
        folder = args.out / name
        record = json.loads((folder / "golden.json").read_text())
        record["script"] = "bench/peers/make_recent_golden.py"
        write_json(folder / "golden.json", record)
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{name:28} {size / 1024:7.1f} KiB   float32 error {max(record['float32_max_abs_error'].values()):.1e}")


if __name__ == "__main__":
    main()
