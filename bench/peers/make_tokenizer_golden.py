"""Makes the tiny CLIP tokenizer and the golden ids of 2,000 strings.

    python make_tokenizer_golden.py --fixture DIR              the tiny tokenizer's files into DIR
    python make_tokenizer_golden.py --golden DIR --fixture DIR --clip-vocab bpe_simple_vocab_16e6.txt.gz

What it makes
  --fixture DIR   tokenizer.json, vocab.json, merges.txt, tokenizer_config.json, special_tokens_map.json: a BPE of 640
                  entries, trained on the text below, built and saved as CLIP's own.
  --golden DIR    golden-tiny.jsonl.gz       {"text", "ids"}: HF CLIPTokenizerFast over the tiny tokenizer
                  golden-clip.jsonl.gz       {"text", "ids"}: the same over CLIP's vocabulary (49,408 entries)
                  golden-open-clip.jsonl.gz  {"text", "ids"}: open_clip's SimpleTokenizer (ftfy, html.unescape twice)
                  One row per string, in the same order. `ids` is the row of padding="max_length", truncation=True,
                  max_length=77 up to the end-of-text id that closes it (so the rest of the 77 is padding: HF pads with
                  the end-of-text id, open_clip with 0). CLIP's vocabulary itself is read from --clip-vocab or, without
                  it, from the open_clip package, and is not written anywhere.

Text is JSON with \\u escapes; no string holds a lone surrogate.

Everything is a function of the seed in this file. Made with transformers 5.23.0, tokenizers 0.23.3, open_clip_torch
3.3.0, ftfy 6.3.1, regex 2026.11.15.
"""

import argparse
import collections
import gzip
import json
import os
import pathlib
import random
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import regex  # noqa: E402

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
CONTEXT = 77
TINY_SIZE = 640
COUNT = 2000
SEED = 20250401

PATTERN = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)

ADJECTIVES = ("small large red blue green yellow black white old young wet dirty clean bright dark blurry sharp cropped "
              "close-up wooden striped hairy blond smiling sleeping wild origami plastic embroidered pixelated").split()
NOUNS = ("dog cat bird eagle horse fish waterbird landbird car truck plane ship house tree flower apple lemon fountain "
         "iron umbrella hotdog hummingbird ant hound mountain lake beach forest bamboo city street kitchen woman man "
         "child face hair glasses hat keyboard telephone piano guitar bottle candle sticker tattoo rendering cartoon "
         "sculpture sketch doodle toy").split()
VERBS = "holding wearing eating chasing facing watching carrying near behind above under beside without".split()
TEMPLATES = ["a photo of a {}.", "a bad photo of a {}.", "a photo of many {}s.", "a sculpture of a {}.",
             "the {} in a video game.", "a rendering of the {}.", "itap of my {}.", "a {} in a {} {}.",
             "a photo of the {}, a type of {}.", "graffiti of a {}", "art of the {}.", "there isn't a {} here",
             "I'll say it's the {}'s {}", "they've seen we're near the {}; I'd say I'm sure", "{} {} {}"]


def sentence(rng):
    template = rng.choice(TEMPLATES)
    words = []
    for _ in range(template.count("{}")):
        noun = rng.choice(NOUNS)
        words.append(f"{rng.choice(ADJECTIVES)} {noun}" if rng.random() < 0.5 else noun)
    text = template.format(*words)
    if rng.random() < 0.3:
        text += f" {rng.choice(VERBS)} the {rng.choice(NOUNS)}"
    return text


def byte_alphabet():
    """CLIP's map of bytes to printable characters, in the order of its vocabulary."""
    values = [*range(ord("!"), ord("~") + 1), *range(ord("\u00a1"), ord("\u00ac") + 1), *range(ord("\u00ae"), 0x100)]
    chars = list(values)
    extra = 0
    for value in range(256):
        if value not in values:
            values.append(value)
            chars.append(256 + extra)
            extra += 1
    return dict(zip(values, map(chr, chars)))


def train(count):
    """The `count` most frequent merges of the training text; ties to the smaller pair of strings."""
    rng = random.Random(SEED)
    alphabet = byte_alphabet()
    words = collections.Counter()
    corpus = [sentence(rng) for _ in range(4000)]
    corpus += ["caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00fcber stra\u00dfe"] * 40
    corpus += ["\U0001f600 \U0001f600\U0001f600 \u72d7 \u732b \u72ac \u0627\u0644\u0643\u0644\u0628"] * 40
    for text in corpus:
        for token in PATTERN.findall(text.lower()):
            symbols = [alphabet[b] for b in token.encode("utf-8")]
            symbols[-1] += "</w>"
            words[tuple(symbols)] += 1
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for symbols, frequency in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += frequency
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = collections.Counter()
        for symbols, frequency in words.items():
            out, i = [], 0
            while i < len(symbols):
                if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == best:
                    out.append(symbols[i] + symbols[i + 1])
                    i += 2
                else:
                    out.append(symbols[i])
                    i += 1
            merged[tuple(out)] += frequency
        words = merged
    return merges


def vocabulary(merges):
    """CLIP's order: bytes, bytes that end a word, merges, the two special tokens."""
    singles = list(byte_alphabet().values())
    entries = singles + [c + "</w>" for c in singles] + ["".join(m) for m in merges] + [BOS, EOS]
    assert len(set(entries)) == len(entries)
    return {entry: i for i, entry in enumerate(entries)}


def save(folder, merges):
    """The five files as transformers saves them, plus the classic vocab.json, merges.txt, special_tokens_map.json."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    vocab = vocabulary(merges)
    CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=CONTEXT).save_pretrained(folder)
    with open(folder / "vocab.json", "w", encoding="utf-8") as out:
        json.dump(vocab, out, ensure_ascii=False)
    with open(folder / "merges.txt", "w", encoding="utf-8", newline="\n") as out:
        out.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    entry = {"content": BOS, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    special = {"bos_token": entry, "eos_token": {**entry, "content": EOS}, "unk_token": {**entry, "content": EOS},
               "pad_token": EOS}
    with open(folder / "special_tokens_map.json", "w", encoding="utf-8", newline="\n") as out:
        json.dump(special, out)
        out.write("\n")


def clip_merges(path):
    with gzip.open(path, "rt", encoding="utf-8") as source:
        lines = source.read().split("\n")
    return [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]


FIXED = [
    "", " ", "\t", "\n", "\r\n", "a", "A", "\u0000", "\u0001\u0002", "a\u0000b", "\u007f", "\u0085", "\u00a0", "\u200b",
    "a\u200bb", "\u2028", "\u2029", "\u3000a\u3000b", "\ufeffa photo of a dog", "a\u00adb", "\u200ea\u200f", "\u202eabc",
    "a photo of a dog", "A PHOTO OF A DOG", "  a   photo\tof\na  dog  ", "a\u2003photo\u2009of\u205fa\u1680dog",
    "a\u000bb\u000cc\u001cd\u001ee\u001ff", "don't", "DON'T", "I'll we're they've I'm he'd it's", "'s", "'S 'T 'RE 'VE 'M 'LL 'D",
    "it\u2019s", "rock 'n' roll", "''s", "'sa", "x'''ll", "1", "12", "2024", "3.14159", "1e-5", "a1b2c3", "\u00b2\u00b3\u00bc", "\u2167",
    "\u0661\u0662\u0663", "\u096a\u0968", "\U0001d7d8\U0001d7d9", "\u2460", "caf\u00e9", "cafe\u0301", "CAF\u00c9", "\u00c5 \u212b A\u030a", "\ufb01ne \ufb03", "e\u0301\u0327", "\u1e69 s\u0323\u0307 s\u0307\u0323",
    "\u0130stanbul", "I\u0307", "\u0131", "\u1e9e stra\u00dfe STRASSE", "\u03a3\u0391\u03a3 \u03c3\u03b1\u03c2", "\u039f\u0394\u039f\u03a3", "\u01c5 \u01c4", "\u10a0\u1c90", "\u13a0\uab70", "\u1f88 \u1f80",
    "\u72d7\u7684\u7167\u7247", "\u732b\u3068\u72ac\u306e\u5199\u771f", "\u304b\u3099 \u304c", "\uac1c \uc0ac\uc9c4 \u1100\u1161\u11a8 \uac01", "\u0635\u0648\u0631\u0629 \u0643\u0644\u0628", "\u05d4\u05db\u05dc\u05d1", "\u0915\u0941\u0924\u094d\u0924\u093e", "\u0e2a\u0e38\u0e19\u0e31\u0e02", "\u0431\u043e\u043b\u044c\u0448\u0430\u044f \u0421\u041e\u0411\u0410\u041a\u0410",
    "\uf900 \u8c48", "\u2126 \u03a9", "\uff21\uff22\uff23 \uff11\uff12\uff13", "\uff76\uff9e", "\u1d00\u1d01", "\U0001d4d0\U0001d4d1", "\U00020000", "\U0010ffff", "\ufffd", "\uffff", "\ufdd0", "\ue000",
    "\U0001f600", "\U0001f436 dog", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "1\ufe0f\u20e3", "a\U0001f600b", "\U0001f600\U0001f600\U0001f600",
    "&amp;", "&amp;amp;", "&amp;amp;amp;", "&lt;b&gt;", "&#39;s", "&#x1F600;", "&nbsp;", "&copy 2024", "a &eacute; b", "&notanentity;", "&#0;", "&#55296;", "<br>", "&",
    "\u00c3\u00a9t\u00c3\u00a9", "schÃ¶n", "â€œquotedâ€\u009d", "\u201cquoted\u201d \u2018x\u2019", "\u2026", "a\u2014b", "\u00ab\u00bb", "\x1b[31mred\x1b[0m", "\u00b5 \u03bc", "\u0149", "l\u00b7l",
    BOS, EOS, EOS + EOS, "<|ENDOFTEXT|>", "<|EndOfText|>", f"a {EOS} b", f"a{EOS}b", f" {EOS} ", f"{BOS}a photo{EOS}", "<|endoftext", "|endoftext|>",
    f"<<|endoftext|>>", f"a photo of a dog{EOS} a cat", f"{EOS}'s", f"1{EOS}2", "<start_of_text>", "<end_of_text>", "a<end_of_text>b", "<END_OF_TEXT>", "<|pad|>", "!", "!!!", "a!", "!a", "! !",
    "</w>", "a</w>", "</w> </w>", "\u0120a", "\u010a", "\u00c4\u00a0", "\\n", "\\u0000", "\"quoted\"", "{}[]()", "a_b", "__init__", "c++ c#", "f/2.8", "50%", "$5", "\u20ac5", "user@example.org", "#tag", "@name",
    "https://example.org/a?b=c&d=e", "x\u0301" * 30, "\u0301", "\u0301a", " \u0301", "a \u0301 b", "1\u0301", "!\u0301", "\u200d", "\ufe0f", "\u0f40\u0fb5", "\u0958", "\u2adc", "\U0001d15e",
    "a" * 76, "a" * 200, "a" * 5000, "dog " * 73, "dog " * 74, "dog " * 75, "dog " * 76, "dog " * 77, "dog " * 500, "! " * 74, "! " * 75, "! " * 76, "!" * 75, "!" * 500, "1" * 74, "1" * 75, "1" * 76, "1" * 300,
    "\U0001f600" * 100, "\u72d7" * 100, ("a photo of a dog. " * 40), "dog " * 74 + EOS, "dog " * 75 + EOS, "dog " * 76 + EOS, (EOS + " ") * 80, "supercalifragilisticexpialidocious" * 12,
]

RANGES = [(0x20, 0x7f), (0x00, 0x20), (0x80, 0x250), (0x250, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xd80),
          (0xe00, 0x1000), (0x10a0, 0x1400), (0x1e00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2c00), (0x3000, 0x3100),
          (0x4e00, 0x9fff), (0xac00, 0xd7a4), (0xf900, 0xfb50), (0xfb50, 0x10000), (0x1d400, 0x1d800),
          (0x1f300, 0x1fb00), (0x300, 0x370)]


def character(rng):
    low, high = rng.choice(RANGES)
    return chr(rng.randrange(low, high))


def strings():
    """The 2,000 test strings, without a repetition."""
    rng = random.Random(SEED + 1)
    seen = dict.fromkeys(FIXED)
    pieces = [text for text in FIXED if 0 < len(text) <= 40]
    spaces = [" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u2003", "", "\u200b", "\r\n", "\u0085"]
    while len(seen) < COUNT:
        kind = rng.random()
        if kind < 0.3:
            text = sentence(rng)
            if rng.random() < 0.3:
                text = rng.choice([text.upper(), text.title(), text.swapcase()])
        elif kind < 0.45:
            text = "".join(character(rng) for _ in range(rng.randrange(1, 24)))
        elif kind < 0.6:
            words = sentence(rng).split()
            text = "".join(word + rng.choice(spaces) for word in words)
        elif kind < 0.8:
            text = "".join(rng.choice(pieces) + rng.choice(spaces) for _ in range(rng.randrange(1, 6)))
        elif kind < 0.9:
            letters = list(sentence(rng))
            for _ in range(rng.randrange(1, 5)):
                letters.insert(rng.randrange(len(letters)), character(rng))
            text = "".join(letters)
        elif kind < 0.97:
            text = str(rng.randrange(10 ** rng.randrange(1, 12))) + rng.choice(["", " dogs", "th", "%", "mm f/1.4", "'s"])
        else:
            text = " ".join(sentence(rng) for _ in range(rng.randrange(5, 30)))
        seen.setdefault(text)
    return list(seen)


def until_eos(row, eos, pads):
    """A padded row without its padding: up to the end-of-text id that closes it."""
    end = len(row)
    while end > 0 and row[end - 1] in pads:
        end -= 1
    if end == len(row) and row[-1] == eos:
        return row
    return row[:end] if end and row[end - 1] == eos else row[:end + 1]


def hf_ids(folder, texts):
    from transformers import CLIPTokenizerFast

    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    out = tokenizer(texts, padding="max_length", truncation=True, max_length=CONTEXT)
    rows = []
    for ids, mask in zip(out["input_ids"], out["attention_mask"]):
        assert len(ids) == CONTEXT
        length = sum(mask)
        assert all(i == tokenizer.eos_token_id for i in ids[length - 1:]), ids
        rows.append(ids[:length])
    return rows


def open_clip_ids(texts, path):
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer(bpe_path=str(path)) if path else SimpleTokenizer()
    rows = []
    for text in texts:
        row = tokenizer([text], context_length=CONTEXT)[0].tolist()
        length = min(len(tokenizer.encode(text)) + 2, CONTEXT)
        assert row[length - 1] == tokenizer.eot_token_id and not any(row[length:])
        rows.append(row[:length])
    return rows


def write(path, texts, rows):
    body = "".join(json.dumps({"text": t, "ids": r}, separators=(",", ":")) + "\n" for t, r in zip(texts, rows))
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write(body.encode("ascii"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixture", type=pathlib.Path, required=True, help="folder of the tiny tokenizer")
    parser.add_argument("--golden", type=pathlib.Path, help="folder of the golden rows; absent: only the tokenizer")
    parser.add_argument("--clip-vocab", type=pathlib.Path, help="bpe_simple_vocab_16e6.txt.gz")
    args = parser.parse_args()
    save(args.fixture, train(TINY_SIZE - 512 - 2))
    if args.golden is None:
        return
    args.golden.mkdir(parents=True, exist_ok=True)
    texts = strings()
    write(args.golden / "golden-tiny.jsonl.gz", texts, hf_ids(args.fixture, texts))
    from open_clip.tokenizer import default_bpe

    vocab = args.clip_vocab or default_bpe()
    with tempfile.TemporaryDirectory() as scratch:
        save(pathlib.Path(scratch), clip_merges(vocab))
        hf = hf_ids(scratch, texts)
    write(args.golden / "golden-clip.jsonl.gz", texts, hf)
    simple = open_clip_ids(texts, vocab)
    write(args.golden / "golden-open-clip.jsonl.gz", texts, simple)
    differ = sum(a != b for a, b in zip(hf, simple))
    print(json.dumps({"strings": len(texts), "hf_differs_from_open_clip": differ,
                      "rows_cut_at_77": sum(len(r) == CONTEXT for r in hf)}))


if __name__ == "__main__":
    main()
