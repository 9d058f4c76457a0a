"""What SAELens itself makes of changed configurations and tensor sets.

    python make_sae_mutations_golden.py --golden ../../engine/src/test/resources/sae

Every SAE of SAELens in sae/files is changed in one place many times, from a seed: keys dropped, nulled, renamed, added, their
values of another type; tensors dropped, renamed, added. SAELens loads each and reconstructs the golden rows. mutations.json has a
row a change, with the number of its reconstruction in mutations.safetensors, or null where SAELens refuses it. SAELens 6.54.12.
"""

import argparse
import copy
import json
import pathlib
import random
import tempfile
import warnings

import torch
from safetensors.torch import load_file, save_file

VALUES = [None, True, False, 0, 1, 2, 5, 8, 24, 0.5, "", "none", "layer_norm", "LAYER_NORM", "constant_norm_rescale", "topk", "relu",
          "standard", "jumprelu", "gated", "hook_z", "float16", "torch.float32", "int8", "5", [], {}, {"k": 3}, [1], "6.0.0", "5.1.0"]
NAMES = ["k", "normalize_activations", "apply_b_dec_to_input", "activation_fn", "activation_fn_str", "activation_fn_kwargs",
         "finetuning_scaling_factor", "rescale_acts_by_decoder_norm", "reshape_activations", "sae_lens_version", "architecture",
         "threshold", "lr", "l1_coefficient", "mystery", "hook_name", "d_sae"]
TENSORS = ["threshold", "scaling_factor", "W_enc_scale", "act_mean", "b_enc", "W_skip"]


def paths(config, before=()):
    for key, value in config.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from paths(value, (*before, key))


def change(draw, config, tensors):
    kind = draw.choice(["drop", "null", "rename", "add", "set", "set", "set", "tensor"])
    if kind == "tensor":
        name = draw.choice(sorted(tensors))
        how = draw.choice(["drop", "rename", "add"])
        return {"tensor": how, "name": draw.choice(TENSORS) if how == "add" else name, "value": draw.choice([1, 0.5])}
    path = draw.choice(sorted(p for p in paths(config) if p[0] not in ("device", "dtype")))
    if kind == "add":
        return {"op": "set", "path": [draw.choice(NAMES)], "value": draw.choice(VALUES)}
    if kind == "rename":
        return {"op": "rename", "path": list(path), "to": draw.choice(NAMES + [path[-1] + "_"])}
    return {"op": "drop" if kind == "drop" else "set", "path": list(path), "value": None if kind == "null" else draw.choice(VALUES)}


def applied(op, config, tensors):
    config, tensors = copy.deepcopy(config), dict(tensors)
    if "tensor" in op:
        if op["tensor"] == "drop":
            del tensors[op["name"]]
        elif op["tensor"] == "rename":
            tensors[op["name"] + "_"] = tensors.pop(op["name"])
        else:
            tensors[op["name"]] = torch.full_like(tensors["b_enc"], op["value"])
        return config, tensors
    inner = config
    for key in op["path"][:-1]:
        inner = inner[key]
    key = op["path"][-1]
    if op["op"] == "drop":
        del inner[key]
    elif op["op"] == "set":
        inner[key] = op["value"]
    else:
        inner[op["to"]] = inner.pop(key)
    return config, tensors


def reconstruction(config, tensors, x):
    from sae_lens import SAE

    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        (folder / "cfg.json").write_text(json.dumps(config))
        save_file(tensors, folder / "sae_weights.safetensors")
        try:
            return SAE.load_from_disk(folder, dtype="float32")(x)
        except Exception:  # whatever it is, SAELens does not run it
            return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=pathlib.Path, required=True)
    parser.add_argument("--each", type=int, default=70)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    warnings.simplefilter("ignore")
    files = args.golden / "files"
    x = load_file(files / "expected.safetensors")["x"]
    rows, outputs, known = [], {}, {}
    for folder in sorted(files.glob("saelens_*")):
        config = json.loads((folder / "cfg.json").read_text())
        tensors = {n: t.float() for n, t in load_file(folder / "sae_weights.safetensors").items()}
        draw = random.Random(folder.name)
        seen = set()
        while len(seen) < args.each:
            op = change(draw, config, tensors)
            if json.dumps(op) in seen:
                continue
            seen.add(json.dumps(op))
            out = reconstruction(*applied(op, config, tensors), x)
            number = None
            if out is not None and torch.isfinite(out).all():
                key = out.contiguous().numpy().tobytes()
                number = known.setdefault(key, len(known))
                outputs[str(number)] = out.contiguous().clone()
            rows.append({"sae": folder.name, **op, "output": number})
    save_file(outputs, args.golden / "mutations.safetensors")
    text = ",\n".join(json.dumps(row) for row in rows)
    (args.golden / "mutations.json").write_text(f"[\n{text}\n]\n")
    loaded = sum(row["output"] is not None for row in rows)
    print(f"{len(rows)} changes, {loaded} run by SAELens, {len(outputs)} different outputs")


if __name__ == "__main__":
    main()
