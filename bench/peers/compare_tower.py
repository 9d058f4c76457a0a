"""clipsteer against PyTorch on one machine in one run: the two in turn, ratios round by round, written as CSV.

    mvn -q -DskipTests package
    python bench/peers/compare_tower.py --model shapes/vit-b-32-hf --images photos --dtype fp32 --out bench/results/NAME.csv

Run in the project's root. --model is a Hugging Face CLIP folder that `make_model_golden.py --shapes` made, --images a
folder of JPEG files. Peer: `time_transformers.py` (its venv's Python runs this script). `files` of the peer is the faster
of its single-process ways; with two DataLoader workers it stands in its own column. clipsteer: `io.clipsteer.bench.TowerBench`
with the launcher's settings. The files figure of clipsteer is a whole pass over the folder, start-up of the loader included.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
JVM = ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "--add-modules=jdk.incubator.vector",
       "-Djava.awt.headless=true", "-Dorg.bytedeco.javacpp.maxBytes=0", "-Dorg.bytedeco.javacpp.maxPhysicalBytes=16g"]
ENV = {"MALLOC_ARENA_MAX": "2", "OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}


def last_line(command, env):
    out = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **env}).stdout
    return json.loads(out.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--java", default="java")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    rows = []
    for round_ in range(args.rounds):
        ours = last_line([args.java, *JVM, "-cp", "cli/target/dist/lib/*:bench/target/classes",
                          "io.clipsteer.bench.TowerBench", args.model, args.images, args.dtype, str(args.batch),
                          str(args.seconds)], ENV)
        peer = last_line([sys.executable, str(HERE / "time_transformers.py"), "--model", args.model, "--images",
                          args.images, "--dtype", args.dtype, "--batch", str(args.batch), "--seconds",
                          str(args.seconds)], {})
        single = {k: v["images_per_s"] for k, v in peer.items() if k.startswith("files_") and not k.endswith("_w2")}
        workers = {k: v["images_per_s"] for k, v in peer.items() if k.startswith("files_") and k.endswith("_w2")}
        rows.append({
            "round": round_ + 1, "dtype": args.dtype, "batch": args.batch,
            "clipsteer_tower": ours["tower_images_per_second"], "torch_tower": peer["tower"]["images_per_s"],
            "tower_ratio": round(ours["tower_images_per_second"] / peer["tower"]["images_per_s"], 3),
            "clipsteer_files": ours["files_images_per_second"], "torch_files": max(single.values()),
            "files_ratio": round(ours["files_images_per_second"] / max(single.values()), 3),
            "torch_files_two_workers": max(workers.values()),
            "files_ratio_two_workers": round(ours["files_images_per_second"] / max(workers.values()), 3),
            "torch": peer["versions"]["torch"], "transformers": peer["versions"]["transformers"],
            "fp32_gflops": ours["fp32_gflops"], "bf16_gflops": ours["bf16_gflops"]})
        print(rows[-1], file=sys.stderr)
    median = {"round": "median"}
    for key in rows[0]:
        if key.endswith("ratio") or key.endswith("ratio_two_workers") or key.startswith(("clipsteer_", "torch_")):
            median[key] = round(statistics.median(row[key] for row in rows), 3)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", newline="", encoding="utf-8") as file:
        shown = pathlib.Path(args.model).name
        file.write(f"# python bench/peers/compare_tower.py --model {shown} --images <photos> --dtype {args.dtype} "
                   f"--batch {args.batch} --seconds {args.seconds:g} --rounds {args.rounds}\n")
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows + [median])


if __name__ == "__main__":
    main()
