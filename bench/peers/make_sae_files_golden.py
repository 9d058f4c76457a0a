"""Tiny SAEs in every format that clipsteer reads, written by each tool's own classes.

    python make_sae_files_golden.py --peers PEERS --out ../../engine/src/test/resources/sae/files

A folder a case, d = 8, f = 24, weights of no special form; expected.safetensors holds x [16,8] and, for each case, the
tool's own reconstruction of x [16,8]. Cases called refused_* are of kinds that clipsteer refuses. PEERS: see
sae_peers.py. In pre6_* the configuration is written by hand as SAELens 3 to 5 did, and read back by SAELens 6.
"""

import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

import sae_peers

D, F, K, N = 8, 24, 5, 16


def fill(module, seed):
    """Weights without structure: nothing is zero, tied or of unit length."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(module.named_parameters()):
            scale = 0.5 if parameter.dim() == 2 else 0.3
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            if name == "threshold":
                parameter.abs_()
    return module.eval()


def saelens(out, x):
    import sae_lens.saes as s
    from sae_lens import SAE

    made = {}

    def keep(name, sae):
        sae.save_model(out / name)
        made[name] = SAE.load_from_disk(out / name)(x)

    common = {"d_in": D, "d_sae": F}
    meta = {"model_name": "tiny", "hook_name": "blocks.3.hook_resid_post"}
    from sae_lens.saes.sae import SAEMetadata

    def metadata():
        return SAEMetadata(**meta)

    keep("saelens_standard", fill(s.StandardSAE(s.StandardSAEConfig(**common, metadata=metadata())), 1))
    keep("saelens_unsubtracted", fill(s.StandardSAE(s.StandardSAEConfig(**common, apply_b_dec_to_input=False)), 2))
    keep("saelens_topk", fill(s.TopKSAE(s.TopKSAEConfig(**common, k=K, normalize_activations="layer_norm")), 3))
    keep("saelens_rescaled", fill(s.TopKSAE(s.TopKSAEConfig(**common, k=K, rescale_acts_by_decoder_norm=True)), 4))
    keep("saelens_jumprelu", fill(s.JumpReLUSAE(s.JumpReLUSAEConfig(**common)), 5))
    half = fill(s.StandardSAE(s.StandardSAEConfig(**common)), 6).to(torch.float16)
    half.cfg.dtype = "float16"
    half.save_model(out / "saelens_half")
    made["saelens_half"] = SAE.load_from_disk(out / "saelens_half", dtype="float32")(x)
    keep("refused_saelens_gated", fill(s.GatedSAE(s.GatedSAEConfig(**common)), 7))

    for name, cls, cfg in (
        ("saelens_batchtopk", s.BatchTopKTrainingSAE, s.BatchTopKTrainingSAEConfig(**common, k=K)),
        ("saelens_matryoshka", s.MatryoshkaBatchTopKTrainingSAE,
         s.MatryoshkaBatchTopKTrainingSAEConfig(**common, k=K, matryoshka_widths=[6, 12, 24])),
    ):
        sae = fill(cls(cfg), 8)
        sae.topk_threshold.fill_(0.7)
        sae.save_inference_model(out / name)
        made[name] = SAE.load_from_disk(out / name)(x)
    for name, function, arguments in (("saelens_pre6_relu", "relu", {}), ("saelens_pre6_topk", "topk", {"k": K})):
        shutil.copytree(out / "saelens_standard", out / name)
        flat = {"architecture": "standard", "d_in": D, "d_sae": F, "activation_fn_str": function,
                "activation_fn_kwargs": arguments, "apply_b_dec_to_input": True, "finetuning_scaling_factor": False,
                "context_size": 50, "model_name": "tiny", "hook_name": "blocks.3.hook_resid_post", "hook_layer": 3,
                "hook_head_index": None, "prepend_bos": True, "dataset_path": "none", "normalize_activations": "none",
                "dtype": "torch.float32", "device": "cpu", "sae_lens_training_version": "3.22.2"}
        if function == "topk":
            flat["normalize_activations"] = False
            flat["activation_fn"] = flat.pop("activation_fn_str")
        (out / name / "cfg.json").write_text(json.dumps(flat))
        made[name] = SAE.load_from_disk(out / name)(x)
    return made


def prisma(out, x, peers):
    sae_module, config_module = sae_peers.prisma(peers)
    made = {}
    cases = (("prisma_relu", "relu", {}, "layer_norm", False), ("prisma_topk", "topk", {"k": K}, "layer_norm", False),
             ("prisma_checkpoint", "topk", {"k": K}, "none", True))
    for seed, (name, function, arguments, normalise, checkpoint) in enumerate(cases):
        config = config_module.VisionModelSAERunnerConfig(
            d_in=D, expansion_factor=F // D, activation_fn_str=function, activation_fn_kwargs=arguments,
            normalize_activations=normalise, hook_point_layer=3, layer_subtype="hook_resid_post", _device="cpu",
            dataset_path="", dataset_train_path="", dataset_val_path="", checkpoint_path="", cached_activations_path="")
        sae = fill(sae_module.StandardSparseAutoencoder(config), 20 + seed)
        path = out / name / "n_images_7.pt"
        path.parent.mkdir(parents=True)
        if checkpoint:
            sae.save_model(str(path))
        else:
            torch.save(sae.state_dict(), path)
            config.save_config(str(path.parent / "config.json"))
            torch.save(torch.zeros(F), path.parent / "n_images_7_log_feature_sparsity.pt")
        made[name] = sae_module.SparseAutoencoder.load_from_pretrained(str(path))(x)[0]
    return made


def saev(out, x, peers):
    made = {}
    old, config = sae_peers.saev_old(peers)
    sae = fill(old.SparseAutoencoder(config.SparseAutoencoder(d_vit=D, exp_factor=F // D)), 30)
    (out / "saev_old").mkdir(parents=True)
    old.dump(str(out / "saev_old" / "sae.pt"), sae)
    made["saev_old"] = old.load(str(out / "saev_old" / "sae.pt"))(x)[0]
    new = sae_peers.saev(peers)
    for seed, activation in enumerate((new.Relu(), new.TopK(top_k=K), new.BatchTopK(top_k=K))):
        name = "saev_" + type(activation).__name__.lower()
        sae = fill(new.SparseAutoencoder(new.SparseAutoencoderConfig(d_model=D, d_sae=F, activation=activation)), 31 + seed)
        if hasattr(sae.activation, "threshold"):
            sae.activation.threshold.fill_(0.6)
        new.dump(out / name / "sae.pt", sae)
        made[name] = new.load(out / name / "sae.pt").eval()(x).x_hats[:, -1]
    return made


def dictionary_learning(out, x, peers):
    dl = sae_peers.dictionary_learning(peers)
    made = {}
    cases = (
        ("autoencoder", dl.AutoEncoder(D, F)), ("new", dl.AutoEncoderNew(D, F)), ("topk", dl.AutoEncoderTopK(D, F, K)),
        ("batchtopk", dl.BatchTopKSAE(D, F, K)), ("jumprelu", dl.JumpReluAutoEncoder(D, F)),
        ("matryoshka", dl.MatryoshkaBatchTopKSAE(D, F, K, [6, 6, 12])), ("gated", dl.GatedAutoEncoder(D, F)))
    for seed, (case, sae) in enumerate(cases):
        name = ("refused_" if case == "gated" else "") + "dictionary_" + case
        fill(sae, 40 + seed)
        if case in ("batchtopk", "matryoshka"):
            sae.threshold.fill_(0.8)
        folder = out / name
        folder.mkdir(parents=True)
        torch.save(sae.state_dict(), folder / "ae.pt")
        trainer = {"dict_class": type(sae).__name__, "activation_dim": D, "dict_size": F, "layer": 3, "lm_name": "tiny",
                   "submodule_name": "resid_post_layer_3"} | ({"k": K} if hasattr(sae, "k") else {})
        (folder / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {"d_submodule": D}}, indent=4))
        made[name] = sae(x)
    return made


def sparsify(out, x, peers):
    coder, config = sae_peers.sparsify(peers)
    made = {}
    for seed, (name, skip, latents) in enumerate(
            (("sparsify_topk", False, F), ("sparsify_expansion", False, 0), ("refused_sparsify_skip", True, F))):
        cfg = config.SparseCoderConfig(k=K, num_latents=latents, expansion_factor=F // D, skip_connection=skip)
        sae = fill(coder.SparseCoder(D, cfg), 50 + seed)
        sae.save_to_disk(out / name)
        loaded = coder.SparseCoder.load_from_disk(out / name)
        top, index, _ = loaded.encode(x)
        made[name] = loaded.decode(top, index)
    return made


def openai(out, x, peers):
    model = sae_peers.openai(peers)
    made = {}
    for seed, (name, activation, tied) in enumerate(
            (("openai_topk", model.TopK(K), False), ("openai_relu", torch.nn.ReLU(), False))):
        sae = fill(model.Autoencoder(F, D, activation=activation, tied=tied, normalize=name == "openai_topk"), 60 + seed)
        (out / name).mkdir(parents=True)
        # This torch makes TopK's state_dict add two keys that OpenAI's own loader then refuses.
        state = {n: v for n, v in sae.state_dict().items() if not n.startswith("activation.")}
        torch.save(state, out / name / "autoencoder.pt")
        loaded = model.Autoencoder.from_state_dict(torch.load(out / name / "autoencoder.pt", weights_only=False))
        made[name] = loaded(x)[2]
    return made


def patchsae(out, x, peers):
    module, config = sae_peers.patchsae(peers)
    cfg = config.ViTSAERunnerConfig(d_in=D, expansion_factor=F // D, block_layer=3, use_ghost_grads=False)
    sae = fill(module.SparseAutoencoder(cfg, torch.device("cpu")), 70)
    path = out / "patchsae" / "checkpoint.pt"
    sae.save_model(str(path))
    return {"patchsae": sae(x)[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    torch.set_grad_enabled(False)
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(99)) * 1.5 + 0.4
    expected = {"x": x}
    expected.update(saelens(args.out, x))
    for tool in (prisma, saev, dictionary_learning, sparsify, openai, patchsae):
        expected.update(tool(args.out, x, args.peers))
    save_file({n: t.detach().contiguous().clone() for n, t in expected.items()}, args.out / "expected.safetensors")
    print(f"{len(expected) - 1} cases")


if __name__ == "__main__":
    main()
