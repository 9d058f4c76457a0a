# SPDX-License-Identifier: Apache-2.0
"""Writes what PIL makes of images, for the tests of io.clipsteer.data.image.

    python bench/peers/make_image_golden.py photos PHOTOS_FOLDER OUT.tsv
    python bench/peers/make_image_golden.py images OUT_FOLDER

The first hashes every photo of a folder; the second makes the small images of the tests, their
hashes (images.tsv), and float values of some (floats.tsv). Every figure comes from PIL and numpy.
"""

import hashlib
import json
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms


def sha(image):
    return hashlib.sha256(np.asarray(image, dtype=np.uint8).tobytes()).hexdigest()


def shortest(width, height, size):
    short, long = min(width, height), max(width, height)
    other = int(size * long / short)
    return (size, other) if width <= height else (other, size)


def centre_crop(image, width, height, half_even):
    """torchvision rounds the offset half to even; transformers' numpy path floors it."""
    w, h = image.size
    if half_even:
        left, top = int(round((w - width) / 2.0)), int(round((h - height) / 2.0))
    else:
        left, top = (w - width) // 2, (h - height) // 2
    return image.crop((left, top, left + width, top + height))


def clip_image(image, size=224, filter=Image.Resampling.BICUBIC, half_even=True):
    return centre_crop(image.resize(shortest(*image.size, size), filter), size, size, half_even)


def photos(folder, out):
    with open(out, "w", newline="\n") as f:
        f.write("file\twidth\theight\trgb_sha256\tclip224_sha256\n")
        for path in sorted(Path(folder).iterdir()):
            rgb = Image.open(path).convert("RGB")
            f.write(f"{path.name}\t{rgb.width}\t{rgb.height}\t{sha(rgb)}\t{sha(clip_image(rgb))}\n")


def noise(rng, width, height, channels):
    """Smooth shapes plus a little noise: compresses like a photo, yet no two samples agree."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(channels):
        fx, fy, p = rng.uniform(0.01, 0.3, 2).tolist() + [rng.uniform(0, 6)]
        planes.append(127 + 100 * np.sin(fx * x + p) * np.cos(fy * y) + rng.normal(0, 6, x.shape))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def png16(path, array, colour_type):
    """A 16-bit PNG by hand: PIL cannot write the colour ones."""
    height, width = array.shape[:2]
    rows = array.astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    path.write_bytes(png_bytes(width, height, 16, colour_type, raw))


def png_bytes(width, height, depth, colour_type, raw, extra=b"", interlace=0):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra
            + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def adam7(path, array, colour_type, depth):
    """An interlaced PNG by hand; array holds one sample per channel, packed here to depth bits."""
    height, width = array.shape[:2]
    raw = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = array[y0::dy, x0::dx]
        if part.shape[0] == 0 or part.shape[1] == 0:
            continue
        for row in part:
            flat = row.reshape(-1)
            bits = np.unpackbits(flat[:, None].astype(np.uint8), axis=1)[:, 8 - depth:].reshape(-1)
            raw += b"\0" + np.packbits(bits).tobytes()
    extra = b""
    if colour_type == 3:
        body = bytes((i * k) % 256 for i in range(1 << depth) for k in (37, 91, 53))
        extra = struct.pack(">I", len(body)) + b"PLTE" + body
        extra += struct.pack(">I", zlib.crc32(b"PLTE" + body))
    path.write_bytes(png_bytes(width, height, depth, colour_type, raw, extra, 1))


def make_files(out, rng):
    def rgb(w, h):
        return Image.fromarray(noise(rng, w, h, 3))

    def grey(w, h):
        return Image.fromarray(noise(rng, w, h, 1)[:, :, 0])

    def rgba(w, h):
        return Image.fromarray(noise(rng, w, h, 4), "RGBA")

    def palette(w, h, colours=200):
        return rgb(w, h).quantize(colours)

    # PNG, every kind
    rgb(1, 1).save(out / "one.png")
    rgb(3, 500).save(out / "tall.png")
    rgb(500, 3).save(out / "wide.png")
    rgb(223, 225).save(out / "odd.png", optimize=True)
    grey(101, 67).save(out / "grey.png")
    rgba(97, 130).save(out / "rgba.png")
    grey(64, 91).convert("LA").save(out / "la.png")
    palette(120, 77).save(out / "palette8.png")
    palette(61, 77, 16).save(out / "palette4.png", bits=4)
    palette(61, 33, 4).save(out / "palette2.png", bits=2)
    palette(61, 33, 2).save(out / "palette1.png", bits=1)
    palette(90, 90).save(out / "palette_trns.png", transparency=3)
    grey(70, 71).save(out / "grey_trns.png", transparency=128)
    rgb(45, 46).save(out / "rgb_trns.png", transparency=(1, 2, 3))
    grey(77, 55).convert("1").save(out / "bilevel.png")
    Image.fromarray(rng.integers(0, 600, (40, 51)).astype(np.uint16)).save(out / "grey16.png")
    png16(out / "rgb16.png", rng.integers(0, 65536, (30, 41, 3)), 2)
    png16(out / "la16.png", rng.integers(0, 65536, (30, 41, 2)), 4)
    png16(out / "rgba16.png", rng.integers(0, 65536, (30, 41, 4)), 6)
    adam7(out / "interlaced_rgb.png", noise(rng, 53, 41, 3), 2, 8)
    adam7(out / "interlaced_rgba.png", noise(rng, 5, 3, 4), 6, 8)
    adam7(out / "interlaced_palette4.png", rng.integers(0, 16, (19, 37, 1)), 3, 4)
    adam7(out / "interlaced_grey1.png", rng.integers(0, 2, (29, 21, 1)), 0, 1)
    # GIF
    palette(223, 100).save(out / "plain.gif")
    palette(60, 45, 16).save(out / "few.gif", transparency=2)
    frames = [palette(50, 40, 64) for _ in range(3)]
    frames[0].save(out / "animated.gif", save_all=True, append_images=frames[1:])
    grey(40, 30).save(out / "grey.gif")
    palette(57, 43, 32).save(out / "interlaced.gif", interlace=1)
    # BMP
    rgb(51, 37).save(out / "rgb24.bmp")
    grey(51, 37).save(out / "grey8.bmp")
    palette(51, 37).save(out / "palette8.bmp")
    grey(51, 37).convert("1").save(out / "bilevel.bmp")
    rgba(31, 37).save(out / "rgba32.bmp")
    # WebP, lossless
    rgb(100, 75).save(out / "rgb.webp", lossless=True)
    rgba(64, 48).save(out / "rgba.webp", lossless=True, exact=True)
    palette(64, 48, 8).convert("RGB").save(out / "palette.webp", lossless=True)
    Image.new("RGB", (640, 427), (12, 200, 99)).save(out / "blank.webp", lossless=True)
    few = [rgb(40, 30) for _ in range(2)]
    few[0].save(out / "animated.webp", lossless=True, save_all=True, append_images=few[1:])
    # JPEG
    photo = rgb(227, 149)
    photo.save(out / "s444.jpg", quality=90, subsampling=0)
    photo.save(out / "s422.jpg", quality=85, subsampling=1)
    photo.save(out / "s420.jpg", quality=85, subsampling=2)
    photo.save(out / "progressive444.jpg", quality=80, subsampling=0, progressive=True)
    photo.save(out / "progressive420.jpg", quality=95, subsampling=2, progressive=True)
    photo.save(out / "restarts.jpg", quality=70, subsampling=2, restart_marker_blocks=3)
    photo.save(out / "low.jpg", quality=5, optimize=True)
    photo.save(out / "rgb_direct.jpg", quality=80, keep_rgb=True)
    photo.rotate(90, expand=True).save(out / "s420_tall.jpg", quality=60)
    grey(81, 133).save(out / "grey.jpg", quality=80)
    grey(33, 17).save(out / "grey_progressive.jpg", quality=80, progressive=True)
    rgb(1, 1).save(out / "one.jpg")
    rgb(2, 17).save(out / "narrow420.jpg", subsampling=2)
    rgb(640, 427).save(out / "large.jpg", quality=50)
    cmyk = Image.fromarray(noise(rng, 90, 61, 4), "CMYK")
    cmyk.save(out / "cmyk.jpg", quality=85)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    undated = profile[:24] + bytes(12) + profile[36:84] + bytes(16) + profile[100:]
    photo.save(out / "profile.jpg", quality=80, icc_profile=undated)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(out / "orientation6.jpg", quality=80, exif=exif)
    data = (out / "cmyk.jpg").read_bytes()
    at = data.index(b"Adobe")
    # The same samples read as YCCK: Adobe's transform byte says so.
    (out / "ycck.jpg").write_bytes(data[: at + 11] + b"\2" + data[at + 12:])
    odd_sampling(out, "s440.jpg", photo, (1, 2))
    odd_sampling(out, "s411.jpg", photo, (4, 1))
    odd_sampling(out, "s441.jpg", photo, (1, 4))
    odd_sampling(out, "s410.jpg", photo, (4, 2))
    rare_files(out, np.random.default_rng(20251121))


def rare_files(out, rng):
    """Kinds that PIL reads but does not write."""
    for depth in (2, 4):
        samples = rng.integers(0, 1 << depth, (23, 19, 1))
        adam7(out / f"interlaced_grey{depth}.png", samples, 0, depth)
    rows = b"".join(b"\0" + rng.bytes(9) for _ in range(31))
    (out / "grey4.png").write_bytes(png_bytes(17, 31, 4, 0, rows))
    rows = b"".join(b"\0" + rng.bytes(3 * 20) for _ in range(31))
    profile = b"x\0\0" + zlib.compress(bytes(500))
    extra = b""
    for name, body in ((b"gAMA", struct.pack(">I", 100_000)), (b"iCCP", profile)):
        extra += struct.pack(">I", len(body)) + name + body
        extra += struct.pack(">I", zlib.crc32(name + body))
    (out / "gamma.png").write_bytes(png_bytes(20, 31, 8, 2, rows, extra))

    def gif(name, screen, frame, palette, local, gce=b"", flags=0):
        """Pixels in codes of 9 bits: a clear code before every pair keeps them that wide."""
        (width, height), (left, top, w, h) = screen, frame
        bits = []
        for _ in range(w * h):
            for code in (256, int(rng.integers(0, len(palette) // 3 or 256))):
                bits += [code >> i & 1 for i in range(9)]
        bits += [257 >> i & 1 for i in range(9)]
        packed = np.packbits(np.array(bits, dtype=np.uint8), bitorder="little").tobytes()
        blocks = b"".join(bytes([len(packed[i:i + 255])]) + packed[i:i + 255]
                          for i in range(0, len(packed), 255))
        size = (len(palette) // 3).bit_length() - 2
        table = 0x80 | size if palette else 0
        (out / name).write_bytes(
            b"GIF89a" + struct.pack("<HHBBB", width, height, 0 if local else table, 1, 0)
            + (b"" if local else palette) + gce
            + b"," + struct.pack("<HHHHB", left, top, w, h, (table if local else 0) | flags)
            + (palette if local else b"") + b"\x08" + blocks + b"\0;")

    few = rng.bytes(12)
    clear = b"!\xf9\x04\x01\0\0\x02\0"
    gif("offset.gif", (30, 25), (5, 7, 11, 9), few, False)
    gif("offset_clear.gif", (30, 25), (5, 7, 11, 9), few, False, clear)
    gif("local.gif", (11, 9), (0, 0, 11, 9), rng.bytes(768), True, clear)
    gif("no_palette.gif", (11, 9), (0, 0, 11, 9), b"", False)
    gif("outside.gif", (8, 8), (2, 3, 11, 9), few, True)
    for height in (1, 2, 3, 4, 5, 9):
        gif(f"interlaced{height}.gif", (6, height), (0, 0, 6, height), few, False, b"", 0x40)

    def bmp(name, bits, width, height, body, compression=0, after=b"", size=40, offset=None):
        if size == 12:
            head = struct.pack("<IHHHH", 12, width, height, 1, bits)
        else:
            head = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression,
                               len(body), 0, 0, 0, 0)
        offset = 14 + len(head) + len(after)
        (out / name).write_bytes(
            b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + head + after + body)

    def stored(bits, width, height):
        return rng.bytes((width * bits + 31) // 32 * 4 * height)

    def masks(*values):
        return struct.pack("<" + "I" * len(values), *values)

    bmp("bits16.bmp", 16, 21, 13, stored(16, 21, 13))
    bmp("bits565.bmp", 16, 21, 13, stored(16, 21, 13), 3, masks(0xF800, 0x7E0, 0x1F))
    bmp("bits32.bmp", 32, 21, 13, stored(32, 21, 13))
    bmp("fields32.bmp", 32, 21, 13, stored(32, 21, 13), 3, masks(0xFF0000, 0xFF00, 0xFF))
    bmp("fields32_rgba.bmp", 32, 21, 13, stored(32, 21, 13), 3,
        masks(0xFF, 0xFF00, 0xFF0000, 0xFF000000) + bytes(68), 124)
    bmp("top_down.bmp", 24, 21, -13, stored(24, 21, 13))
    bmp("os2.bmp", 8, 21, 13, stored(8, 21, 13), 0, rng.bytes(768), 12)
    bmp("palette4.bmp", 4, 21, 13, stored(4, 21, 13), 0, rng.bytes(64))
    bmp("palette1.bmp", 1, 21, 13, stored(1, 21, 13), 0, rng.bytes(8))
    runs = b""
    nibbles = b""
    for _ in range(13):
        runs += bytes([9, 7, 0, 5]) + rng.bytes(5) + b"\0" + bytes([7, 200, 0, 0])
        nibbles += bytes([9, 0x3A, 0, 5]) + rng.bytes(2) + b"\x50\0" + bytes([7, 0x4C, 0, 0])
    bmp("rle8.bmp", 8, 21, 13, runs[:-2] + b"\0\1", 1, rng.bytes(1024))
    bmp("rle4.bmp", 4, 21, 13, nibbles[:-2] + b"\0\1", 2, rng.bytes(64))


def odd_sampling(out, name, photo, luma):
    """
    A JPEG whose luma is sampled (h, v), written by tiny flat blocks: PIL's encoder offers only
    4:4:4, 4:2:2 and 4:2:0, so the bits are made here, with DC values alone.
    """
    h, v = luma
    width, height = 61, 45
    wide, high = -(-width // (8 * h)), -(-height // (8 * v))
    rng = np.random.default_rng(h * 10 + v)
    bits, last = [], [0, 0, 0]
    for _ in range(wide * high):
        for c, blocks in ((0, h * v), (1, 1), (2, 1)):
            for _ in range(blocks):
                dc = int(rng.integers(-60, 60))
                diff, last[c] = dc - last[c], dc
                size = abs(diff).bit_length()
                value = diff if diff >= 0 else diff + (1 << size) - 1
                bits += [size >> i & 1 for i in range(3, -1, -1)]
                bits += [value >> i & 1 for i in range(size - 1, -1, -1)]
                bits += [0]
    bits += [1] * (-len(bits) % 8)
    scan = np.packbits(np.array(bits, dtype=np.uint8)).tobytes().replace(b"\xff", b"\xff\0")

    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    components = bytes([1, h << 4 | v, 0, 2, 0x11, 0, 3, 0x11, 0])
    # DC codes: fifteen of four bits, the symbol itself. AC: one bit, end of block.
    dc_table = bytes([0, 0, 0, 0, 12] + [0] * 12) + bytes(range(12))
    ac_table = bytes([0x10, 1] + [0] * 15) + b"\0"
    (out / name).write_bytes(
        b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
        + segment(0xDB, b"\0" + bytes([16] * 64))
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components)
        + segment(0xC4, dc_table) + segment(0xC4, ac_table)
        + segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])) + scan + b"\xff\xd9")


def images(out):
    out = Path(out)
    files = out / "files"
    files.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20251120)
    make_files(files, rng)
    settings = {
        "clip224": lambda im: clip_image(im),
        "hf223_bilinear": lambda im: clip_image(im, 223, Image.Resampling.BILINEAR, False),
        "squash96x64_bicubic": lambda im: im.resize((96, 64), Image.Resampling.BICUBIC),
        "squash50x60_lanczos": lambda im: im.resize((50, 60), Image.Resampling.LANCZOS),
        "squash50x60_box": lambda im: im.resize((50, 60), Image.Resampling.BOX),
        "squash50x60_hamming": lambda im: im.resize((50, 60), Image.Resampling.HAMMING),
        "squash71x80_nearest": lambda im: im.resize((71, 80), Image.Resampling.NEAREST),
    }
    with open(out / "images.tsv", "w", newline="\n") as f:
        f.write("\t".join(["file", "width", "height", "mode", "rgb_sha256", *settings]) + "\n")
        for path in sorted(files.iterdir()):
            opened = Image.open(path)
            rgb = opened.convert("RGB")
            cells = [path.name, rgb.width, rgb.height, opened.mode, sha(rgb)]
            cells += [sha(make(rgb)) for make in settings.values()]
            f.write("\t".join(map(str, cells)) + "\n")


HUGGING_FACE = [
    {"image_processor_type": "CLIPImageProcessor"},
    {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "resample": 3,
     "do_resize": True, "do_center_crop": True, "do_normalize": True,
     "image_mean": [0.48145466, 0.4578275, 0.40821073],
     "image_std": [0.26862954, 0.26130258, 0.27577711]},
    {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 97},
     "crop_size": {"height": 80, "width": 91}, "resample": 2},
    {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 60},
     "crop_size": {"height": 81, "width": 75}},
    {"image_processor_type": "CLIPImageProcessor", "size": {"height": 70, "width": 90},
     "crop_size": 64, "do_rescale": False, "do_normalize": False},
    {"image_processor_type": "ViTImageProcessor"},
    {"image_processor_type": "ViTImageProcessor", "size": 96, "rescale_factor": 0.00784,
     "do_normalize": False},
    {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256},
     "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
    {"image_processor_type": "SiglipImageProcessor", "size": {"height": 256, "width": 256}},
]
OPEN_CLIP = [
    {},
    {"size": 96, "interpolation": "bilinear", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    {"size": [80, 111], "resize_mode": "shortest"},
    {"size": 97, "resize_mode": "longest", "fill_color": 7},
    {"size": [81, 64], "resize_mode": "longest"},
    {"size": 90, "resize_mode": "squash", "interpolation": "bicubic"},
]
TIMM = [
    {"input_size": [3, 224, 224], "crop_pct": 0.9, "interpolation": "bicubic"},
    {"input_size": [3, 96, 96], "interpolation": "bilinear", "crop_mode": "center"},
    {"input_size": [3, 80, 111], "crop_pct": 0.95},
    {"input_size": [3, 96, 96], "crop_pct": 1.0, "crop_mode": "squash", "mean": [0.5, 0.5, 0.5],
     "std": [0.5, 0.5, 0.5]},
    {"input_size": [3, 97, 97], "crop_pct": 0.9, "crop_mode": "border"},
]


def tools():
    """Every configuration with the function that the Python tool makes of it."""
    import open_clip.transform
    import timm.data
    import torch
    import transformers
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    classes = {"CLIP": CLIPImageProcessorPil, "ViT": ViTImageProcessorPil,
               "Bit": BitImageProcessorPil, "Siglip": SiglipImageProcessorPil}
    for config in HUGGING_FACE:
        name = config.get("image_processor_type", config.get("feature_extractor_type"))
        kind = next(c for prefix, c in classes.items() if name.startswith(prefix))
        processor = kind(**{k: v for k, v in config.items() if not k.endswith("_type")})
        yield "hf", config, lambda im, p=processor: p(im, return_tensors="np")["pixel_values"][0]
    for config in OPEN_CLIP:
        cfg = open_clip.transform.PreprocessCfg(**config)
        make = open_clip.transform.image_transform_v2(cfg, is_train=False)
        yield "open_clip", config, lambda im, m=make: m(im).numpy()
    for config in TIMM:
        data = timm.data.resolve_data_config(pretrained_cfg=config)
        make = timm.data.create_transform(**data, is_training=False)
        yield "timm", config, lambda im, m=make: m(im).numpy()


def floats(out):
    names = ["odd.png", "tall.png", "s420.jpg", "s420_tall.jpg", "large.jpg", "one.png", "grey.jpg"]
    with open(Path(out) / "floats.tsv", "w", newline="\n") as f:
        f.write("tool\tconfig\tfile\theight\twidth\tfloat32_sha256\tsome\n")
        for tool, config, make in tools():
            for name in names:
                rgb = Image.open(Path(out) / "files" / name).convert("RGB")
                try:
                    a = np.ascontiguousarray(make(rgb), dtype="<f4")
                except ValueError:
                    continue  # so thin that the tool itself rounds an edge to 0
                some = a.reshape(-1)[:: max(a.size // 7, 1)][:8]
                cells = [tool, json.dumps(config), name, a.shape[1], a.shape[2],
                         hashlib.sha256(a.tobytes()).hexdigest(), " ".join(map(repr, some.tolist()))]
                f.write("\t".join(map(str, cells)) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "photos":
        photos(sys.argv[2], sys.argv[3])
    else:
        images(sys.argv[2])
        floats(sys.argv[2])
