"""Trains an SAE with ViT-Prisma's own trainer on the tokens of a clipsteer activation store.

    PYTHONPATH=$PEERS python bench/peers/train_prisma.py --peers $PEERS --store stores/tiny8 \\
        --hook-point blocks.8.hook_resid_post --kind topk --out saes/prisma-topk

ViT-Prisma: StandardSparseAutoencoder, trained by VisionSAETrainer.run with the settings of its published SAEs: layer norm,
encoder initialised as the decoder's transpose, b_dec as the geometric median, ghost gradients, clipping at 1, cosine after the
warm-up. Only its store of activations is replaced, by one over the very tokens of the clipsteer store. A feature
counts as dead after --dead-steps (its default is 5000, more than all steps of this budget).
"""

import argparse
import json
import pathlib
import time

import torch

import sae_peers
from store_tokens import training

IMAGES = 1_300_000  # what VisionModelSAERunnerConfig takes a data set to hold; num_epochs scales it to the budget


class Activations:
    """What VisionSAETrainer asks of its store: a buffer to take the median of, and batches [n, 1, d]."""

    def __init__(self, tokens, batch):
        self.storage_buffer = tokens.sample(65_536)[:, None, :]
        self.batches = tokens.batches(batch)

    def next_batch(self):
        return next(self.batches)[:, None, :]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--l1", type=float, default=2e-4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--dead-steps", type=int, default=1000)
    args, tokens, steps = training(parser)
    trainer_module, config_module = sae_peers.prisma_trainer(args.peers)
    layer, subtype = args.hook_point.removeprefix("blocks.").split(".", 1)
    config = config_module.VisionModelSAERunnerConfig(
        hook_point_layer=int(layer), layer_subtype=subtype, d_in=tokens.width, expansion_factor=args.expansion,
        activation_fn_str=args.kind, activation_fn_kwargs={"k": args.k} if args.kind == "topk" else {},
        initialization_method="encoder_transpose_decoder", l1_coefficient=args.l1, lr=args.lr,
        lr_warm_up_steps=max(1, steps // 20), train_batch_size=args.batch, use_ghost_grads=True,
        dead_feature_window=args.dead_steps, context_size=1, num_epochs=(steps * args.batch + 0.5) / IMAGES,
        _device="cpu", seed=args.seed, log_to_wandb=False, n_checkpoints=0)
    assert config.total_training_steps == steps, config.total_training_steps

    class Trainer(trainer_module.VisionSAETrainer):
        def initialize_activations_store(self, dataset, eval_dataset):
            return Activations(tokens, args.batch)

    trainer = Trainer(config, model=None, dataset=None)
    start = time.perf_counter()
    sae = trainer.run()
    seconds = time.perf_counter() - start
    # As in its checkpoints; there the weights' names are those of the state, here too.
    sae.set_decoder_norm_to_unit_norm()
    args.out.mkdir(parents=True, exist_ok=True)
    config.save_config(str(args.out / "config.json"))
    torch.save(sae.state_dict(), args.out / "weights.pt")
    with torch.no_grad():
        sae.eval()
        l0 = (sae(tokens.sample(8192))[1] > 0).sum(-1).float().mean().item()
    print(json.dumps({"sae": str(args.out), "seconds": round(seconds, 1), "steps": steps, "l0_of_training_tokens": l0,
                      "torch": torch.__version__.split("+")[0]}))


if __name__ == "__main__":
    main()
