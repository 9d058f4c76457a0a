"""Times a CLIP vision tower in PyTorch, as its users run it; prints one JSON line.

    python time_transformers.py --model DIR --images DIR --dtype fp32 --batch 32 --seconds 30
    python time_transformers.py --library open_clip --model DIR --images DIR

--model is a HF CLIP folder (config.json, model.safetensors, preprocessor_config.json) or, with --library open_clip, an
open_clip folder (open_clip_config.json, open_clip_model.safetensors). Measured, each for --seconds after a warm-up:

  tower           the vision tower and its projection on one fixed random batch: images/s
  files_<way>     JPEG files -> unit embeddings in one process, batch by batch: images/s. Ways of HF: `torchvision`
                  (CLIPImageProcessor, the default of transformers 5) and `pil` (CLIPImageProcessorPil); of open_clip:
                  its own transform
  files_<way>_w2  the same with a DataLoader of two workers that decode and preprocess

Each figure is the median over batches of batch / seconds; `batches` says over how many. Attention is sdpa, the model is
in eval mode under inference_mode, torch runs --threads threads. Files are read from the start again when they run out.

Made with torch 2.15.0, transformers 5.23.0, open_clip_torch 3.3.0, torchvision 0.29.2, pillow 13.0.0.
"""

import argparse
import importlib.metadata
import itertools
import json
import os
import pathlib
import platform
import statistics
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
from PIL import Image  # noqa: E402

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def transformers_tower(folder, dtype):
    import transformers

    model = transformers.CLIPModel.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").eval()
    assert model.config._attn_implementation == "sdpa"
    size = model.config.vision_config.image_size

    def embed(pixels):
        return torch.nn.functional.normalize(
            model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output), dim=-1)

    ways = {}
    for way, name in (("torchvision", "CLIPImageProcessor"), ("pil", "CLIPImageProcessorPil")):
        if hasattr(transformers, name):
            ways[way] = HfWay(getattr(transformers, name).from_pretrained(folder))
    return embed, size, ways


class HfWay:
    def __init__(self, processor):
        self.processor = processor

    def __call__(self, paths):
        images = [Image.open(path) for path in paths]
        return self.processor(images=images, return_tensors="pt")["pixel_values"]


class OpenClipWay:
    def __init__(self, transform):
        self.transform = transform

    def __call__(self, paths):
        return torch.stack([self.transform(Image.open(path)) for path in paths])


def open_clip_tower(folder, dtype):
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from safetensors.torch import load_file

    import make_model_golden

    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    model = make_model_golden.open_clip_build(config["model_cfg"])
    model.load_state_dict(load_file(folder / "open_clip_model.safetensors"))
    visual = model.visual.to(dtype).eval()
    transform = image_transform_v2(PreprocessCfg(**config["preprocess_cfg"]), is_train=False)

    def embed(pixels):
        return torch.nn.functional.normalize(visual(pixels), dim=-1)

    return embed, config["model_cfg"]["vision_cfg"]["image_size"], {"open_clip": OpenClipWay(transform)}


def rate(batch, seconds, step):
    """Median images/s of `step` (one batch) over at least `seconds`, after two unmeasured batches."""
    times = []
    for _ in range(2):
        step()
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {"images_per_s": round(batch / statistics.median(times), 3), "batches": len(times)}


class Files(torch.utils.data.Dataset):
    """Item i is batch i, decoded and preprocessed; the files repeat."""

    def __init__(self, paths, batch, way, count):
        self.paths, self.batch, self.way, self.count = paths, batch, way, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        torch.set_num_threads(1)
        start = index * self.batch
        return self.way([self.paths[(start + k) % len(self.paths)] for k in range(self.batch)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", choices=["transformers", "open_clip"], default="transformers")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, help="folder of JPEG files; absent: the tower alone")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="fp32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader; 0: leave that measurement out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dtype = DTYPES[args.dtype]
    load = transformers_tower if args.library == "transformers" else open_clip_tower
    embed, size, ways = load(args.model, dtype)
    pixels = torch.randn(args.batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(dtype)
    result = {"library": args.library, "model": args.model.name, "dtype": args.dtype, "batch": args.batch,
              "threads": args.threads, "attention": "sdpa" if args.library == "transformers" else "its own"}
    with torch.inference_mode():
        result["tower"] = rate(args.batch, args.seconds, lambda: embed(pixels))
        if args.images:
            paths = sorted(p for p in args.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
            if not paths:
                parser.error(f"no JPEG files under {args.images}")
            result["files"] = len(paths)
            for name, way in ways.items():
                endless = itertools.cycle(paths)
                result[f"files_{name}"] = rate(args.batch, args.seconds, lambda: embed(
                    way(list(itertools.islice(endless, args.batch))).to(dtype)))
                if args.workers:
                    loader = iter(torch.utils.data.DataLoader(
                        Files(paths, args.batch, way, 1 << 30), batch_size=None, num_workers=args.workers))
                    result[f"files_{name}_w{args.workers}"] = rate(
                        args.batch, args.seconds, lambda: embed(next(loader).to(dtype)))
                    del loader
    result["versions"] = {p: importlib.metadata.version(p).split("+")[0] for p in (
        "torch", "torchvision", "transformers", "open_clip_torch", "pillow")}
    result["python"] = platform.python_version()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
