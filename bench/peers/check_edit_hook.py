"""That an exported edit does in `transformers`, `open_clip` and ONNX Runtime what clipsteer does in its own tower.

    python bench/peers/check_edit_hook.py --work /tmp/edit_hook

Run in the project's root, after a build. On the test suite's small checkpoints of both libraries: trains a ReLU SAE, exports an
edit of five features, and compares, for noise images of the models' own size (nothing is resized) and random unit words, the probabilities of clipsteer's own edited
tower (`steer --ablate`) with softmax over the hooked model's embeddings; and what the exported ONNX encoder gives for the peer's
own pixels with the hooked model's embeddings, also for an edit that caps the features. Prints the largest differences, and how far the edit moves the answers.
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
FEATURES = [3, 17, 30, 44, 61]
CAP = 0.2
NAMES = {"moved": "edit_moves_by", "cap_moved": "cap_moves_embeddings_by"}


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


def transformers_clip(path):
    model = CLIPModel.from_pretrained(path, dtype=torch.float32).eval()
    processor = CLIPImageProcessor.from_pretrained(path)

    def pixels(file):
        return processor(Image.open(file), return_tensors="pt")["pixel_values"]

    def embed(batch):
        with torch.no_grad():
            return model.visual_projection(model.vision_model(batch).pooler_output)

    return model, pixels, embed, model.logit_scale.exp().item()


def native_open_clip(path):
    config = json.loads((path / "open_clip_config.json").read_text())
    model = open_clip.CLIP(**config["model_cfg"]).eval()
    model.load_state_dict(load_file(path / "open_clip_model.safetensors"))
    preprocess = open_clip.transform.image_transform(
        config["preprocess_cfg"]["size"], False, config["preprocess_cfg"]["mean"], config["preprocess_cfg"]["std"])

    def pixels(file):
        return preprocess(Image.open(file)).unsqueeze(0)

    def embed(batch):
        with torch.no_grad():
            return model.encode_image(batch)

    return model, pixels, embed, model.logit_scale.exp().item()


def exported(work, name, path, sae, protocol, value):
    """An edit's hook, and its encoder in ONNX Runtime. Protocol 2: the value is a cap."""
    (work / f"{name}.json").write_text(json.dumps({
        "protocol": protocol, "model": str(path), "sae": str(sae), "hook_point": "blocks.0.hook_resid_post", "tokens": "all",
        "features": [{"id": f, "value": value} for f in FEATURES]}))
    clipsteer("export", "--edit", work / f"{name}.json", "--out", work / f"{name}.safetensors")
    clipsteer("export", "--edit", work / f"{name}.json", "--to", "onnx", "--out", work / f"{name}.onnx")
    spec = importlib.util.spec_from_file_location(name, work / f"{name}.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook, onnxruntime.InferenceSession(work / f"{name}.onnx", providers=["CPUExecutionProvider"])


def check(name, load, work):
    path = MODELS / name
    model, pixels, embed, scale = load(path)
    work.mkdir(parents=True)
    run = work / "run"
    clipsteer("train", "--model", path, "--images", work.parent / "images", "--layer", 0, "--sae", "relu:l1=1e-4",
              "--expansion", 4, "--train-tokens", 2000, "--batch", 64, "--out", run)
    sae = next((run / "saes").iterdir())
    hook, session = exported(work, "edit", path, sae, 1, 0)
    capped_hook, capped_session = exported(work, "capped", path, sae, 2, CAP)
    files = sorted((work.parent / "images").iterdir())[:4]
    width = embed(pixels(files[0])).shape[-1]
    worst = {"unedited": 0.0, "edited": 0.0, "onnx": 0.0, "moved": 0.0, "capped_onnx": 0.0, "cap_moved": 0.0}
    for file in files:
        batch = pixels(file)
        plain = torch.nn.functional.normalize(embed(batch), dim=-1)
        handle = capped_hook.attach(model)
        hooked = torch.nn.functional.normalize(embed(batch), dim=-1)
        handle.remove()
        onnx = torch.from_numpy(capped_session.run(["image_embeds"], {"pixel_values": batch.numpy()})[0])
        worst["capped_onnx"] = max(worst["capped_onnx"], (onnx - hooked).abs().max().item())
        worst["cap_moved"] = max(worst["cap_moved"], (plain - hooked).abs().max().item())
    for number in range(4):
        rows = library(work / f"words{number}", 5, width, number)
        for file in files:
            told = clipsteer("steer", "--run", run, "--image", file, "--ablate", "--library", work / f"words{number}",
                             "--json", *[w for f in FEATURES for w in ("--feature", f)])
            got = {}
            batch = pixels(file)
            got["unedited"] = embed(batch)
            handle = hook.attach(model)
            got["edited"] = embed(batch)
            handle.remove()
            onnx = torch.from_numpy(session.run(["image_embeds"], {"pixel_values": batch.numpy()})[0])
            hooked = torch.nn.functional.normalize(got["edited"], dim=-1)
            worst["onnx"] = max(worst["onnx"], (onnx - hooked).abs().max().item())
            assert torch.equal(embed(batch), got["unedited"]), "the hook stays after remove()"
            p = {k: torch.softmax(scale * torch.nn.functional.normalize(e, dim=-1) @ rows.T, -1)[0] for k, e in got.items()}
            for key, answers in (("unedited", told["before"]), ("edited", told["after"])):
                for answer in answers:
                    worst[key] = max(worst[key], abs(p[key][answer["index"]].item() - answer["probability"]))
            worst["moved"] = max(worst["moved"], (p["edited"] - p["unedited"]).abs().max().item())
    return {"model": name, "library": "transformers" if load is transformers_clip else "open_clip",
            **{NAMES.get(k, "max_difference_" + k): v for k, v in worst.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=pathlib.Path, help="a new folder")
    work = parser.parse_args().work
    images(work / "images", 40)
    rows = [check("hf-clip-quickgelu", transformers_clip, work / "transformers"),
            check("open-clip-native", native_open_clip, work / "open_clip")]
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
