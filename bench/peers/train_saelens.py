"""Trains an SAE with SAELens's own trainer on the tokens of a clipsteer activation store.

    python bench/peers/train_saelens.py --store stores/tiny8 --hook-point blocks.8.hook_resid_post --kind topk --out saes/saelens-topk

SAELens: TopKTrainingSAE or StandardTrainingSAE with their own settings (auxiliary loss, decoder of norm 0.1 with the
encoder as its transpose, clipping at 1, Adam), trained by SAETrainer.fit. Activations are layer-normed for ReLU, and for
TopK brought to norm √d on average, as its documentation has it: its TopK stops with an error at the first
dead feature under layer norm. Schedule: its "constant" with warm-up over a
twentieth of all steps and a decay over the last fifth, which is clipsteer's default too. What is written is its inference SAE.
"""

import argparse
import importlib.metadata
import json
import time

import torch
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.saes.standard_sae import StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.training.sae_trainer import SAETrainer

from store_tokens import training


def fresh(args, width, steps):
    normalise = args.normalise or ("expected_average_only_in" if args.kind == "topk" else "layer_norm")
    common = {"d_in": width, "d_sae": width * args.expansion, "normalize_activations": normalise}
    if args.kind == "topk":
        return TopKTrainingSAE(TopKTrainingSAEConfig(k=args.k, **common))
    return StandardTrainingSAE(StandardTrainingSAEConfig(l1_coefficient=args.l1, l1_warm_up_steps=steps // 20, **common))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--l1", type=float, default=1.0)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--normalise", choices=("layer_norm", "expected_average_only_in", "none"))
    args, tokens, steps = training(parser)
    sae = fresh(args, tokens.width, steps)
    config = SAETrainerConfig(
        total_training_samples=steps * args.batch, train_batch_size_samples=args.batch, lr=args.lr, lr_end=args.lr / 10,
        lr_warm_up_steps=steps // 20, lr_decay_steps=steps // 5, n_batches_for_norm_estimate=50,
        logger=LoggingConfig(log_to_wandb=False))
    trainer = SAETrainer(cfg=config, sae=sae, data_provider=tokens.batches(args.batch))
    start = time.perf_counter()
    trainer.fit()
    seconds = time.perf_counter() - start
    sae.save_inference_model(args.out)
    print(json.dumps({"sae": str(args.out), "seconds": round(seconds, 1), "steps": trainer.n_training_steps,
                      "l0_in_training": trainer.act_freq_scores.sum().item() / trainer.n_frac_active_samples,
                      "sae_lens": importlib.metadata.version("sae-lens"), "torch": torch.__version__.split("+")[0]}))


if __name__ == "__main__":
    main()
