"""What `transformers` makes of the demo CLIP: golden values for the shipped checkpoint.

    ./clipsteer world model --out runs/golden/model
    ./clipsteer world generate --set mixed --count 4 --out runs/golden/images
    python bench/peers/make_demo_golden.py --model runs/golden/model --images runs/golden/images \
        --out lab/src/test/resources/demo-clip

Run in the project's root. Reads the folder with AutoModel, AutoTokenizer and AutoImageProcessor as any user would, on the
first images of the folder and a few captions, known words and unknown ones among them. float32.
"""

import argparse
import importlib.metadata
import json
import pathlib

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer, CLIPImageProcessor

TEXTS = [
    "a photo of a mug", "a waterbird on water", "a landbird in the forest", "a portrait of a blond woman with glasses",
    "a man with a beard", "the word stop", "a sign that says danger", "three striped red kites in the blue sky",
    "Something on SNOW", "a zebra, 7 xylophones & an ä",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--images", required=True, type=pathlib.Path)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    model, info = AutoModel.from_pretrained(args.model, dtype=torch.float32, output_loading_info=True)
    problems = {k: sorted(v) for k, v in info.items() if v and k != "error_msgs"}
    assert not problems, problems
    model = model.eval()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    processor = CLIPImageProcessor.from_pretrained(args.model)
    files = sorted(args.images.glob("*.png"))[: args.count]
    images = [Image.open(f).convert("RGB") for f in files]
    pixels = processor(images, return_tensors="pt")["pixel_values"].float()
    context = model.config.text_config.max_position_embeddings
    encoded = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=context, return_tensors="pt")
    with torch.inference_mode():
        out = model(pixel_values=pixels, input_ids=encoded["input_ids"])
    unit = lambda x: x / x.norm(dim=-1, keepdim=True)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "input": pixels.contiguous(),
            "image": torch.from_numpy(numpy.stack([numpy.asarray(i) for i in images])).contiguous(),
            "input_ids": encoded["input_ids"].contiguous(),
            "image_embed": unit(out.image_embeds).contiguous(),
            "text_embed": unit(out.text_embeds).contiguous(),
            "logits": out.logits_per_image.contiguous(),
        },
        args.out / "golden.safetensors",
    )
    record = {
        "script": "bench/peers/make_demo_golden.py", "texts": TEXTS, "images": [f.name for f in files],
        "versions": {p: importlib.metadata.version(p).split("+")[0] for p in ("torch", "transformers", "safetensors")},
    }
    (args.out / "golden.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"tokenizer": type(tokenizer).__name__, "logit_scale": float(model.logit_scale.exp()),
                      "logits": out.logits_per_image[0].tolist()}))


if __name__ == "__main__":
    main()
