"""Has every tool read what clipsteer writes in its format.

    PYTHONPATH=$PEERS python check_sae_files.py --peers PEERS --clipsteer ../../clipsteer \
        --golden ../../engine/src/test/resources/sae/files --out ../results/sae_files.csv

Every golden SAE (made by the tools' own code) is converted by `clipsteer sae convert` to every format; the tool whose
format it is loads the result by its own loader, and its reconstruction of the golden rows is compared with that of the
tool which made the SAE. A row a pair: the largest difference by the largest value, or why clipsteer refuses to write it.
PEERS: see sae_peers.py.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file

import sae_peers


def loaders(peers):
    """For each format a function from the folder and the rows to the tool's reconstruction."""
    from sae_lens import SAE

    prisma_module, _ = sae_peers.prisma(peers)
    saev_module = sae_peers.saev(peers)
    dl = sae_peers.dictionary_learning(peers)
    coder, _ = sae_peers.sparsify(peers)

    def prisma(folder, x):
        sae = prisma_module.SparseAutoencoder.load_from_pretrained(str(folder / "weights.pt"))
        return sae.eval()(x)[0]

    def dictionary(folder, x):
        import json

        trainer = json.loads((folder / "config.json").read_text())["trainer"]
        cls = getattr(dl, trainer["dict_class"])
        sizes = trainer["activation_dim"], trainer["dict_size"]
        sae = cls(*sizes, trainer["k"]) if "k" in trainer else cls(*sizes)
        sae.load_state_dict(torch.load(folder / "ae.pt", weights_only=True))
        return sae.eval()(x)

    def sparsify(folder, x):
        sae = coder.SparseCoder.load_from_disk(folder)
        top, index, _ = sae.encode(x)
        return sae.decode(top, index)

    return {
        "saelens": lambda folder, x: SAE.load_from_disk(folder)(x),
        "prisma": prisma,
        "saev": lambda folder, x: saev_module.load(folder / "sae.pt").eval()(x).x_hats[:, -1],
        "dictionary_learning": dictionary,
        "sparsify": sparsify,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--clipsteer", type=pathlib.Path, required=True)
    parser.add_argument("--golden", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    load = loaders(args.peers)
    expected = load_file(args.golden / "expected.safetensors")
    x = expected.pop("x")
    rows = []
    worst = 0.0
    with tempfile.TemporaryDirectory() as temp:
        for name in sorted(n for n in expected if not n.startswith("refused_")):
            for to in load:
                out = pathlib.Path(temp) / name / to
                ran = subprocess.run(
                    [args.clipsteer.resolve(), "sae", "convert", args.golden / name, "--to", to, "--out", out,
                     "--hook", "blocks.3.hook_resid_post"], capture_output=True, text=True)
                if ran.returncode:
                    reason = ran.stderr.strip().splitlines()[-1].split(f"{to} ", 1)[-1].split(". Write saelens")[0]
                    rows.append((name, to, "", "refused: " + reason))
                    continue
                error = ((load[to](out, x) - expected[name]).abs().max() / expected[name].abs().max()).item()
                worst = max(worst, error)
                rows.append((name, to, f"{error:.1e}", "read and equal" if error < 1e-5 else "DIFFERENT"))
    with open(args.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("sae", "written_for", "relative_error", "result"))
        writer.writerows(rows)
    read = sum(1 for row in rows if row[2])
    print(f"{read} read by the tools, {len(rows) - read} refused, largest relative error {worst:.1e}")
    sys.exit(worst >= 1e-5)


if __name__ == "__main__":
    main()
