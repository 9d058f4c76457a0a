# SPDX-License-Identifier: Apache-2.0
"""Writes what timm's registry says by a model's name alone.

    python make_timm_table.py --out ../../engine/src/main/resources/io/clipsteer/engine/checkpoint/timm.tsv \\
        --eva ../../engine/src/main/resources/io/clipsteer/engine/checkpoint/timm-eva.tsv

One row a name that timm builds as VisionTransformer or VisionTransformerDistilled, with every constructor argument that
changes the output, by the entry point alone; `default_...` is what the name's default configuration makes of it, which
open_clip takes and a folder's own configuration replaces. Arguments that this program does not compute stand in `other`. Then one row a name that
timm builds as another class: the name and the class. The second file has the names that timm builds as Eva (EVA-02, DINOv3,
Perception Encoder), with the arguments of that class. No model is built: the class is stopped before its constructor.

Made with timm 1.0.31.
"""

import argparse
import functools
import importlib
import inspect
import pathlib
import pkgutil

import timm
import timm.models
from timm.layers import Attention, LayerNorm, Mlp, PatchEmbed, get_act_layer, get_norm_layer
from timm.models import _builder
from timm.models.eva import Eva
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer

COLUMNS = ("img_size patch_size embed_dim depth num_heads mlp_ratio qkv_bias init_values class_token pos_embed "
           "no_embed_class reg_tokens pre_norm final_norm fc_norm pool_include_prefix global_pool "
           "norm_eps act default_img_size default_global_pool").split()
DEFAULTS = {"qk_norm": False, "scale_attn_norm": False, "scale_mlp_norm": False, "proj_bias": True,
            "embed_layer": PatchEmbed, "embed_norm_layer": None, "block_fn": Block, "mlp_layer": Mlp,
            "attn_layer": Attention}
EVA_COLUMNS = ("img_size patch_size embed_dim depth num_heads mlp_ratio qkv_bias qkv_fused swiglu_mlp swiglu_align_to scale_mlp "
               "scale_attn_inner attn_type init_values class_token num_reg_tokens no_embed_class use_abs_pos_emb use_rot_pos_emb "
               "rope_type rope_grid_offset rope_grid_indexing rope_temperature rope_rotate_half ref_feat_shape "
               "use_pre_transformer_norm use_post_transformer_norm use_fc_norm attn_pool_num_heads attn_pool_mlp_ratio global_pool "
               "norm_eps default_img_size default_global_pool").split()
EVA_DEFAULTS = {"num_kv_heads": None, "qk_norm": False, "attn_only_layer_scale": False, "use_post_norm": False,
                "rope_mrope_section": None}
EVA_HARMLESS = {"rope_shift_coords", "rope_jitter_coords", "rope_rescale_coords", "head_init_scale"}
HARMLESS = {"drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate",
            "weight_init", "fix_init", "num_classes", "in_chans", "dynamic_img_size", "dynamic_img_pad", "device", "dtype"}
ACTS = {"GELU": "gelu", "GELUTanh": "gelu_tanh", "QuickGELU": "quick_gelu"}


class Built(Exception):
    pass


def stop(model_cls, variant, pretrained, pretrained_cfg=None, pretrained_cfg_overlay=None, kwargs_filter=None, **kwargs):
    """In place of build_model_with_cfg: what the class would be called with."""
    for name in ("pretrained_strict", "pretrained_filter_fn", "feature_cfg", "cache_dir", "pretrained_model_args",
                 "model_cfg", "out_indices", "features_only", "pruned"):
        kwargs.pop(name, None)
    cfg = _builder.resolve_pretrained_cfg(variant, pretrained_cfg, pretrained_cfg_overlay).to_dict()
    with_cfg = dict(kwargs)
    _builder._update_default_model_kwargs(cfg, with_cfg, kwargs_filter)
    raise Built(model_cls, kwargs, with_cfg)


def layer_name(layer):
    layer = layer.func if isinstance(layer, functools.partial) else layer
    return getattr(layer, "__name__", type(layer).__name__)


def side(value):
    if not isinstance(value, (tuple, list)):
        return value
    return value[0] if value[0] == value[1] else f"{value[0]}x{value[1]}"


def norm(args):
    """What is not a LayerNorm, and the epsilon."""
    layer = get_norm_layer(args["norm_layer"]) or LayerNorm
    kind, eps = (layer.func, layer.keywords.get("eps")) if isinstance(layer, functools.partial) else (layer, None)
    other = []
    if not (isinstance(kind, type) and issubclass(kind, LayerNorm) or kind.__name__ == "LayerNorm"):
        other.append(f"norm_layer={layer_name(kind)}")
    if eps is None:
        eps = inspect.signature(kind.__init__).parameters["eps"].default if "eps" in inspect.signature(kind.__init__).parameters else "?"
    return other, eps


def eva_row(kwargs, with_cfg):
    kwargs = {k: v for k, v in kwargs.items() if k not in ("out_indices",)}
    bound = inspect.signature(Eva.__init__).bind(None, **kwargs)
    bound.apply_defaults()
    args = bound.arguments
    other, eps = norm(args)
    for name, default in EVA_DEFAULTS.items():
        if args[name] != default:
            other.append(f"{name}={args[name]}")
    if args["use_rot_pos_emb"] and args["rope_type"] not in ("cat", "dinov3"):
        other.append(f"rope_type={args['rope_type']}")
    unknown = set(args) - set(EVA_COLUMNS) - set(EVA_DEFAULTS) - EVA_HARMLESS - HARMLESS - {"self", "norm_layer"}
    assert not unknown, unknown
    values = {name: args.get(name) for name in EVA_COLUMNS}
    values.update(img_size=side(args["img_size"]), patch_size=side(args["patch_size"]), norm_eps=eps,
                  ref_feat_shape=side(args["ref_feat_shape"]) if args["ref_feat_shape"] else 0,
                  default_img_size=side(with_cfg.get("img_size", args["img_size"])),
                  default_global_pool=with_cfg.get("global_pool", args["global_pool"]))
    return ["eva", *(text(values[n]) for n in EVA_COLUMNS), ",".join(other).replace("\t", " ")]


def row(cls, kwargs, with_cfg):
    bound = inspect.signature(VisionTransformer.__init__).bind(None, **kwargs)
    bound.apply_defaults()
    args = bound.arguments
    other, eps = norm(args)
    act = get_act_layer(args["act_layer"])
    act = ACTS.get(layer_name(act), layer_name(act)) if act is not None else "gelu"
    if act not in ACTS.values():
        other.append(f"act_layer={act}")
    for name, default in DEFAULTS.items():
        value = args[name]
        if value is not default and value != default:
            other.append(f"{name}={layer_name(value) if callable(value) else value}")
    unknown = set(args) - set(COLUMNS) - set(DEFAULTS) - HARMLESS - {"self", "norm_layer", "act_layer"}
    assert not unknown, unknown
    values = {name: args.get(name) for name in COLUMNS}
    values.update(img_size=side(args["img_size"]), patch_size=side(args["patch_size"]), norm_eps=eps, act=act,
                  default_img_size=side(with_cfg.get("img_size", args["img_size"])),
                  default_global_pool=with_cfg.get("global_pool", args["global_pool"]))
    return ["distilled" if cls is VisionTransformerDistilled else "vit", *(text(values[n]) for n in COLUMNS), ",".join(other)]


def text(value):
    if value is None or value == "":
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--eva", type=pathlib.Path, required=True)
    args = parser.parse_args()
    for module in pkgutil.iter_modules(timm.models.__path__):
        m = importlib.import_module("timm.models." + module.name)
        if hasattr(m, "build_model_with_cfg"):
            m.build_model_with_cfg = stop
    plain, eva, others, failed = [], [], [], []
    for name in sorted(timm.list_models()):
        try:
            timm.create_model(name)
            failed.append((name, "built without the builder"))
        except Built as e:
            cls, kwargs, with_cfg = e.args
            if cls is VisionTransformer or cls is VisionTransformerDistilled:
                plain.append([name, *map(str, row(cls, kwargs, with_cfg))])
            elif cls is Eva:
                eva.append([name, *map(str, eva_row(kwargs, with_cfg))])
            else:
                others.append([name, layer_name(cls)])
        except Exception as e:  # noqa: BLE001
            failed.append((name, repr(e)))
    with args.out.open("w", encoding="utf-8", newline="\n") as out:
        out.write(f"# names of timm {timm.__version__} (Apache-2.0), by bench/peers/make_timm_table.py\n")
        out.write("\t".join(["name", "kind", *COLUMNS, "other"]) + "\n")
        for r in plain + others:
            out.write("\t".join(r) + "\n")
    with args.eva.open("w", encoding="utf-8", newline="\n") as out:
        out.write(f"# names of timm {timm.__version__} (Apache-2.0) that are Eva, by bench/peers/make_timm_table.py\n")
        out.write("\t".join(["name", "kind", *EVA_COLUMNS, "other"]) + "\n")
        for r in eva:
            out.write("\t".join(r) + "\n")
    print(len(plain), "vision transformers,", len(eva), "Evas,", len(others), "others,", len(failed), "failed", failed[:20])


if __name__ == "__main__":
    main()
