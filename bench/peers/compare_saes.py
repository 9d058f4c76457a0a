"""Judges SAEs of several trainers by one program: `clipsteer evaluate` on the images that none of them has seen.

    python bench/peers/compare_saes.py --clipsteer ./clipsteer --store stores/tiny8 --images tiny-imagenet.tar --model vit-tiny-clip \\
        --work judged --out bench/results/sae_against_peers.csv clipsteer/topk=runs/topk/saes/... saelens/topk=saes/saelens-topk ...

Arguments are TOOL/NAME=FOLDER, in the tool's own format. The images are those that the store's every tenth is, unpacked
from the archive the store was made from; --work gets them and a run folder that names all SAEs. With --note the lines of a
file (the commands that trained them) come first, as comments.
"""

import argparse
import csv
import json
import pathlib
import shutil
import subprocess
import tarfile

from store_tokens import held_out

FIELDS = ("l0", "explained_variance", "alive_fraction", "cosine", "dense_fraction")
# Each token, or each ordinary token, counts alike, where the ratio of sums goes to few massive tokens (docs/metrics.md).
FORMS = ("token_mean", "token_median", "ordinary", "massive_tokens", "top_share")


def unpack(archive, names, folder):
    wanted = set(names)
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.removeprefix("./") in wanted:
                target = folder / member.name.removeprefix("./").replace("/", "_")
                target.write_bytes(tar.extractfile(member).read())
    assert len(list(folder.iterdir())) == len(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clipsteer", type=pathlib.Path, required=True)
    parser.add_argument("--store", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--hook-point", default="blocks.8.hook_resid_post")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--limit", type=int, default=1_000_000, help="judge on the first images alone")
    parser.add_argument("--note", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("saes", nargs="+", metavar="TOOL/NAME=FOLDER")
    args = parser.parse_args()
    images = args.work / "images"
    if not images.exists():
        images.mkdir(parents=True)
        unpack(args.images, held_out(args.store), images)
    clipsteer = str(args.clipsteer.resolve())
    run = args.work / "run"
    shutil.rmtree(run, ignore_errors=True)
    entries = []
    for number, sae in enumerate(args.saes):
        subprocess.run([clipsteer, "sae", "convert", sae.split("=", 1)[1], "--to", "saelens", "--hook", args.hook_point,
                        "--out", str(run / "saes" / str(number))], check=True, stdout=subprocess.DEVNULL)
        entries.append({"folder": f"saes/{number}", "hook_point": args.hook_point, "tokens": "all", "variant": sae.split("=", 1)[0],
                        "explained_variance": 0, "l0": 0, "alive_fraction": 0})
    (run / "run.json").write_text(json.dumps({"model": str(args.model.resolve()), "saes": entries}), encoding="utf-8")
    subprocess.run([clipsteer, "evaluate", "--run", str(run), "--images", str(images),
                    "--limit", str(args.limit)],
                   check=True, stdout=subprocess.DEVNULL)
    judged = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["saes"]
    with args.out.open("w", newline="", encoding="utf-8") as file:
        if args.note:
            file.write(args.note.read_text(encoding="utf-8"))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["tool", "sae", "tokens", *FIELDS, *FORMS])
        for sae, one in zip(args.saes, judged):
            tool, name = sae.split("=", 1)[0].split("/", 1)
            writer.writerow([tool, name, one["tokens"], *(f"{one[field]:.5f}" for field in FIELDS),
                             *(f"{one['variance'][form]:.5f}" for form in FORMS)])


if __name__ == "__main__":
    main()
