# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers of the kinds of SigLIP 1 and 2, MetaCLIP 2 and CLIPA, with ids of 2,000 hard strings.

    python make_recent_tokenizers.py --out ../../engine/src/test/resources/tokenizer/recent

A folder each, as transformers saves it, with golden.jsonl.gz: {"ids"} a string, in the order of make_tokenizer_golden.strings();
`ids` is the whole row without the padding at its end.
  hf-siglip           SentencePiece unigram of T5's kind; transformers' SiglipTokenizer over spiece.model gives the ids, and
                      tokenizer.json is transformers' conversion of the same model
  hf-siglip2          Gemma's kind of BPE with byte fallback; transformers' Siglip2Tokenizer
  open-clip-siglip    the first through open_clip's HFTokenizer (T5Tokenizer, clean "canonicalize")
  open-clip-siglip2   the second through it (GemmaTokenizer, clean "canonicalize")
  hf-xlm-v, open-clip-xlm-v    a unigram model through XLMRobertaTokenizer, and through open_clip (clean "whitespace")
  open-clip-clipa     BERT's word pieces through open_clip with strip_sep_token

Made with transformers 5.24.0, tokenizers 0.23.3, sentencepiece 0.2.1, open_clip_torch 3.3.0.
"""

import argparse
import gzip
import json
import os
import pathlib
import random
import shutil
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")

import make_tokenizer_golden as hard  # noqa: E402
import sentencepiece  # noqa: E402
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

FILES = ("tokenizer.json", "tokenizer_config.json")


def corpus():
    rng = random.Random(hard.SEED)
    lines = [hard.sentence(rng) for _ in range(3000)]
    return lines + [line.capitalize() for line in lines[:200]] + ["Über die Straße, naïve café, \u7b2c\u4e00 \u65e5\u672c, \u041f\u0440\u0438\u0432\u0435\u0442!"] * 30


def fresh(out, name):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def only(folder, **config):
    """Keeps the two files that are read."""
    for file in folder.iterdir():
        if file.name not in FILES:
            file.unlink()
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}, indent=1) + "\n", encoding="utf-8")


def write(folder, rows, pad):
    lines = []
    for row in rows:
        row = list(map(int, row))
        while row and row[-1] == pad:
            row.pop()
        lines.append(json.dumps({"ids": row}, separators=(",", ":")))
    with open(folder / "golden.jsonl.gz", "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(("\n".join(lines) + "\n").encode("ascii"))
    print(f"{folder.name:20} {len(rows)} rows, {sum(f.stat().st_size for f in folder.iterdir()) / 1024:.0f} KiB")


def spiece(scratch, size, **ids):
    text = scratch / "corpus.txt"
    text.write_text("\n".join(corpus()), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(scratch / "spiece"), vocab_size=size, model_type="unigram", character_coverage=1.0,
        minloglevel=2, num_threads=1, **ids)
    return scratch / "spiece.model"


def gemma(kind):
    trained = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", "\u2581")
    trained.pre_tokenizer = pre_tokenizers.Split(pattern=" ", behavior="merged_with_previous", invert=False)
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trained.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=700, special_tokens=specials, show_progress=False))
    merges = [tuple(m) for m in json.loads(trained.to_str())["model"]["merges"]]
    names = specials + [f"<0x{b:02X}>" for b in range(256)] + sorted(trained.get_vocab(), key=trained.get_vocab().get)[5:]
    return kind(vocab={n: i for i, n in enumerate(dict.fromkeys(names))}, merges=merges, add_bos_token=False, add_eos_token=True,
                padding_side="right", model_max_length=64)


def rows(tokenizer, texts, context):
    return tokenizer(texts, padding="max_length", truncation=True, max_length=context)["input_ids"]


def open_clip_rows(folder, texts, context, **kwargs):
    from open_clip.tokenizer import HFTokenizer

    return HFTokenizer(str(folder), context_length=context, **kwargs)(texts).tolist()


def make_hf_siglip(out, texts):
    from transformers import SiglipTokenizer, T5Tokenizer
    from transformers.convert_slow_tokenizer import T5Converter

    folder = fresh(out, "hf-siglip")
    with tempfile.TemporaryDirectory() as temp:
        model = spiece(pathlib.Path(temp), 200, unk_id=2, eos_id=1, pad_id=0, bos_id=-1)
        slow = SiglipTokenizer(str(model))
        slow.padding_side = "right"
        write_rows = rows(slow, texts, 64)
        slow._extra_ids = 0
        slow.vocab_file = str(model)
        fast = T5Converter(slow).converted()
        fast.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "SiglipTokenizer", "do_lower_case": True, "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>",
              "model_max_length": 64, "padding_side": "right"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    write(folder, write_rows, 1)

    other = fresh(out, "open-clip-siglip")
    made = T5Tokenizer(tokenizer_object=fast, extra_ids=0, pad_token="</s>", eos_token="</s>", unk_token="<unk>", padding_side="right")
    made.save_pretrained(other)
    only(other)
    write(other, open_clip_rows(other, texts, 64, clean="canonicalize"), 1)


def make_siglip2(out, texts):
    from transformers import GemmaTokenizer, Siglip2Tokenizer

    for name, kind in (("hf-siglip2", Siglip2Tokenizer), ("open-clip-siglip2", GemmaTokenizer)):
        folder = fresh(out, name)
        gemma(kind).save_pretrained(folder)
        only(folder)
        loaded = kind.from_pretrained(folder)
        write(folder, rows(loaded, texts, 64) if name.startswith("hf") else open_clip_rows(folder, texts, 64, clean="canonicalize"), 0)


def make_xlm(out, texts):
    from transformers import XLMRobertaTokenizer

    with tempfile.TemporaryDirectory() as temp:
        model = sentencepiece.SentencePieceProcessor(str(spiece(pathlib.Path(temp), 200, unk_id=0, bos_id=1, eos_id=2, pad_id=-1)))
        pieces = [(model.id_to_piece(i), model.get_score(i)) for i in range(3, model.get_piece_size())]
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces, ("<mask>", 0.0)]
    for name in ("hf-xlm-v", "open-clip-xlm-v"):
        folder = fresh(out, name)
        XLMRobertaTokenizer(vocab=vocab, model_max_length=77).save_pretrained(folder)
        only(folder)
        loaded = XLMRobertaTokenizer.from_pretrained(folder)
        write(folder, rows(loaded, texts, 77) if name.startswith("hf") else open_clip_rows(folder, texts, 77), 1)


def make_clipa(out, texts):
    from transformers import BertTokenizer

    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer()
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trained.train_from_iterator(corpus(), trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    folder = fresh(out, "open-clip-clipa")
    BertTokenizer(vocab=trained.get_vocab(), do_lower_case=True).save_pretrained(folder)
    only(folder)
    write(folder, open_clip_rows(folder, texts, 32, strip_sep_token=True), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    texts = hard.strings()
    for make in (make_hf_siglip, make_siglip2, make_xlm, make_clipa):
        make(args.out, texts)


if __name__ == "__main__":
    main()
