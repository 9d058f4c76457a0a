"""That no field of a peer's SAE configuration is unknown to clipsteer's readers.

    python check_sae_fields.py --peers PEERS --saelens-before-6 FOLDER... --out ../results/sae_fields.json

Takes the fields of each tool's own configuration classes, and holds them against two lists in clipsteer's sources: the fields
that a reader names (in quotes), and those that HarmlessFields says cannot change the output. A field in neither list would be
refused: it is printed, and the exit status is 1. For fields that are read, their defaults are printed, too, so that a change of a
library's default is seen. SAELens 6 is the one that is installed; PEERS: see sae_peers.py, and sae_for_vlm with the sources of
github.com/ExplainableML/sae-for-vlm; FOLDER: SAELens 2 to 5 from PyPI, unpacked. Nothing of the peers is run.
"""

import argparse
import ast
import importlib.util
import json
import pathlib
import re
import sys

SAE = pathlib.Path(__file__).resolve().parents[2] / "engine/src/main/java/io/clipsteer/engine/sae/format"

# Kinds that are refused by their architecture, with all their fields.
REFUSED = ("Gated", "MatchingPursuit", "Temporal", "BatchTopKTraining", "AbsTopK", "Transcoder")


def harmless(name):
    source = (SAE / "HarmlessFields.java").read_text()
    body = re.search(rf"{name} =\s*[\w.]+\((.*?)\);", source, re.S).group(1)
    return set(" ".join(re.findall(r'"+([^"]+)"+', body)).split())


def named(*readers):
    return {name for reader in readers for name in re.findall(r'"(\w+)"', (SAE / f"{reader}.java").read_text())}


def classes(path, wanted):
    """Fields and defaults, as source text, of the classes of a file that `wanted` takes."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and wanted(node.name):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found.setdefault(field.target.id, ast.unparse(field.value) if field.value else "required")
    return found


def trainers(folder):
    """Keys of the dictionaries that dictionary_learning's trainers give as their configuration."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name == "config":
                for value in ast.walk(node):
                    if isinstance(value, ast.Dict):
                        found |= {key.value: "required" for key in value.keys if isinstance(key, ast.Constant)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--saelens-before-6", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    peers = args.peers
    saelens = pathlib.Path(importlib.util.find_spec("sae_lens").origin).parent
    newest, old = {}, {}
    for path in sorted((saelens / "saes").glob("*.py")):
        newest = classes(path, lambda name: name.endswith("SAEConfig") and not name.startswith(REFUSED)
                          and not name.startswith("Matryoshka")) | newest
    for folder in args.saelens_before_6:
        for path in sorted(folder.rglob("*.py")):
            old |= classes(path, lambda name: name in ("LanguageModelSAERunnerConfig", "SAEConfig", "TrainingSAEConfig"))
    activations = ("Relu", "TopK", "BatchTopK")
    saev = peers / "saev/src/saev/nn/modeling.py"
    formats = {
        "saelens 6": (newest, named("SaeLensReader"), harmless("SAELENS_6")),
        "saelens 2 to 5": (old, named("SaeLensReader"), harmless("SAELENS_BEFORE_6")),
        "prisma": (classes(peers / "prisma/src/vit_prisma/sae/config.py", lambda n: n == "VisionModelSAERunnerConfig"),
                   named("PrismaReader"), harmless("PRISMA")),
        "patchsae": (classes(peers / "patchsae/src/sae_training/config.py", lambda n: n == "ViTSAERunnerConfig"),
                     named("PrismaReader"), harmless("PATCHSAE")),
        "saev": (classes(saev, lambda n: n == "SparseAutoencoderConfig"), named("SaevReader"), harmless("SAEV")),
        "saev activations": (classes(saev, lambda n: n in activations), named("SaevReader"), harmless("SAEV_ACTIVATION")),
        "saev before schemas": (classes(peers / "saev_old/saev/config.py", lambda n: n == "SparseAutoencoder"),
                                named("SaevReader"), harmless("SAEV")),
        "dictionary_learning": (trainers(peers / "dictionary_learning/dictionary_learning/trainers"),
                                named("DictionaryReader"), harmless("DICTIONARY_LEARNING")),
        "sae-for-vlm": (trainers(peers / "sae_for_vlm/dictionary_learning/trainers"),
                        named("DictionaryReader"), harmless("DICTIONARY_LEARNING")),
        "sparsify": (classes(peers / "sparsify/sparsify/config.py", lambda n: n == "SparseCoderConfig"),
                     named("SparsifyReader"), harmless("SPARSIFY")),
    }
    result, missing = {}, 0
    for name, (fields, read, quiet) in formats.items():
        assert fields, name
        unknown = sorted(set(fields) - read - quiet)
        missing += len(unknown)
        defaults = {field: fields[field] for field in sorted((set(fields) & read) - quiet)}
        result[name] = {"fields": len(fields), "read_or_refused": defaults, "unknown": unknown}
        print(f"{name}: {len(fields)} fields, {len(defaults)} of them read, {len(unknown)} unknown {' '.join(unknown)}")
    command = "python bench/peers/check_sae_fields.py --peers PEERS --saelens-before-6 2.1.3 3.22.2 5.10.3 --out bench/results/sae_fields.json"
    args.out.write_text(json.dumps({"command": command, "formats": result}, indent=1) + "\n")
    sys.exit(missing > 0)


if __name__ == "__main__":
    main()
