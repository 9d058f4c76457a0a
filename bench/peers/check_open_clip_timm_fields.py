# SPDX-License-Identifier: Apache-2.0
"""Every field of open_clip's and timm's configurations: read, on a written list of harmless ones, or refused by name.

    python bench/peers/check_open_clip_timm_fields.py --out bench/results/open_clip_timm_fields.csv

Run in the project's root. The fields are those of the installed libraries' own classes (open_clip 3.3.0: CLIPVisionCfg,
CLIPTextCfg, the constructor of CLIP, SimpleTokenizer, HFTokenizer; timm 1.0.31: VisionTransformer's constructor, the
outer object that save_for_hf writes); the treatment is taken from the readers' sources. A field that is neither read nor
on a list is refused by every reader when a configuration names it: those are listed as such. The script fails when a
list names a field that no library has, and when timm.tsv or ftfy.json differ from what the installed libraries give.
"""

import argparse
import csv
import dataclasses
import filecmp
import inspect
import pathlib
import re
import subprocess
import sys
import tempfile

from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from timm.models.vision_transformer import VisionTransformer

SOURCES = pathlib.Path("engine/src/main/java/io/clipsteer/engine/checkpoint")
RESOURCES = pathlib.Path("engine/src/main/resources/io/clipsteer/engine/checkpoint")


def source(*names):
    return "\n".join((SOURCES / f"{n}.java").read_text() for n in names)


def listed(name, text):
    call, body = re.search(rf"\b{name} =\s*([\w.]+)\((.*?)\);", text, re.S).groups()
    names = " ".join(re.findall(r'"+([^"]+)"+', body)).split()
    return names + (listed("BLOCK_PARTS", text) if call == "withParts" else [])


def read(text):
    """Fields that a reader looks up; and lists of fields that it goes through."""
    calls = r'\.(?:get|text|textOrNull|integer|integerOrNull|number|flag|side|object|triple|names|has|bad)\(\s*"([^"]+)"'
    found = set(re.findall(calls, text)) | set(re.findall(r'part\(\w+, "([^"]+)"\)', text))
    for name in ("BLOCK_PARTS", "DEFAULT_FALSE"):
        if re.search(rf"\b{name} =", text):
            found |= set(listed(name, text))
    return found


def init(cls, *without):
    return {n: p.default for n, p in inspect.signature(cls.__init__).parameters.items()
            if n not in ("self", *without) and p.kind is not p.VAR_KEYWORD}


def default_of(field):
    return field.default if field.default is not dataclasses.MISSING else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    fields = source("OpenClipFields")
    reader = source("OpenClipReader")
    vision = source("OpenClipVision")
    trunk = source("TimmReader")
    shape = source("TimmShape")
    open_clip_trunk = trunk[trunk.index("openClipTower"):trunk.index("private static VisionTower tower")]
    folder = trunk[:trunk.index("openClipTower")]
    kinds = [
        ("open_clip", "vision_cfg", {f.name: default_of(f) for f in dataclasses.fields(CLIPVisionCfg)},
         read(fields + vision), set(listed("VISION", fields))),
        ("open_clip", "vision_cfg of a timm trunk", {f.name: default_of(f) for f in dataclasses.fields(CLIPVisionCfg)},
         read(open_clip_trunk), set(listed("TRUNK", fields))),
        ("open_clip", "text_cfg", {f.name: default_of(f) for f in dataclasses.fields(CLIPTextCfg)},
         read(fields + reader), set(listed("TEXT", fields))),
        ("open_clip", "model_cfg", {**init(CLIP), "custom_text": False, "multimodal_cfg": None},
         read(reader), set(listed("MODEL", fields))),
        ("open_clip", "tokenizer_kwargs of SimpleTokenizer", init(SimpleTokenizer),
         read(fields[fields.index("Rules tokenizing"):]), set()),
        ("open_clip", "tokenizer_kwargs of HFTokenizer", init(HFTokenizer),
         read(fields[fields.index("Rules tokenizing"):]), set()),
        ("timm", "config.json", dict.fromkeys(["architecture", "num_classes", "num_features", "global_pool", "model_args",
                                               "label_names", "label_descriptions", "pretrained_cfg"]),
         read(folder), set(listed("HARMLESS", trunk))),
        ("timm", "model_args", {**init(VisionTransformer), "use_naflex": None}, read(shape) - {"default_img_size"},
         set(listed("HARMLESS_ARGS", trunk))),
    ]
    rows, faults = [], []
    for library, where, defaults, is_read, harmless in kinds:
        for name in sorted(harmless - set(defaults)):
            faults.append(f"{where}: the list names {name}, which {library} does not have")
        for name, default in defaults.items():
            both = name in harmless and name in is_read and where != "vision_cfg"
            how = "harmless" if name in harmless else "read" if name in is_read else "refused"
            if both:
                faults.append(f"{where}: {name} is read and called harmless")
            shown = "" if default is inspect.Parameter.empty else getattr(default, "__name__", default)
            rows.append([library, where, name, pathlib.Path(str(shown)).name if "/" in str(shown) else shown, how])
    with tempfile.TemporaryDirectory() as temp:
        here = pathlib.Path(__file__).parent
        for script, name, extra in (("make_timm_table.py", "timm.tsv", ["--out"]),
                                    ("make_text_cleaning.py", "ftfy.json", ["--golden", f"{temp}/golden.gz", "--tables"])):
            subprocess.run([sys.executable, "-W", "ignore", str(here / script), *extra, f"{temp}/{name}"], check=True,
                           stdout=subprocess.DEVNULL)
            if not filecmp.cmp(f"{temp}/{name}", RESOURCES / name, shallow=False):
                faults.append(f"{name} is not what the installed library gives")
    with args.out.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["library", "object", "field", "default", "treatment"])
        writer.writerows(rows)
    for library, where, *_ in kinds:
        own = [r for r in rows if r[1] == where]
        print(f"{library} {where}: " + ", ".join(f"{sum(r[4] == k for r in own)} {k}" for k in ("read", "harmless", "refused"))
              + "; refused: " + " ".join(r[2] for r in own if r[4] == "refused"))
    print("\n".join(faults) or "no fault")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
