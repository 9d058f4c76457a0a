"""A TopK and a ReLU training step of SAELens and of clipsteer on one machine in one run: the two in turn, written as CSV.

    ./clipsteer doctor
    python bench/peers/time_sae_step.py --out bench/results/topk_step.csv

Run in the project's root. SAELens's own trainer (`SAETrainer._train_step`: forward, backward, clipping, Adam) on made-up
activations, PyTorch CPU, all cores; in two ways: as its default (fp32), and with autocast to bf16. (Its sparse activations
need a sparse product that PyTorch has on CUDA only.) clipsteer: `./clipsteer bench train`. --kind relu
times a ReLU SAE, ours at an L0 of 700; SAELens computes all features whatever its L0. Rounds go through all ways in turn; the ratio is theirs to ours, round by round.
"""

import argparse
import csv
import importlib.metadata
import json
import pathlib
import statistics
import subprocess
import time


def peer(args, autocast):
    import torch
    from sae_lens.saes.standard_sae import StandardTrainingSAE, StandardTrainingSAEConfig
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(1)
    shape = {"d_in": args.width, "d_sae": args.features, "normalize_activations": "layer_norm"}
    if args.kind == "topk":
        sae = TopKTrainingSAE(TopKTrainingSAEConfig(**shape, k=args.k))
    else:
        sae = StandardTrainingSAE(StandardTrainingSAEConfig(**shape, l1_coefficient=1e-4))
    rows = torch.randn(args.batch, args.width)
    trainer = SAETrainer(
        cfg=SAETrainerConfig(total_training_samples=args.batch * 1000, train_batch_size_samples=args.batch, lr=1e-4, lr_end=1e-5,
                             autocast=autocast, logger=LoggingConfig(log_to_wandb=False)),
        sae=sae, data_provider=iter(lambda: rows, None))
    seconds = []
    for _ in range(args.steps + 1):
        start = time.perf_counter()
        trainer._train_step(sae=sae, sae_in=rows)
        trainer.n_training_steps += 1
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def ours(args):
    command = ["./clipsteer", "bench", "train", "--width", args.width, "--features", args.features, "--batch", args.batch,
               "--k", args.k, "--l0", 0 if args.kind == "topk" else 700, "--steps", 7, "--json"]
    out = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--features", type=int, default=49152)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--kind", choices=("topk", "relu"), default="topk")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    ways = {"fp32": False, "bf16_autocast": True}
    versions = {p: importlib.metadata.version(p).split("+")[0] for p in ("sae-lens", "torch")}
    with args.out.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# python bench/peers/time_sae_step.py --kind {args.kind} --out bench/results/{args.kind}_step.csv; d {args.width}, "
                   f"{args.features} features, batch {args.batch}, k {args.k}; {versions}\n")
        writer = csv.writer(file)
        writer.writerow(["round", "clipsteer_step_seconds", "clipsteer_product_seconds", "clipsteer_peak_bytes",
                         *(f"saelens_{way}_step_seconds" for way in ways), *(f"ratio_{way}" for way in ways)])
        for turn in range(args.rounds):
            mine = ours(args)
            theirs = {way: peer(args, flag) for way, flag in ways.items()}
            step = mine[f"{args.kind}_step_seconds"]
            writer.writerow([turn + 1, f"{step:.4f}", f"{mine['encoder_product_seconds']:.4f}", mine["peak_bytes"],
                             *(f"{t:.3f}" for t in theirs.values()), *(f"{t / step:.2f}" for t in theirs.values())])
            file.flush()


if __name__ == "__main__":
    main()
