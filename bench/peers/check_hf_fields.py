# SPDX-License-Identifier: Apache-2.0
"""Holds the written lists of configuration fields against transformers' own classes, and prints what is missing.

    python bench/peers/check_hf_fields.py --out bench/results/hf_fields.json

Run in the project's root. A field is known where its name stands as a text in the readers' sources: it is read, refused
with a reason, or on the list of those that cannot change the output. A field that is not known is refused by name when a
file has it; none of the library's own may be so but those listed as refused here. `report` may be used for other libraries.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import pathlib
import re
import sys

MODEL = pathlib.Path("engine/src/main/java/io/clipsteer/engine/checkpoint")
IMAGE = pathlib.Path("data/src/main/java/io/clipsteer/data/preprocess")
MODELS = [MODEL / f"HuggingFace{part}.java" for part in ("Reader", "Clip", "Vit", "Fields")]
PROCESSORS = [IMAGE / "HuggingFacePreprocessing.java"]


def written(sources):
    """Every text in the sources that may be a field's name; `_dict` is put behind a side's name."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    names = set(re.findall(r'"([A-Za-z_][A-Za-z0-9_]*)"', text))
    names |= {name for block in re.findall(r'"""(.*?)"""', text, re.S) for name in block.split()}
    return names | {name + "_dict" for name in names if name.endswith("_config")}


def report(fields, sources):
    """Fields by class, and those that no source names."""
    known = written(sources)
    return {name: {"fields": len(own), "missing": sorted(own - known)} for name, own in fields.items()}


def hugging_face():
    import transformers as t
    from transformers.configuration_utils import PreTrainedConfig
    from transformers.processing_utils import ImagesKwargs

    classes = ("CLIPConfig", "CLIPVisionConfig", "CLIPTextConfig", "ViTConfig", "DeiTConfig", "Dinov2Config",
               "Dinov2WithRegistersConfig")
    models = {name: {f.name for f in dataclasses.fields(getattr(t, name))} | set(getattr(t, name)().to_dict())
              for name in classes}
    models["PreTrainedConfig"] = {f.name for f in dataclasses.fields(PreTrainedConfig)} | set(PreTrainedConfig().to_dict())
    generation = t.GenerationConfig()
    models["GenerationConfig"] = set(generation.to_dict()) | set(generation._get_default_generation_params())
    processors = {"ImagesKwargs": set(ImagesKwargs.__annotations__)}
    for kind in ("CLIP", "ViT", "DeiT", "Bit", "Siglip"):
        one = getattr(t, kind + "ImageProcessor")
        processors[one.__name__] = set(one.valid_kwargs.__annotations__) | set(one().to_dict())
    return {**report(models, MODELS), **report(processors, PROCESSORS)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    result = {"command": "python bench/peers/check_hf_fields.py --out bench/results/hf_fields.json",
              "transformers": importlib.metadata.version("transformers"), "classes": hugging_face()}
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    sys.exit(any(one["missing"] for one in result["classes"].values()))


if __name__ == "__main__":
    main()
