"""Where the other tools' own classes come from, for make_sae_files_golden.py and check_sae_files.py.

--peers names a folder with their sources, none of which has to be installed:

    prisma/src           github.com/Prisma-Multimodal/ViT-Prisma   aa5ff6a
    saev/src             github.com/OSU-NLP-Group/saev             3d73f1f (schema 5)
    saev_old             saev 0.1.0 from PyPI, unpacked (before schemas)
    dictionary_learning  github.com/saprmarks/dictionary_learning  60ec6bf
    sparsify             eai-sparsify 1.3.3 from PyPI, unpacked
    openai               github.com/openai/sparse_autoencoder      4965b94
    patchsae             github.com/dynamical-inference/patchsae   763eceb

and what they import: pip install --no-deps natsort orjson simple-parsing tyro line-profiler geom-median. SAELens
(6.54.12), torch (2.15.0), safetensors, einops, jaxtyping and beartype are installed as usual.
"""

import importlib
import os
import sys
import types


def _forget(*names):
    for module in list(sys.modules):
        if module.split(".")[0] in names:
            del sys.modules[module]


def _nothing(attribute):
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return type(attribute, (), {})


def _stub(name, **attributes):
    """A module that a peer imports at the top and does not use for what is done here."""
    if name not in sys.modules:
        try:
            importlib.import_module(name)
        except ImportError:
            module = types.ModuleType(name)
            module.__dict__.update(attributes)
            module.__path__ = []
            module.__getattr__ = _nothing
            sys.modules[name] = module


def _package(name, folder):
    """A package without running its __init__, which would import trainers and data sets."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def prisma(peers):
    root = peers / "prisma" / "src" / "vit_prisma"
    for name in ("vit_prisma", "vit_prisma.sae", "vit_prisma.sae.training", "vit_prisma.prisma_tools", "vit_prisma.configs"):
        _package(name, root.joinpath(*name.split(".")[1:]))
    return importlib.import_module("vit_prisma.sae.sae"), importlib.import_module("vit_prisma.sae.config")


def prisma_trainer(peers):
    """ViT-Prisma's training loop; what it imports beside the SAE and its schedule is not used for stored activations."""
    _, config = prisma(peers)
    root = peers / "prisma" / "src" / "vit_prisma"
    _package("vit_prisma.sae.training", root / "sae" / "training")
    for name in ("open_clip", "wandb", "vit_prisma.utils", "vit_prisma.utils.data_utils", "vit_prisma.utils.data_utils.cifar",
                 "vit_prisma.utils.data_utils.cifar.cifar_10_utils", "vit_prisma.utils.load_model",
                 "vit_prisma.models", "vit_prisma.models.base_vit", "vit_prisma.sae.transcoder",
                 "vit_prisma.dataloaders", "vit_prisma.dataloaders.imagenet_index"):
        _stub(name)
    return importlib.import_module("vit_prisma.sae.train_sae"), config


def saev_old(peers):
    _forget("saev")
    _package("saev", peers / "saev_old" / "saev")
    nn, config = importlib.import_module("saev.nn"), importlib.import_module("saev.config")
    _forget("saev")
    return nn, config


def saev(peers):
    _forget("saev")
    root = peers / "saev" / "src" / "saev"
    _package("saev", root)
    sys.modules["saev"].__version__ = "0"
    _package("saev.nn", root / "nn")
    module = importlib.import_module("saev.nn.modeling")
    return module


def dictionary_learning(peers):
    root = peers / "dictionary_learning" / "dictionary_learning"
    for name in ("nnsight", "wandb", "datasets"):
        _stub(name)
    _package("dictionary_learning", root)
    _package("dictionary_learning.trainers", root / "trainers")
    names = ["dictionary", "trainers.top_k", "trainers.batch_top_k", "trainers.matryoshka_batch_top_k"]
    found = types.SimpleNamespace()
    for name in names:
        found.__dict__.update(vars(importlib.import_module("dictionary_learning." + name)))
    return found


def sparsify(peers):
    os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # its kernels need a GPU; it has the same in plain PyTorch
    _package("sparsify", peers / "sparsify" / "sparsify")
    return importlib.import_module("sparsify.sparse_coder"), importlib.import_module("sparsify.config")


def openai(peers):
    _package("sparse_autoencoder", peers / "openai" / "sparse_autoencoder")
    return importlib.import_module("sparse_autoencoder.model")


def patchsae(peers):
    _forget("src")
    _stub("wandb")
    wandb = importlib.import_module("wandb")
    if not hasattr(wandb.util, "generate_id"):  # newer releases have it elsewhere; it only names a run
        wandb.util.generate_id = lambda: "none"
    root = peers / "patchsae" / "src"
    _package("src", root)
    _package("src.sae_training", root / "sae_training")
    return importlib.import_module("src.sae_training.sparse_autoencoder"), importlib.import_module("src.sae_training.config")
