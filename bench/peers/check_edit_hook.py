"""That an exported edit does in `transformers`, `open_clip` (own and timm trunks) and ONNX Runtime what clipsteer does in its own tower.

    python bench/peers/check_edit_hook.py --work /tmp/edit_hook
    python bench/peers/check_edit_hook.py --work /tmp/edit_hook --recent     SigLIP, DINOv3, Perception Encoder, EVA-02, MetaCLIP 2, CLIPA

Run in the project's root, after a build. On the test suite's small checkpoints of both libraries: trains a ReLU and a TopK SAE, makes edits with
`clipsteer edit`, exports them, and compares, for noise images of the models' own size (nothing is resized) and random unit words, the
probabilities of clipsteer's own edited tower (`steer`) with softmax over the hooked model's embeddings; and what the exported ONNX encoder gives
for the peer's own pixels with the hooked model's embeddings. Prints the largest differences, how far each edit moves the answers, and for
thresholds in the place of top-k the disagreement that `export` states.
"""

import argparse
import importlib.util
import json
import pathlib
import subprocess

import numpy
import onnxruntime
import open_clip
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPModel

MODELS = pathlib.Path("engine/src/test/resources/models")
FEATURES = [w for f in (3, 17, 30, 44, 61) for w in ("--feature", f)]
NEURONS = [w for n in (2, 9) for w in ("--neuron", n)]
EDITS = [("relu", FEATURES, ["--ablate"], []), ("relu", FEATURES, ["--cap", 0.2], []), ("relu", FEATURES, ["--scale", 3], []),
         ("relu", NEURONS, ["--set", 1.5], []), ("topk", FEATURES, ["--ablate"], []), ("topk", FEATURES, ["--set", 2], []),
         ("topk", FEATURES, ["--scale", 3], ["--topk", "calibrated"])]


def clipsteer(*words):
    done = subprocess.run(["./clipsteer", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout


def images(folder, count):
    folder.mkdir(parents=True)
    random = numpy.random.default_rng(1)
    for i in range(count):
        coarse = random.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
        Image.fromarray(coarse).resize((32, 32), Image.BICUBIC).save(folder / f"{i:03d}.png")


def library(folder, words, width, seed):
    folder.mkdir(parents=True)
    rows = torch.nn.functional.normalize(torch.randn(words, width, generator=torch.Generator().manual_seed(seed)), dim=-1)
    save_file({"embeddings": rows}, folder / "text_embeddings.safetensors")
    (folder / "words.txt").write_text("".join(f"word{w}\n" for w in range(words)))
    return rows


def metaclip2(path):
    from transformers import MetaClip2Model

    return transformers_clip(path, MetaClip2Model)


def transformers_clip(path, kind=CLIPModel):
    model = kind.from_pretrained(path, dtype=torch.float32).eval()
    processor = CLIPImageProcessor.from_pretrained(path)

    def pixels(file):
        return processor(Image.open(file), return_tensors="pt")["pixel_values"]

    def embed(batch):
        with torch.no_grad():
            return model.visual_projection(model.vision_model(batch).pooler_output)

    return model, pixels, embed, model.logit_scale.exp().item()


def native_open_clip(path):
    config = json.loads((path / "open_clip_config.json").read_text())
    kind = open_clip.CustomTextCLIP if config["model_cfg"].pop("custom_text", False) else open_clip.CLIP
    model = kind(**config["model_cfg"]).eval()
    model.load_state_dict(load_file(path / "open_clip_model.safetensors"))
    preprocess = open_clip.transform.image_transform(
        config["preprocess_cfg"].get("size", config["model_cfg"]["vision_cfg"]["image_size"]), False, config["preprocess_cfg"]["mean"], config["preprocess_cfg"]["std"])

    def pixels(file):
        return preprocess(Image.open(file)).unsqueeze(0)

    def embed(batch):
        with torch.no_grad():
            return model.encode_image(batch)

    return model, pixels, embed, model.logit_scale.exp().item()


def unprojected(kind):
    """A model of transformers that has no projection."""
    import transformers

    def load(path):
        model = getattr(transformers, kind).from_pretrained(path, dtype=torch.float32).eval()
        processor = transformers.AutoImageProcessor.from_pretrained(path)

        def pixels(file):
            return processor(Image.open(file), return_tensors="pt")["pixel_values"]

        def embed(batch):
            with torch.no_grad():
                return getattr(model, "vision_model", model)(pixel_values=batch).pooler_output

        return model, pixels, embed, model.logit_scale.exp().item() if hasattr(model, "logit_scale") else 100

    return load


def timm_model(path):
    import timm

    model = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model), is_training=False)

    def embed(batch):
        with torch.no_grad():
            return model.forward_head(model.forward_features(batch), pre_logits=True)

    return model, lambda file: transform(Image.open(file)).unsqueeze(0), embed, 100


def exported(work, name, edit, more):
    """What export says, the edit's hook, and its encoder in ONNX Runtime."""
    said = clipsteer("export", "--edit", edit, "--out", work / f"{name}.safetensors", "--json", *more)
    clipsteer("export", "--edit", edit, "--to", "onnx", "--out", work / f"{name}.onnx", *more)
    spec = importlib.util.spec_from_file_location(name, work / f"{name}.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return said, hook, onnxruntime.InferenceSession(work / f"{name}.onnx", providers=["CPUExecutionProvider"])


def check(name, load, work, edits=EDITS, count=3, site=()):
    path = MODELS / name
    model, pixels, embed, scale = load(path)
    work.mkdir(parents=True)
    pictures = work.parent / "images"
    for sae in ("relu:l1=1e-4", "topk:k=8"):
        clipsteer("train", "--model", path, "--images", pictures, "--layer", 0, *site, "--sae", sae, "--expansion", 4,
                  "--train-tokens", 2000, "--batch", 64, "--out", work / sae.split(":")[0])
    files = sorted(pictures.iterdir())[:count]
    rows = library(work / "words", 5, embed(pixels(files[0])).shape[-1], 0)
    for number, (sae, units, rule, more) in enumerate(edits):
        units = [f"0:{u}" if isinstance(u, int) else u for u in units]
        edit = f"edit{number}"
        clipsteer("edit", "--run", work / sae, *units, *rule, "--out", work / edit)
        said, hook, session = exported(work, f"{edit}_file", work / edit, [*more, *(["--images", pictures] if more else [])])
        result = {"model": name, "library": type(model).__module__.split(".")[0], "site": site[-1] if site else "resid_post", "sae": sae,
                  "edit": " ".join(map(str, [*units, *rule, *more])), "top_k": said["top_k"]}
        worst = {"tower": 0.0, "onnx": 0.0, "moved": 0.0}
        for file in files:
            batch = pixels(file)
            plain = torch.nn.functional.normalize(embed(batch), dim=-1)
            handle = hook.attach(model)
            hooked = torch.nn.functional.normalize(embed(batch), dim=-1)
            handle.remove()
            assert torch.equal(torch.nn.functional.normalize(embed(batch), dim=-1), plain), "the hook stays after remove()"
            onnx = torch.from_numpy(session.run(["image_embeds"], {"pixel_values": batch.numpy()})[0])
            worst["onnx"] = max(worst["onnx"], (onnx - hooked).abs().max().item())
            before, after = (torch.softmax(scale * e @ rows.T, -1)[0] for e in (plain, hooked))
            worst["moved"] = max(worst["moved"], (after - before).abs().max().item())
            steered = clipsteer("steer", "--run", work / sae, "--image", file, *units, *rule, "--library", work / "words", "--json")
            for answer in steered["after"]:
                worst["tower"] = max(worst["tower"], abs(after[answer["index"]].item() - answer["probability"]))
        result["answers_move_by"] = worst["moved"]
        result["max_difference_onnx_embedding"] = worst["onnx"]
        result["max_difference_clipsteer_probability"] = worst["tower"]
        if "calibration" in said:
            result["calibration"] = said["calibration"]
        yield result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=pathlib.Path, help="a new folder")
    parser.add_argument("--recent", action="store_true", help="the families of 2024 to 2026, two edits and one image each")
    args = parser.parse_args()
    work = args.work
    images(work / "images", 40)
    if args.recent:
        few = dict(edits=[EDITS[0], EDITS[5]], count=1)
        cases = [("hf-siglip", unprojected("SiglipModel"), ()), ("hf-dinov3", unprojected("DINOv3ViTModel"), ()),
                 ("timm-dinov3", timm_model, ("--site", "mlp_out")), ("timm-pe-core", timm_model, ()), ("timm-eva02", timm_model, ()),
                 ("hf-metaclip-2", metaclip2, ()), ("open-clip-clipa", native_open_clip, ())]
        for name, load, site in cases:
            for row in check(name, load, work / name, site=site, **few):
                print(json.dumps(row), flush=True)
        return
    rows = [*check("hf-clip-quickgelu", transformers_clip, work / "transformers"),
            *check("open-clip-native", native_open_clip, work / "open_clip"),
            *check("open-clip-timm", native_open_clip, work / "open_clip_timm")]
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
