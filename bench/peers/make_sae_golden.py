"""Makes golden training steps of a TopK SAE by PyTorch's autograd.

    python make_sae_golden.py --peers FOLDER --out ../../engine/src/test/resources/sae

(--peers as in sae_peers.py: ViT-Prisma alone is needed.)

golden.safetensors: x [3,17,12], three batches of activations; and, for input normalisation n in none, layer_norm, the
weights n.start.*, n.after1.* and n.after3.* (W_enc [d,f], b_enc [f], W_dec [f,d], b_dec [d]) before, after one and after
three steps, with n.loss [3]. Loss: mean over tokens and coordinates of (z_hat - z)^2, z the normalised input; the
gradient of W_dec loses its part along each row; torch.optim.Adam; rows of W_dec are then brought back to length 1.

variants.safetensors: x and start.* as above (start.sparse_b_enc: a b_enc that leaves few features active), and for each
variant v of VARIANTS its v.after1.*, v.after3.*, v.loss, all with layer_norm. AuxK follows SAELens's TopK (k = d/2 dead
features, scaled by how many there are), ghost gradients are ViT-Prisma's own function's, JumpReLU's straight-through gradients Rajamanoharan et al. 2024, clipping
torch's clip_grad_norm_ after the parallel part is gone.
Computed in float64, rounded to float32; a function of the seed in this file. Made with torch 2.15.0, safetensors 0.8.0.
"""

import argparse
import pathlib
from functools import partial
from types import SimpleNamespace

import torch
from safetensors.torch import save_file

import sae_peers

D, F, K, N, STEPS, RATE = 12, 40, 5, 17, 3, 1e-2


def normalise(x, kind):
    if kind == "none":
        return x
    x = x - x.mean(-1, keepdim=True)
    return x / (x.std(-1, keepdim=True) + 1e-5)


def descend(adam, weights, loss, clip=None):
    """A step along the decoder's sphere; the loss before it."""
    adam.zero_grad()
    loss.backward()
    with torch.no_grad():
        decoder = weights["W_dec"]
        decoder.grad -= (decoder.grad * decoder).sum(-1, keepdim=True) * decoder
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(weights.values(), clip)
        adam.step()
        decoder /= decoder.norm(dim=-1, keepdim=True)
    return loss.item()


def train(x, start, kind):
    out = {f"{kind}.start.{name}": value for name, value in start.items()}
    weights = {name: value.double().requires_grad_() for name, value in start.items()}
    adam = torch.optim.Adam(weights.values(), lr=RATE)
    losses = []
    for step in range(STEPS):
        z = normalise(x[step].double(), kind)
        pre = (z - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
        best = pre.topk(K, dim=-1)
        code = torch.zeros_like(pre).scatter(-1, best.indices, best.values.relu())
        loss = (code @ weights["W_dec"] + weights["b_dec"] - z).pow(2).mean()
        losses.append(descend(adam, weights, loss))
        if step + 1 in (1, STEPS):
            out.update({f"{kind}.after{step + 1}.{n}": w.detach().float().clone() for n, w in weights.items()})
    out[f"{kind}.loss"] = torch.tensor(losses)
    return out


VARIANTS = ["relu_mse", "relu_paper", "relu_fvu", "relu_few", "relu_clip", "relu_ghost", "topk_aux", "topk_token_fvu", "batchtopk", "matryoshka", "jumprelu"]
L1, AUX, L0, BANDWIDTH, CLIP, DEAD = 0.01, 0.5, 0.02, 0.5, 0.05, 17


class Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p, theta):
        ctx.save_for_backward(p, theta)
        return p * (p > theta)

    @staticmethod
    def backward(ctx, grad):
        p, theta = ctx.saved_tensors
        window = ((p - theta).abs() < BANDWIDTH / 2).double()
        return grad * (p > theta), (-(theta / BANDWIDTH) * window * grad).sum(0)


class Count(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p, theta):
        ctx.save_for_backward(p, theta)
        return (p > theta).double()

    @staticmethod
    def backward(ctx, grad):
        p, theta = ctx.saved_tensors
        window = ((p - theta).abs() < BANDWIDTH / 2).double()
        return torch.zeros_like(p), (-(1 / BANDWIDTH) * window * grad).sum(0)


def train_variant(x, start, variant, prisma_class):
    start = dict(start)
    few = start.pop("sparse_b_enc")
    if variant in ("relu_few", "relu_ghost"):
        start["b_enc"] = few
    weights = {name: value.double().requires_grad_() for name, value in start.items()}
    if variant == "jumprelu":
        weights["log_threshold"] = torch.full((F,), 0.01, dtype=torch.float64).log().requires_grad_()
    adam = torch.optim.Adam(weights.values(), lr=RATE)
    quiet = torch.zeros(F)
    out, losses = {}, []
    for step in range(STEPS):
        raw = x[step].double()
        sigma = raw.std(-1, keepdim=True) + 1e-5
        z = (raw - raw.mean(-1, keepdim=True)) / sigma
        pre = (z - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
        kind = variant.split("_")[0]
        if kind == "relu":
            code = pre.relu()
        elif kind == "topk":
            best = pre.topk(K, dim=-1)
            code = torch.zeros_like(pre).scatter(-1, best.indices, best.values.relu())
        elif kind == "jumprelu":
            code = Jump.apply(pre, weights["log_threshold"].exp())
        else:
            flat = pre.relu().flatten()
            best = flat.topk(N * K)
            code = torch.zeros_like(flat).scatter(0, best.indices, best.values).reshape(pre.shape)
        error = code @ weights["W_dec"] + weights["b_dec"] - z
        if variant in ("relu_paper", "relu_ghost"):
            loss = (error * sigma).pow(2).div((raw - raw.mean(0)).norm(dim=-1, keepdim=True)).mean()
        elif variant == "relu_fvu":
            loss = error.pow(2).sum() / (z - z.mean(0)).pow(2).sum()
        elif variant == "topk_token_fvu":
            loss = (error.pow(2).sum(-1) / (z - z.mean(0)).pow(2).sum(-1)).mean()
        elif kind == "matryoshka":
            loss = 0
            for bound in (F // 4, F // 2, F):
                part = code[:, :bound] @ weights["W_dec"][:bound] + weights["b_dec"] - z
                loss = loss + part.pow(2).mean() / 3
        else:
            loss = error.pow(2).mean()
        if kind == "relu":
            loss = loss + L1 * code.sum(-1).mean()
        if variant == "relu_ghost":
            dead = quiet >= DEAD
            given = error * sigma + raw
            if dead.any():
                prisma = SimpleNamespace(W_dec=weights["W_dec"])
                prisma._compute_mse_loss = partial(prisma_class._compute_mse_loss, prisma)
                loss = loss + prisma_class._compute_ghost_residual_loss(prisma, raw, given, pre, dead)
            quiet = torch.where((code > 0).any(0), 0, quiet + N)
        if kind == "jumprelu":
            loss = loss + L0 * Count.apply(pre, weights["log_threshold"].exp()).sum(-1).mean()
        if variant == "topk_aux":
            quiet = torch.where((code > 0).any(0), 0, quiet + N)
            dead = (quiet >= DEAD).nonzero().flatten()
            k = min(len(dead), D // 2)
            best = pre[:, dead].topk(k, dim=-1)
            revived = torch.zeros(N, len(dead), dtype=torch.float64).scatter(-1, best.indices, best.values.relu())
            rest = -error.detach()
            loss = loss + AUX * min(1, len(dead) / (D / 2)) * (revived @ weights["W_dec"][dead] - rest).pow(2).mean()
        losses.append(descend(adam, weights, loss, CLIP if variant == "relu_clip" else None))
        if step + 1 in (1, STEPS):
            out.update({f"{variant}.after{step + 1}.{n}": w.detach().float().clone() for n, w in weights.items()})
    out[f"{variant}.loss"] = torch.tensor(losses)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    args = parser.parse_args()
    prisma_class = sae_peers.prisma(args.peers)[0].SparseAutoencoder
    torch.manual_seed(20250402)
    x = torch.randn(STEPS, N, D) * 2 + 0.5
    decoder = torch.randn(F, D, dtype=torch.float64)
    decoder = (decoder / decoder.norm(dim=-1, keepdim=True)).float()
    start = {"W_enc": torch.randn(D, F) * 0.3, "b_enc": torch.randn(F) * 0.1, "W_dec": decoder,
             "b_dec": torch.randn(D) * 0.2}
    tensors = {"x": x}
    for kind in ("none", "layer_norm"):
        tensors.update(train(x, start, kind))
    args.out.mkdir(parents=True, exist_ok=True)
    save_file({n: t.contiguous().clone() for n, t in tensors.items()}, args.out / "golden.safetensors")
    start["sparse_b_enc"] = start["b_enc"] - 1.5
    tensors = {"x": x} | {f"start.{name}": value for name, value in start.items()}
    for variant in VARIANTS:
        tensors.update(train_variant(x, start, variant, prisma_class))
    save_file({n: t.contiguous().clone() for n, t in tensors.items()}, args.out / "variants.safetensors")


if __name__ == "__main__":
    main()
