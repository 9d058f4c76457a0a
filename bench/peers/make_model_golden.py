"""Makes tiny random checkpoints of every family that clipsteer reads, each with golden activations.

    python make_model_golden.py --out engine/src/test/resources/models
    python make_model_golden.py --shapes vit-b-32,vit-b-16,vit-l-14 --out DIR     full-size ones, for local comparison

Each fixture is a folder as users find it (file names, keys and config of the family's real checkpoints) plus
`golden.safetensors` and `golden.json` (which names every tensor, the forward conventions and the library versions).
The model that gives the golden numbers is loaded from the files just written, by the library that users load them with,
so files, config and numbers belong together. It runs in float64 on the stored weights; the result is rounded to
float32. `float32_max_abs_error` in golden.json is what the same library gives in float32 against it.

All parameters are redrawn: LayerNorm weights around 1 +- 0.2, biases +- 0.1, LayerScale around 0.5, everything else
random, so that a swapped, transposed or forgotten tensor shows. Everything is a function of the fixture's name.

hf-clip-quickgelu must already hold the tokenizer of make_tokenizer_golden.py (it is made when it is absent).

Made with torch 2.15.0, transformers 5.23.0, open_clip_torch 3.3.0, timm 1.0.31, safetensors 0.8.0.
"""

import argparse
import collections
import importlib.metadata
import json
import os
import pathlib
import tempfile
import warnings
import zipfile
import zlib

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

import make_tokenizer_golden as tokens  # noqa: E402

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
TEXTS = ["a photo of a dog", "a photo of many birds holding the red umbrella near the lake.", "", "origami " * 90]
TEXT_INDEX = [0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 75, 76]


def seeded(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


# ---------------------------------------------------------------------------------------------- weights and inputs


@torch.no_grad()
def randomise(model, name, half=()):
    """Redraws every parameter; those that `half` accepts (all for True) are rounded to float16 values."""
    rng = seeded(name)
    norms = {f"{n}." for n, m in model.named_modules() if isinstance(m, torch.nn.LayerNorm)}
    for key, p in model.named_parameters():
        draw = torch.from_numpy(rng.standard_normal(tuple(p.shape), dtype=np.float32))
        owner = key.rpartition(".")[0] + "."
        if key.endswith("logit_scale"):
            value = torch.tensor(3.9)
        elif owner in norms and key.endswith("weight"):
            value = 1 + 0.2 * draw
        elif key.endswith("lambda1") or key.endswith("gamma"):
            value = 0.5 + 0.2 * draw
        elif key.endswith("bias"):
            value = 0.1 * draw
        elif "embedding" in key.split("patch_embed")[0] or "token" in key or "pos_embed" in key or p.ndim == 1:
            value = 0.3 * draw
        else:
            fan_in = p[0].numel()
            value = draw * min(0.3, max(0.05, 0.9 / fan_in**0.5))
        if half is True or (half and half(key)):
            value = value.half().float()
        p.copy_(value.reshape(p.shape))
    return model.eval()


def images(name, batch, size, mean, std):
    """Smooth random 8-bit images, normalised: [batch, 3, size, size]."""
    rng = seeded(name + "/input")
    coarse = torch.from_numpy(rng.uniform(0, 255, (batch, 3, 5, 5)).astype(np.float32))
    x = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)
    x = (x + torch.from_numpy(rng.normal(0, 12, (batch, 3, size, size)).astype(np.float32))).round().clamp(0, 255)
    return (x / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def token_rows(name, context, vocab):
    """Rows as open_clip's tokenizer gives them: vocab-2 begins, vocab-1 ends, 0 pads; one fills the context."""
    rng = seeded(name + "/text")
    rows = np.zeros((4, context), dtype=np.int64)
    for row, length in zip(rows, [context, 5, 2, context // 2]):
        row[:length] = rng.integers(1, vocab - 2, length)
        row[0], row[length - 1] = vocab - 2, vocab - 1
    rows[3, context // 2 + 2] = vocab - 1  # a second end: the first one counts
    return torch.from_numpy(rows)


# ---------------------------------------------------------------------------------------------- the golden pass


class Taps:
    """Collects what modules return during one forward pass."""

    def __init__(self, model):
        self.model, self.seen, self.handles = model, {}, []

    def tap(self, key, module, index=None):
        def hook(_, __, out):
            out = out[0] if isinstance(out, tuple) else out
            self.seen[key] = out if index is None else out[:, index]

        self.handles.append(module.register_forward_hook(hook))

    def blocks(self, prefix, pairs, index=None):
        for layer, (block, mlp) in enumerate(pairs):
            self.tap(f"{prefix}resid_block{layer}", block, index)
            self.tap(f"{prefix}mlp_out_block{layer}", mlp, index)


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


def run(model, forward, dtype):
    """One pass of `forward(model, taps, cast)` in `dtype`; gives every golden tensor."""
    model = model.to(dtype).eval()
    taps = Taps(model)
    with torch.inference_mode():
        out = forward(model, taps, lambda x: x.to(dtype))
    for handle in taps.handles:
        handle.remove()
    return {k: v.detach().clone() for k, v in {**taps.seen, **out}.items()}


def write_golden(folder, model, forward, given, facts):
    """golden.safetensors and golden.json; `given` are the inputs, stored as they are."""
    exact = run(model, forward, torch.float64)
    single = run(model, forward, torch.float32)
    errors = {k: float(f"{(single[k].double() - exact[k]).abs().max().item():.2g}") for k in exact}
    assert all(torch.isfinite(v).all() for v in exact.values())
    stored = {**given, **{k: v.float().contiguous() for k, v in exact.items()}}
    save_file(stored, folder / "golden.safetensors")
    known = {
        "input": "preprocessed images [B,3,H,W]",
        "token_index": "tokens that resid_block* and mlp_out_block* hold, of the vision tower's sequence",
        "text_token_index": "positions that text_resid_block* and text_mlp_out_block* hold",
        "pooled": "final norm of the pooled token, before any projection",
        "image_embed": "unit norm", "text_embed": "unit norm",
        "logits": "exp(logit_scale) * image_embed . text_embed",
    }
    names = {}
    for key in sorted(stored):
        kind = {torch.int64: "I64", torch.float32: "F32"}[stored[key].dtype]
        text = known.get(key) or ("output of the block" if "resid" in key else
                                  "what the block's MLP adds to the residual" if "mlp_out" in key else "")
        names[key] = f"{kind} {list(stored[key].shape)}" + (f", {text}" if text else "")
    record = {
        "what": "random weights; float64 forward pass of the files in this folder, rounded to float32",
        "script": "bench/peers/make_model_golden.py", **facts, "tensors": names, "float32_max_abs_error": errors,
        "versions": {p: importlib.metadata.version(p).split("+")[0]
                     for p in ("torch", "transformers", "open_clip_torch", "timm", "safetensors")},
    }
    write_json(folder / "golden.json", record)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def fresh(out, name, keep=()):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.name not in keep:
            file.unlink()
    return folder


def classic(state, half=None):
    """Plain contiguous tensors in a checkpoint's dtype."""
    return {k: (v.half() if half and v.is_floating_point() else v).detach().clone().contiguous()
            for k, v in state.items()}


# ---------------------------------------------------------------------------------------------- HF CLIP

HF_PREPROCESS = {
    "crop_size": 32, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3,
    "size": 32}

HF_FORWARD = ("patch convolution without bias, CLS in front, positions, pre_layrnorm, blocks; pooled = "
              "post_layernorm(CLS); image_embed = normalize(visual_projection.weight . pooled); LayerNorm eps 1e-5; "
              "text: causal mask and no attention mask, so padded positions are computed too")


def hf_forward(pixels, ids=None, index=None, text_index=None):
    def forward(model, taps, cast):
        vision = model.vision_model if hasattr(model, "vision_model") else model
        taps.blocks("", [(b, b.mlp) for b in vision.encoder.layers], index)
        pooled = vision(pixel_values=cast(pixels)).pooler_output
        out = {"pooled": pooled, "image_embed": unit(model.visual_projection(pooled))}
        if ids is not None:
            text = model.text_model
            taps.blocks("text_", [(b, b.mlp) for b in text.encoder.layers], text_index)
            out["text_pooled"] = text(input_ids=ids).pooler_output
            out["text_embed"] = unit(model.text_projection(out["text_pooled"]))
            out["logits"] = model.logit_scale.exp() * out["image_embed"] @ out["text_embed"].T
        return out

    return forward


def hf_given(pixels, ids=None, index=None, text_index=None):
    sequence = torch.tensor(index)
    given = {"input": pixels, "token_index": sequence}
    if ids is not None:
        given |= {"input_ids": ids, "text_token_index": torch.tensor(text_index)}
    return given


def hf_clip_config(act, eos, vocab, layers=3, width=24, heads=3, text_heads=8):
    """What the file says; the model is built from it, so an absent field means the library's default."""
    config = {
        "architectures": ["CLIPModel"], "initializer_factor": 1.0, "logit_scale_init_value": 2.6592,
        "model_type": "clip", "projection_dim": 20, "torch_dtype": "float32", "transformers_version": None,
        "text_config": {"model_type": "clip_text_model", "hidden_size": 16, "intermediate_size": 32,
                        "num_hidden_layers": 2, "vocab_size": vocab, "bos_token_id": 0, "eos_token_id": eos,
                        "pad_token_id": 1, "dropout": 0.0},
        "text_config_dict": None,
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": width, "intermediate_size": 2 * width,
                          "num_hidden_layers": layers, "num_attention_heads": heads, "image_size": 32,
                          "patch_size": 8, "dropout": 0.0},
        "vision_config_dict": None}
    if text_heads != 8:
        config["text_config"]["num_attention_heads"] = text_heads
    if act != "quick_gelu":
        config["text_config"]["hidden_act"] = config["vision_config"]["hidden_act"] = act
    return config


def hf_clip_state(config, name, half=False):
    from transformers import CLIPConfig, CLIPModel

    return randomise(CLIPModel(CLIPConfig(**config)), name, half=half).state_dict()


def hf_clip_load(folder, dtype=torch.float32):
    from transformers import CLIPModel

    model, info = CLIPModel.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    return model


def hf_tokenised(out):
    from transformers import CLIPTokenizerFast

    tokenizer = CLIPTokenizerFast.from_pretrained(out / "hf-clip-quickgelu")
    return tokenizer(TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt")["input_ids"]


TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")


def hf_finish(folder, name, ids, facts):
    pixels = images(name, 3, 32, CLIP_MEAN, CLIP_STD)
    index = list(range(17))
    write_golden(folder, hf_clip_load(folder), hf_forward(pixels, ids, text_index=TEXT_INDEX),
                 hf_given(pixels, ids, index, TEXT_INDEX), {"family": "hf-clip", "forward": HF_FORWARD, **facts})


def make_hf_clip_quickgelu(out, name="hf-clip-quickgelu"):
    folder = fresh(out, name, TOKENIZER_FILES)
    if not (folder / "tokenizer.json").exists():
        tokens.save(folder, tokens.train(tokens.TINY_SIZE - 512 - 2))
    config = hf_clip_config("quick_gelu", 2, tokens.TINY_SIZE)
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", HF_PREPROCESS)
    save_file(classic(hf_clip_state(config, name)), folder / "model.safetensors", {"format": "pt"})
    hf_finish(folder, name, hf_tokenised(out), {
        "activation": "quick_gelu", "texts": TEXTS,
        "pooling": "eos_token_id 2 in the config: the position of the largest id (its first occurrence)",
        "absent_fields": "hidden_act quick_gelu, layer_norm_eps 1e-5, num_channels 3, max_position_embeddings 77, text "
                         "num_attention_heads 8"})


def legacy_position_ids():
    return {"text_model.embeddings.position_ids": torch.arange(77)[None],
            "vision_model.embeddings.position_ids": torch.arange(17)[None]}


def make_hf_clip_gelu_sharded(out, name="hf-clip-gelu-sharded"):
    folder = fresh(out, name)
    vocab = tokens.TINY_SIZE + 2
    config = hf_clip_config("gelu", tokens.TINY_SIZE - 1, vocab, text_heads=4)
    config |= {"torch_dtype": "float16"}
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", {
        **HF_PREPROCESS, "crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 32}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_convert_rgb": True})
    state = {**classic(hf_clip_state(config, name, half=True), half=True), **legacy_position_ids()}
    keys = sorted(state)
    shards = {k: f"model-0000{1 + (i >= len(keys) // 2)}-of-00002.safetensors" for i, k in enumerate(keys)}
    for shard in sorted(set(shards.values())):
        save_file({k: state[k] for k in keys if shards[k] == shard}, folder / shard, {"format": "pt"})
    total = sum(v.numel() * v.element_size() for v in state.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": shards})
    ids = hf_tokenised(out).clone()
    ids[1, 2] = vocab - 1  # an added token above the end-of-text id: pooling at the largest id would be wrong
    hf_finish(folder, name, ids, {
        "activation": "gelu (erf)", "weights": "F16, two shards, with the legacy position_ids tensors",
        "pooling": "first occurrence of eos_token_id; row 1 holds a larger id before it"})


def make_hf_clip_bin(out, name="hf-clip-bin"):
    folder = fresh(out, name)
    config = hf_clip_config("quick_gelu", 2, tokens.TINY_SIZE, layers=2, width=16, heads=2)
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", HF_PREPROCESS)
    state = {**hf_clip_state(config, name), **legacy_position_ids()}
    for key in ("visual_projection.weight", "text_projection.weight"):  # as in the real files: a transposed view
        state[key] = state[key].T.contiguous().T
        assert not state[key].is_contiguous()
    shared = torch.cat([state["vision_model.post_layernorm.weight"], state["vision_model.post_layernorm.bias"]])
    state["vision_model.post_layernorm.weight"], state["vision_model.post_layernorm.bias"] = shared[:16], shared[16:]
    torch.save(collections.OrderedDict(state), folder / "pytorch_model.bin")
    hf_finish(folder, name, hf_tokenised(out), {
        "activation": "quick_gelu", "weights": "torch.save of an OrderedDict; the two projections are transposed views "
        "(strides [1, n]), vision_model.post_layernorm.weight and .bias are two views of one storage",
        "pooling": "eos_token_id 2: the position of the largest id"})


def make_hf_clip_vision_only(out, name="hf-clip-vision-only"):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = fresh(out, name)
    config = {"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", "hidden_size": 24,
              "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 32,
              "patch_size": 8, "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "projection_dim": 20,
              "attention_dropout": 0.0, "torch_dtype": "float32"}
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", HF_PREPROCESS)
    model = randomise(CLIPVisionModelWithProjection(CLIPVisionConfig(**config)), name)
    save_file(classic(model.state_dict()), folder / "model.safetensors", {"format": "pt"})
    model, info = CLIPVisionModelWithProjection.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"], info
    pixels = images(name, 3, 32, CLIP_MEAN, CLIP_STD)
    write_golden(folder, model, hf_forward(pixels), hf_given(pixels, index=list(range(17))),
                 {"family": "hf-clip-vision", "activation": "gelu (erf)", "forward": HF_FORWARD,
                  "config": "the fields of vision_config stand at the root; there is no text tower and no logit_scale"})


# ---------------------------------------------------------------------------------------------- open_clip

OPEN_CLIP_TEXT = {"context_length": 16, "vocab_size": 96, "width": 16, "heads": 2, "layers": 2}
OPEN_CLIP_FORWARD = ("conv1 without bias, class_embedding in front, positional_embedding, ln_pre, blocks; pooled = "
                     "ln_post(CLS); image_embed = normalize(pooled @ visual.proj), proj is [width, embed]; "
                     "LayerNorm eps 1e-5; text: causal, pooled = ln_final at the first largest id, @ text_projection")


def preprocess_cfg(size, mean=CLIP_MEAN, std=CLIP_STD):
    return {"mean": mean, "std": std, "size": [size, size], "mode": "RGB", "interpolation": "bicubic",
            "resize_mode": "shortest", "fill_color": 0}


def open_clip_build(model_cfg):
    from open_clip.model import CLIP, CustomTextCLIP

    cfg = {k: v for k, v in model_cfg.items() if k != "custom_text"}
    return (CustomTextCLIP if model_cfg.get("custom_text") else CLIP)(**cfg)


def open_clip_forward(pixels, ids, index=None, text_index=None):
    def forward(model, taps, cast):
        visual = model.visual
        if hasattr(visual, "trunk"):
            taps.blocks("", [(b, b.ls2) for b in visual.trunk.blocks], index)
            pooled = visual.trunk(cast(pixels))
            embed = visual.head(pooled)
        else:
            taps.blocks("", [(b, b.mlp) for b in visual.transformer.resblocks], index)
            taps.tap("norm", visual.ln_post)
            embed = visual(cast(pixels))
            pooled = taps.seen.pop("norm")
            pooled = pooled[:, 0] if pooled.ndim == 3 else pooled
        text = model.text if hasattr(model, "text") else model
        taps.blocks("text_", [(b, b.mlp) for b in text.transformer.resblocks], text_index)
        taps.tap("norm", text.ln_final)
        text_embed = model.encode_text(ids, normalize=True)
        norm = taps.seen.pop("norm")
        out = {"pooled": pooled, "image_embed": unit(embed), "text_embed": text_embed,
               "text_pooled": norm[torch.arange(len(ids)), ids.argmax(dim=-1)]}
        out["logits"] = model.logit_scale.exp() * out["image_embed"] @ text_embed.T
        return out

    return forward


def open_clip_finish(folder, name, model, facts, size=32, batch=3, tokens_seen=17, index=None, mean=CLIP_MEAN, std=CLIP_STD):
    pixels = images(name, batch, size, mean, std)
    ids = token_rows(name, OPEN_CLIP_TEXT["context_length"], OPEN_CLIP_TEXT["vocab_size"])
    given = {"input": pixels, "token_index": torch.arange(tokens_seen), "input_ids": ids,
             "text_token_index": torch.arange(ids.shape[1])}
    write_golden(folder, model, open_clip_forward(pixels, ids, index), given, facts)


def write_open_clip_config(folder, model_cfg, **preprocess):
    write_json(folder / "open_clip_config.json",
               {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg(32, **preprocess)})


def reload(build, state):
    """A new model with exactly the stored tensors."""
    model = build()
    model.load_state_dict({k: v.float() for k, v in state.items()}, strict=True)
    return model


def stored_open_clip(folder, cfg, name):
    """A model of random weights in half precision, as its folder has it."""
    state = classic(randomise(open_clip_build(cfg), name, half=True).state_dict(), half=True)
    save_file(state, folder / "open_clip_model.safetensors", {"format": "pt"})
    return reload(lambda: open_clip_build(cfg), load_file(folder / "open_clip_model.safetensors"))


def make_open_clip_native(out, name="open-clip-native"):
    folder = fresh(out, name)
    cfg = {"embed_dim": 20, "quick_gelu": True, "text_cfg": OPEN_CLIP_TEXT,
           "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "mlp_ratio": 2.0}}
    write_open_clip_config(folder, cfg)
    model = stored_open_clip(folder, cfg, name)
    open_clip_finish(folder, name, model, {
        "family": "open-clip", "activation": "quick_gelu", "forward": OPEN_CLIP_FORWARD,
        "weights": "F16; head_width is absent: 64, so one head; attn_mask is not stored"})


def make_open_clip_no_causal(out, name="open-clip-no-causal"):
    """Padding counts here, so the golden values hold texts, and ids by open_clip's SimpleTokenizer."""
    import gzip
    import shutil

    import open_clip

    folder = fresh(out, name)
    merges = tokens.train(tokens.TINY_SIZE - 514)
    tiny = out / "hf-clip-quickgelu" / "tokenizer.json"
    shutil.copy(tiny, folder)
    with tempfile.TemporaryDirectory() as temp:
        path = pathlib.Path(temp) / "bpe.txt.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write("\n".join(["#version", *(f"{a} {b}" for a, b in merges)]))
        tokenizer = open_clip.SimpleTokenizer(str(path), context_length=16)
    texts = ["a baker\u2019s dog", "salt &amp; pepper", "caf\u00c3\u00a9", "A  Photo", "", "a photo of a dog " * 9]
    ids = tokenizer(texts)
    text_cfg = {**OPEN_CLIP_TEXT, "vocab_size": tokens.TINY_SIZE, "no_causal_mask": True, "pool_type": "eos",
                "eos_id": tokens.TINY_SIZE - 1, "norm_kwargs": {"eps": 0.01}, "act_kwargs": {"approximate": "tanh"}}
    cfg = {"embed_dim": 20, "custom_text": True, "text_cfg": text_cfg,
           "vision_cfg": {"image_size": 32, "layers": 1, "width": 24, "patch_size": 8, "head_width": 8}}
    write_open_clip_config(folder, cfg)
    model = stored_open_clip(folder, cfg, name)
    pixels = images(name, 2, 32, CLIP_MEAN, CLIP_STD)
    given = {"input": pixels, "token_index": torch.arange(17), "input_ids": ids, "text_token_index": torch.arange(16)}
    write_golden(folder, model, open_clip_forward(pixels, ids), given, {
        "family": "open-clip", "activation": "vision gelu (erf), text gelu (tanh)", "forward": OPEN_CLIP_FORWARD +
        "; here not causal, pooled at the first end token, norms of the text tower with eps 0.01", "weights": "F16",
        "texts": "input_ids of the metadata's texts by open_clip.SimpleTokenizer over the tiny vocabulary; padding is 0"})
    golden = load_file(folder / "golden.safetensors")
    save_file(golden, folder / "golden.safetensors", {"texts": json.dumps(texts)})


def make_open_clip_custom_text_bin(out, name="open-clip-custom-text-bin"):
    folder = fresh(out, name)
    cfg = {"embed_dim": 20, "custom_text": True, "text_cfg": OPEN_CLIP_TEXT,
           "vision_cfg": {"image_size": 32, "layers": 2, "width": 24, "patch_size": 8, "head_width": 8}}
    write_open_clip_config(folder, cfg)
    model = randomise(open_clip_build(cfg), name)
    optimizer = torch.optim.AdamW([{"params": [model.logit_scale]}], lr=1e-3)
    model.logit_scale.grad = torch.zeros(())
    optimizer.step()  # a step, so that the optimizer has a state; then the weight decay is undone
    randomise(model, name)
    state = {"module." + k: v for k, v in classic(model.state_dict()).items()}
    torch.save({"epoch": 3, "name": "tiny-run", "state_dict": state, "optimizer": optimizer.state_dict()},
               folder / "open_clip_pytorch_model.bin")
    stored = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True)["state_dict"]
    model = reload(lambda: open_clip_build(cfg), {k.removeprefix("module."): v for k, v in stored.items()})
    open_clip_finish(folder, name, model, {
        "family": "open-clip", "activation": "gelu (erf)", "forward": OPEN_CLIP_FORWARD,
        "weights": "F32 training checkpoint {epoch, name, state_dict, optimizer}; keys begin with module.; text keys "
                   "with text."})


def make_open_clip_timm(out, name="open-clip-timm"):
    """test_vit is the smallest trunk of timm's registry: two heads, 32 wide."""
    folder = fresh(out, name)
    cfg = {"embed_dim": 20, "custom_text": True, "text_cfg": OPEN_CLIP_TEXT,
           "vision_cfg": {"timm_model_name": "test_vit", "timm_model_pretrained": False,
                          "timm_pool": "token", "timm_proj": "linear", "image_size": 160}}
    half_mean = {"mean": [0.5] * 3, "std": [0.5] * 3}
    write_json(folder / "open_clip_config.json",
               {"model_cfg": cfg, "preprocess_cfg": preprocess_cfg(160, **half_mean)})
    model = stored_open_clip(folder, cfg, name)
    open_clip_finish(folder, name, model, {
        "family": "open-clip-timm", "activation": "gelu (erf), in both towers", "weights": "F16",
        "forward": "LayerNorm eps 1e-6 in the vision tower, 1e-5 in the text tower; patch_embed.proj has a bias; no "
                   "norm before the blocks; pooled = visual.trunk.norm(CLS); image_embed = "
                   "normalize(visual.head.proj.weight . pooled), no bias",
        "sizes": "from timm's registry, by the name"}, size=160, batch=1, index=torch.arange(17), **half_mean)


def without_sources(path):
    """Drops debug_pkl (it holds local paths) and traced_inputs, which the original lacks; keeps 64-byte alignment."""
    with zipfile.ZipFile(path) as source:
        entries = [(info.filename, source.read(info)) for info in source.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for entry, data in entries:
            if not entry.endswith(".debug_pkl") and "/traced_inputs" not in entry:
                info = zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0))
                fill = -(target.fp.tell() + 30 + len(entry.encode()) + 4) % 64
                info.extra = b"FB" + fill.to_bytes(2, "little") + b"Z" * fill
                target.writestr(info, data)


def make_openai_pt(out, name="openai-pt"):
    from open_clip.model import CLIP, convert_weights_to_fp16

    folder = fresh(out, name)
    cfg = {"embed_dim": 20, "quick_gelu": True, "text_cfg": OPEN_CLIP_TEXT,
           "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "mlp_ratio": 2.0}}
    text = dict(OPEN_CLIP_TEXT, vocab_size=48, width=64, heads=1, layers=1, mlp_ratio=2.0)
    cfg = {**cfg, "text_cfg": text}
    model = randomise(open_clip_build(cfg), name)
    ids = token_rows(name, text["context_length"], text["vocab_size"])
    pixels = images(name, 3, 32, CLIP_MEAN, CLIP_STD)

    class Archive(torch.nn.Module):
        """The original's root: parameters under its names, three sizes as buffers, forward(image, text)."""

        def __init__(self, clip):
            super().__init__()
            for key, child in clip.named_children():
                self.add_module(key, child)
            for key, parameter in clip.named_parameters(recurse=False):
                self.register_parameter(key, parameter)
            for key, size in (("input_resolution", 32), ("context_length", 16), ("vocab_size", 48)):
                self.register_buffer(key, torch.tensor(size))
            self.register_buffer("attn_mask", clip.attn_mask, persistent=False)

        def forward(self, image, text):
            size = self.input_resolution + self.context_length + self.vocab_size  # so that they are kept
            x = self.token_embedding(text) + self.positional_embedding
            x = self.ln_final(self.transformer(x, attn_mask=self.attn_mask))
            x = x[torch.arange(x.shape[0]), text.argmax(dim=-1)] @ self.text_projection
            return self.logit_scale.exp() * unit(self.visual(image)) @ unit(x).T + 0 * size

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive = torch.jit.trace(Archive(model).eval(), (pixels, ids), check_trace=False)
        halved = open_clip_build(cfg)
        convert_weights_to_fp16(halved)
        half_keys = {k for k, v in halved.state_dict().items() if v.dtype == torch.float16}
        for key, parameter in archive.named_parameters():
            if key in half_keys:
                parameter.data = parameter.data.half()
        torch.jit.save(archive, str(folder / "model.pt"))
        without_sources(folder / "model.pt")
        stored = torch.jit.load(str(folder / "model.pt")).state_dict()
    sizes = {k: int(stored.pop(k)) for k in ("input_resolution", "context_length", "vocab_size")}
    stored.pop("attn_mask", None)
    clip = reload(lambda: open_clip_build(cfg), stored)
    given = {"input": pixels, "token_index": torch.arange(17), "input_ids": ids,
             "text_token_index": torch.arange(ids.shape[1])}
    write_golden(folder, clip, open_clip_forward(pixels, ids), given, {
        "family": "openai", "activation": "quick_gelu", "forward": OPEN_CLIP_FORWARD,
        "weights": "TorchScript archive; F16 for convolution, linear, attention and projections, F32 for embeddings, "
                   "LayerNorm and logit_scale; 0-dimensional I64 buffers " + json.dumps(sizes),
        "sizes": "heads = width / 64 in both towers; all else from the tensors"})


# ---------------------------------------------------------------------------------------------- timm and HF ViTs


def vision_finish(folder, name, model, forward, facts, count, mean, std, small=None):
    """`small` is a second image size, for which the position embeddings are interpolated."""
    pixels = images(name, 3, 32, mean, std)
    given = {"input": pixels, "token_index": torch.arange(count)}
    passes = forward(pixels)
    if small:
        given["small_input"] = images(name + "/small", 2, small, mean, std)

        def passes(m, taps, cast):
            second = Taps(m)
            out = {f"small_{k}": v for k, v in forward(given["small_input"])(m, second, cast).items()}
            out |= {f"small_{k}": v for k, v in second.seen.items() if k.startswith("resid")}
            for handle in second.handles:
                handle.remove()
            return {**out, **forward(pixels)(m, taps, cast)}

    write_golden(folder, model, passes, given, facts)


def timm_fixture(out, name, architecture, prefix, extra=None, **changes):
    import timm

    folder = fresh(out, name)
    args = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2, "mlp_ratio": 2, **changes}
    model = randomise(timm.create_model(architecture, num_classes=10, **args), name, half=True)
    cfg = model.pretrained_cfg
    write_json(folder / "config.json", {
        "architecture": architecture, "num_classes": 10, "num_features": 32, "global_pool": model.global_pool,
        "model_args": args,
        "pretrained_cfg": {"tag": cfg["tag"], "custom_load": False, "input_size": [3, 32, 32],
                           "fixed_input_size": True, "interpolation": cfg["interpolation"],
                           "crop_pct": cfg["crop_pct"], "crop_mode": "center", "mean": list(cfg["mean"]),
                           "std": list(cfg["std"]), "num_classes": 10, "pool_size": None,
                           "first_conv": "patch_embed.proj", "classifier": cfg["classifier"]}})
    save_file(classic(model.state_dict(), half=True), folder / "model.safetensors", {"format": "pt"})
    model = reload(lambda: timm.create_model(architecture, num_classes=10, **args),
                   load_file(folder / "model.safetensors"))

    def forward(pixels):
        def inner(m, taps, cast):
            taps.blocks("", [(b, b.ls2) for b in m.blocks])
            features = m.forward_features(cast(pixels))
            return {"pooled": m.forward_head(features, pre_logits=True), "class_logits": m(cast(pixels))}

        return inner

    vision_finish(folder, name, model, forward, {
        "family": "timm-vit", "activation": "gelu (erf)", "weights": "F16",
        "forward": f"prefix tokens {prefix}, then the patches; positions are added to all; no norm before "
                   "the blocks; LayerNorm eps 1e-6; pooled = forward_head(pre_logits=True)", **(extra or {})},
        count=16 + prefix.count(",") + 1, mean=cfg["mean"], std=cfg["std"])


def make_timm_vit(out):
    timm_fixture(out, "timm-vit", "vit_tiny_patch16_224", "[cls_token]",
                 {"class_logits": "head.weight . pooled + head.bias"})


def make_timm_deit_distilled(out):
    timm_fixture(out, "timm-deit-distilled", "deit_tiny_distilled_patch16_224", "[cls_token, dist_token]",
                 {"class_logits": "mean of head(norm(CLS)) and head_dist(norm(DIST)); "
                                  "pooled is the mean of the two normed tokens"}, depth=2)


IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def hf_vision_fixture(out, name, model_class, config_class, config, blocks, pooled, prefix, facts,
                      mean=IMAGENET[0], std=IMAGENET[1], half=True, small=None):
    """A HF vision model; save_pretrained writes the classic key names of the hub's files."""
    folder = fresh(out, name)
    model = randomise(model_class(config_class(**config)), name, half=half)
    scratch = folder / "scratch"
    (model.half() if half else model).save_pretrained(scratch)
    state = load_file(scratch / "model.safetensors")
    for file in scratch.iterdir():
        file.unlink()
    scratch.rmdir()
    assert not any("q_proj" in k or "gate_proj" in k for k in state), sorted(state)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    write_json(folder / "config.json", {"architectures": [model_class.__name__], **config,
                                        "torch_dtype": "float16" if half else "float32"})
    write_json(folder / "preprocessor_config.json", {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": list(mean), "image_std": list(std),
        "resample": 2 if mean[0] == 0.5 else 3, "rescale_factor": 1 / 255, "size": {"height": 32, "width": 32}})
    model, info = model_class.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info

    def forward(pixels):
        def inner(m, taps, cast):
            taps.blocks("", blocks(m))
            return pooled(m, m(pixel_values=cast(pixels)), taps)

        return inner

    vision_finish(folder, name, model, forward, {"weights": "F16" if half else "F32", **facts}, 16 + prefix, mean, std,
                  small)


def make_hf_vit(out):
    from transformers import ViTConfig, ViTForImageClassification

    hf_vision_fixture(
        out, "hf-vit", ViTForImageClassification, ViTConfig,
        {"model_type": "vit", "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
         "intermediate_size": 64, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "image_size": 32, "patch_size": 8,
         "num_channels": 3, "qkv_bias": True, "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0},
        lambda m: [(b, b.mlp) for b in m.vit.layers],
        lambda m, r, t: {"pooled": m.vit.layernorm(t.seen["resid_block2"])[:, 0], "class_logits": r.logits}, 1,
        {"family": "hf-vit", "activation": "gelu (erf)", "class_logits": "classifier.weight . pooled + classifier.bias",
         "forward": "CLS in front, positions on all; no norm before the blocks; LayerNorm eps 1e-12; pooled = "
                    "vit.layernorm(CLS), not the tanh pooler, which this checkpoint lacks"},
        mean=[0.5] * 3, std=[0.5] * 3)


def dinov2(out, name, registers, swiglu):
    import transformers

    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    config = {"model_type": "dinov2_with_registers" if registers else "dinov2", "hidden_size": 24,
              "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2, "hidden_act": "gelu",
              "layer_norm_eps": 1e-6, "image_size": 32, "patch_size": 8, "num_channels": 3, "qkv_bias": True,
              "layerscale_value": 1.0, "drop_path_rate": 0.0, "use_swiglu_ffn": swiglu,
              "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0}
    if registers:
        config["num_register_tokens"] = 4
    order = "[CLS, 4 registers, patches]" if registers else "[CLS, patches]"
    facts = {
        "family": "hf-dinov2", "activation": "silu(first half) * second half of weights_in" if swiglu else "gelu (erf)",
        "forward": f"sequence {order}; positions are added to CLS and patches"
                   + (", then the registers go in after CLS, without positions" if registers else "")
                   + "; LayerNorm eps 1e-6; x + lambda1 * attention, x + lambda1 * MLP; pooled = layernorm(CLS)",
        "mlp_out": "after LayerScale (layer_scale2.lambda1): exactly what is added to the residual",
        "small": "a 24x24 image, a grid of 3x3: the 4x4 patch positions are interpolated, bicubic, align_corners "
                 "false, " + ("with antialias, so a = -0.5" if registers else "without antialias, so a = -0.75")
                 + ", in float32",
        "unused": "embeddings.mask_token"}
    hf_vision_fixture(out, name, getattr(transformers, kind + "Model"), getattr(transformers, kind + "Config"), config,
                      lambda m: [(b, b.layer_scale2) for b in m.encoder.layer],
                      lambda m, r, t: {"pooled": r.pooler_output}, 5 if registers else 1, facts, small=24)


def make_hf_dinov2(out):
    dinov2(out, "hf-dinov2", False, False)


def make_hf_dinov2_registers(out):
    dinov2(out, "hf-dinov2-registers", True, False)


def make_hf_dinov2_swiglu(out):
    dinov2(out, "hf-dinov2-swiglu", False, True)


# ---------------------------------------------------------------------------------------------- full-size shapes

SHAPES = {  # layers, width, heads, patch; text width, heads; embed
    "vit-b-32": (12, 768, 12, 32, 512, 8, 512), "vit-b-16": (12, 768, 12, 16, 512, 8, 512),
    "vit-l-14": (24, 1024, 16, 14, 768, 12, 768)}


def full_tokens(grid):
    return [0, 1, grid // 2, grid * grid // 2, grid * grid]


def make_shape(out, name):
    """<name>-hf with quick_gelu, <name>-open-clip with gelu."""
    from transformers import CLIPConfig, CLIPModel

    layers, width, heads, patch, text_width, text_heads, embed = SHAPES[name]
    index = full_tokens(224 // patch)
    pixels = images(name, 4, 224, CLIP_MEAN, CLIP_STD)
    rows = token_rows(name, 77, 49408)
    text_index = [0, 1, 4, 38, 76]
    given = hf_given(pixels, rows, index, text_index)

    folder = fresh(out, f"{name}-hf")
    shared = {"num_hidden_layers": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
    config = {
        "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": embed,
        "text_config": {**shared, "hidden_size": text_width, "intermediate_size": 4 * text_width,
                        "num_attention_heads": text_heads, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1},
        "vision_config": {**shared, "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers,
                          "num_attention_heads": heads, "patch_size": patch, "image_size": 224}}
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", {**HF_PREPROCESS, "size": 224, "crop_size": 224})
    model = randomise(CLIPModel(CLIPConfig(**config)), folder.name)
    save_file(classic(model.state_dict()), folder / "model.safetensors", {"format": "pt"})
    write_golden(folder, hf_clip_load(folder), hf_forward(pixels, rows, index, text_index), given,
                 {"family": "hf-clip", "activation": "quick_gelu", "forward": HF_FORWARD})

    folder = fresh(out, f"{name}-open-clip")
    cfg = {"embed_dim": embed,
           "vision_cfg": {"image_size": 224, "layers": layers, "width": width, "patch_size": patch},
           "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": text_width, "heads": text_heads,
                        "layers": 12}}
    write_json(folder / "open_clip_config.json", {"model_cfg": cfg, "preprocess_cfg": preprocess_cfg(224)})
    model = randomise(open_clip_build(cfg), folder.name)
    save_file(classic(model.state_dict()), folder / "open_clip_model.safetensors", {"format": "pt"})
    model = reload(lambda: open_clip_build(cfg), load_file(folder / "open_clip_model.safetensors"))
    write_golden(folder, model, open_clip_forward(pixels, rows, index, text_index), given,
                 {"family": "open-clip", "activation": "gelu (erf)", "forward": OPEN_CLIP_FORWARD})


FIXTURES = {
    "hf-clip-quickgelu": make_hf_clip_quickgelu, "hf-clip-gelu-sharded": make_hf_clip_gelu_sharded,
    "hf-clip-bin": make_hf_clip_bin, "hf-clip-vision-only": make_hf_clip_vision_only,
    "open-clip-native": make_open_clip_native, "open-clip-custom-text-bin": make_open_clip_custom_text_bin,
    "open-clip-timm": make_open_clip_timm, "open-clip-no-causal": make_open_clip_no_causal,
    "openai-pt": make_openai_pt, "timm-vit": make_timm_vit, "timm-deit-distilled": make_timm_deit_distilled,
    "hf-vit": make_hf_vit, "hf-dinov2": make_hf_dinov2, "hf-dinov2-registers": make_hf_dinov2_registers,
    "hf-dinov2-swiglu": make_hf_dinov2_swiglu}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", help="fixtures, separated by commas; default: all")
    parser.add_argument("--shapes", help="full-size checkpoints instead: " + ",".join(SHAPES))
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.shapes:
        for name in args.shapes.split(","):
            make_shape(args.out, name)
        return
    for name in args.only.split(",") if args.only else FIXTURES:
        FIXTURES[name](args.out)
        size = sum(f.stat().st_size for f in (args.out / name).iterdir())
        errors = json.loads((args.out / name / "golden.json").read_text())["float32_max_abs_error"]
        print(f"{name:28} {size / 1024:7.1f} KiB   float32 error {max(errors.values()):.1e}")


if __name__ == "__main__":
    main()
