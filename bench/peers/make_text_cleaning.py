# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of ftfy's fix_text and of Python's html.unescape, and golden texts that they cleaned.

    python make_text_cleaning.py --tables ../../engine/src/main/resources/io/clipsteer/engine/checkpoint/ftfy.json \\
        --golden ../../engine/src/test/resources/tokenizer/golden-cleaning.jsonl.gz

  --tables FILE  the patterns and code pages of ftfy (Apache-2.0, Robyn Speer) in the form that java.util.regex reads, and
                 the named character references of HTML 5
  --golden FILE  {"text", "fixed", "lower", "canonical"}: ftfy.fix_text, and open_clip's cleaning "lower" and
                 "canonicalize" of 6,000 texts: words and captions, with mojibake of ten code pages, once and twice,
                 spaces for 0xA0, lost bytes, entities, quotes, ligatures, widths, controls, escapes, surrogates; and
                 random strings of the characters that ftfy's rules name

Everything is a function of the seed in this file. Made with ftfy 6.3.1, open_clip_torch 3.3.0, Python 3.11.7.
"""

import argparse
import gzip
import html
import html.entities
import json
import pathlib
import random
import re
import unicodedata

import ftfy
from ftfy import badness, chardata, fixes
from open_clip.tokenizer import _clean_canonicalize, _clean_lower

SEED = 20261129
SPACE = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
WORD = r"\p{L}\p{N}_"


def java(pattern):
    """A verbose pattern of Python's re on one line, with \\s and \\w of Python and every other class escaped."""
    out, i, in_class = [], 0, False
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            two = pattern[i:i + 2]
            i += 2
            if two == r"\s":
                out.append(SPACE if in_class else f"[{SPACE}]")
            elif two == r"\w":
                out.append(WORD if in_class else f"[{WORD}]")
            elif two == r"\x":
                out.append(r"\x" + pattern[i:i + 2])
                i += 2
            else:
                raise ValueError(two)
            continue
        i += 1
        if not in_class and c == "#":
            i = pattern.find("\n", i)
            i = len(pattern) if i < 0 else i
        elif not in_class and c in " \n":
            continue
        elif c == "[" and not in_class:
            in_class = True
            out.append(c)
        elif c == "]" and in_class:
            in_class = False
            out.append(c)
        elif in_class and c == "^" and out[-1] == "[":
            out.append(c)
        elif in_class and c in "-":
            out.append(c)
        elif in_class and (c in "&[^" or ord(c) < 0x20):
            out.append("\\x%02x" % ord(c))
        else:
            out.append(c)
    return "".join(out)


def java_bytes(pattern):
    """A pattern over bytes, to be read over the characters of Latin-1."""
    return "".join("\\x%02x" % b if b < 0x20 or b > 0x7e else "\\x20" if b == 0x20 else chr(b) for b in pattern)


def tables():
    pages = {}
    for name in chardata.CHARMAP_ENCODINGS:
        page = bytes(range(256)).decode(name)
        assert len(page) == 256
        for b in [*range(0x80, 0x100), 0x1A]:
            assert page[b].encode(name) == bytes([b]), (name, b)
        pages[name] = page
    upper = {k[1:]: v for k, v in chardata.HTML_ENTITIES.items() if k[1:] not in html.entities.html5}
    assert all(chardata.HTML_ENTITIES["&" + k] == v for k, v in html.entities.html5.items() if k.endswith(";"))
    import html as h
    return {
        "source": f"ftfy {ftfy.__version__ if hasattr(ftfy, '__version__') else '6.3.1'}, Apache-2.0, Copyright Robyn Speer; "
                  "html.entities of Python 3.11; by bench/peers/make_text_cleaning.py",
        "badness": java(badness.BADNESS_RE.pattern),
        "utf8": java(chardata.UTF8_DETECTOR_RE.pattern),
        "altered": java_bytes(chardata.ALTERED_UTF8_RE.pattern),
        "lossy": java_bytes(chardata.LOSSY_UTF8_RE.pattern),
        "a_grave": java_bytes(fixes.A_GRAVE_WORD_RE.pattern),
        "pages": pages,
        "ligatures": {chr(k): v for k, v in chardata.LIGATURES.items()},
        "entities": dict(html.entities.html5),
        "upper_entities": upper,
        "numeric": {str(k): v for k, v in h._invalid_charrefs.items()},
        "no_characters": sorted(h._invalid_codepoints),
    }


WORDS = """dog cat café naïve résumé über straße crème brûlée façade garçon español niño São Tomé Łódź Škoda Žižek žluťoučký
kůň Dvořák Gdańsk şehir İstanbul ığdır Århus smørrebrød Ærø ångström Αθήνα ψωμί Москва собака кошка мир Київ їжа ґанок שלום
مرحبا كلب 日本語 ネコ 犬 猫 한국어 हिन्दी தமிழ் ไทย ภาษา Việt Nam phở €5 £10 ¥100 ½ ¼ x² m³ 20° ±1 µm © ® ™ … – — “quoted” ‘it’s’
«guillemets» ¿qué? ¡hola! naïve’s baker’s l’été d’œuf cœur Œuvre œ ŒUVRE à la mode às àquele 😀 🐶 👩‍🔬 🏴󠁧󠁢󠁷󠁬󠁳󠁿 ✔ ♥ → ∞ ≠ √2 ∑ ∂ Ω ﬁne ﬂow
ﬃ ﬆ ĳs ŉ ǆ ＬＯＵＤ　ＮＯＩＳＥ ｱｲｳ ﾊﾟ ￡ ﾡ a photo of a {} the is and &amp; &lt; R&D AT&T &copy &copy; &eacute; &EACUTE; &NTILDE; &#233;
&#xe9; &#x2019; &#8217; &rsquo; &hellip; &nbsp; &notit; &not &ampamp; &amp;amp; &amp;lt;b&amp;gt; &#0; &#128; &#x80; &#xD800;
&#1114112; &#12; &#x1F436; &Jscr; &hearts; &SZLIG; &foo; &; &#; &#x; <b>bold</b> a<b &quot;x&quot; it&#39;s ‚low’ „deutsch“ ‹a›""".split()
CONTROLS = ["\x00", "\x07", "\x08", "\x0b", "\x0c", "\x1b[31m", "\x1b[0m", "\x1b[1;31;40m", "\x1b", "\x7f", "\x85", "\x80", "\x92",
            "\x99", "\xa0", "\xad", "\u200b", "\u200d", "\u200e", "\u2028", "\u2029", "\ufeff", "\ufff9", "\ufffc", "\ufffd",
            "\u206a", "\r\n", "\r", "\n", "\t", "  ", "\u3000", "\x1c", "\x1f", "\ud83d", "\udc36", "\ud83d\udc36", "e\u0301",
            "A\u030a", "\u1100\u1161", "\u212b", "?"]
ENCODINGS = ["latin-1", "cp1252", *chardata.CHARMAP_ENCODINGS[1:]]


def garble(rng, text):
    """Reads a text's UTF-8 by another code page, as a broken program does; some do worse besides."""
    page = rng.choice(ENCODINGS)
    data = text.encode("utf-8", "replace")
    if rng.random() < 0.1:
        data = re.sub(b"[\xf0-\xf4]...", lambda m: m.group(0).decode("utf-8", "replace").encode("utf-16", "surrogatepass")[2:]
                      .decode("utf-16", "surrogatepass").encode("utf-8", "replace"), data, flags=re.S)
    if rng.random() < 0.05:
        data = data.replace(b"\x00", b"\xc0\x80") + b"\xed\xa0\xbd\xed\xb0\xb6"
    out = data.decode(page, "replace")
    if rng.random() < 0.3:
        out = out.replace("\xa0", " ")
    if rng.random() < 0.1:
        out = out.replace("\ufffd", "?")
    if rng.random() < 0.1:
        out = " ".join(out.split())
    return out


def texts(rng, count):
    alphabet = sorted({c for v in badness.MOJIBAKE_CATEGORIES.values() for c in v} |
                      {c for v in chardata.UTF8_CLUES.values() for c in v} | set("aeioAEZz  .,?°²³·`"))
    rows = ["", " ", "dog", "baker’s shop", "salt &amp; pepper", "voilÃ le travail", "Ã la mode", "l’Ã©tÃ©", "doesnâ€™t",
            "sÃ³", "&macr;\\_(ã\x83\x84)_/&macr;", "(à¸‡'âŒ£')à¸‡", "â€œ like this â€�", "ÃƒÂ© twice", "Ð¡Ð¾Ð±Ð°ÐºÐ°",
            "a < b &amp; c\nd &amp; e", "d &amp; e\na < b &amp; c\nf &amp; g", "AT&T&ampx", "&amp;amp;amp;", "ΟΔΟΣ ΣΑΣ"]
    while len(rows) < count:
        kind = rng.random()
        if kind < 0.15:
            rows.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 8))))
            continue
        if kind < 0.25:
            rows.append("".join(rng.choice(CONTROLS + WORDS + ["&", "#", ";", "x", "1"]) for _ in range(rng.randint(1, 6))))
            continue
        text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 5)))
        if kind < 0.65:
            part = garble(rng, text)
            if rng.random() < 0.2:
                part = garble(rng, part)
            text = part if rng.random() < 0.6 else text + " " + part if rng.random() < 0.5 else part + " " + text
        if rng.random() < 0.2:
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(CONTROLS) + text[at:]
        if rng.random() < 0.1:
            text = html.escape(text)
        if rng.random() < 0.1:
            text = unicodedata.normalize(rng.choice(["NFD", "NFKD"]), text)
        rows.append(text)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=pathlib.Path, required=True)
    parser.add_argument("--golden", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.tables.write_text(json.dumps(tables(), ensure_ascii=True, separators=(",", ":")) + "\n", encoding="ascii", newline="\n")
    rows, changed, mojibake = [], 0, 0
    for text in texts(random.Random(SEED), 6000):
        fixed = ftfy.fix_text(text)
        changed += fixed != text
        mojibake += ftfy.fix_encoding(text) != text
        rows.append(json.dumps({"text": text, "fixed": fixed, "lower": _clean_lower(text), "canonical": _clean_canonicalize(text)}))
    with open(args.golden, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        out.write(("\n".join(rows) + "\n").encode("ascii"))
    print(len(rows), "texts,", changed, "changed by fix_text,", mojibake, "by fix_encoding,", args.golden.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
