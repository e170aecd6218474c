#!/usr/bin/env python3
"""Writes the pictures of this folder and goldens.txt: what Pillow and transformers make of them.

    python3 make_images.py        needs Pillow >= 13, numpy and transformers >= 5

The pictures are formulas, so they belong to nobody. goldens.txt holds one case a line, results as the SHA-256 of their bytes
(RGB rows from the top, or float32 [3, H, W]):

    decode FILE WIDTH HEIGHT HASH
    resize FILE WIDTH HEIGHT FILTER HASH
    preprocess FILE WIDTH HEIGHT HASH CONFIG
"""
import hashlib
import json
import os
import struct
import tempfile
import zlib

import numpy
from PIL import Image
from transformers import AutoImageProcessor

WIDTH, HEIGHT = 37, 29


def picture(channels, width=WIDTH, height=HEIGHT):
    """Waves and a hard edge: smooth parts for chroma, an edge for filters that overshoot."""
    y, x = numpy.mgrid[0:height, 0:width]
    waves = [127 + 90 * numpy.sin(0.31 * (c + 1) * x + 0.17 * y) * numpy.cos(0.23 * (c + 1) * y) for c in range(channels)]
    image = numpy.stack(waves, -1) + 37 * (x > 0.6 * width)[..., None] * (-1) ** y[..., None]
    return image.clip(0, 255).astype(numpy.uint8)


def png(width, height, depth, colour, rows, interlaced=False):
    """For the kinds that Pillow does not write. rows: filter bytes included."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def unfiltered(rows):
    return b"".join(b"\0" + row.tobytes() for row in rows)


def adam7(image):
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    return b"".join(unfiltered(image[y::dy, x::dx]) for x, y, dx, dy in passes)


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def write_pictures():
    rgb, rgba = Image.fromarray(picture(3)), Image.fromarray(picture(4))
    grey, cmyk = Image.fromarray(picture(1)[..., 0]), Image.fromarray(picture(4), "CMYK")
    rgb.save("photo.jpg", quality=85)
    rgb.save("full.jpg", quality=90, subsampling=0)
    rgb.save("progressive.jpg", quality=80, progressive=True)
    grey.save("grey.jpg")
    cmyk.save("cmyk.jpg")
    turned = Image.Exif()
    turned[0x112] = 6
    rgb.save("turned.jpg", exif=turned)
    rgb.save("photo.png")
    rgba.save("alpha.png")
    rgb.quantize(37).save("palette.png", transparency=5)
    rgb.quantize(3).save("palette2.png", bits=2)
    grey.convert("1").save("black_and_white.png")
    Image.fromarray(picture(2), "LA").save("grey_alpha.png")
    write("interlaced.png", png(WIDTH, HEIGHT, 8, 2, adam7(picture(3)), True))
    deep = picture(4).astype(">u2") * 256 + numpy.arange(4, dtype=">u2")
    write("deep.png", png(WIDTH, HEIGHT, 16, 6, unfiltered(deep.astype(">u2"))))
    write("grey16.png", png(WIDTH, HEIGHT, 16, 0, unfiltered((picture(1)[..., 0].astype(">u2") * 256 + 9).astype(">u2"))))
    rgb.save("lossy.webp", quality=70)
    rgba.save("alpha.webp", lossless=True, exact=True)
    rgb.save("animated.webp", save_all=True, append_images=[grey.convert("RGB")])
    Image.fromarray(picture(3, 9, 40)).save("tall.png")
    Image.new("RGB", (1, 1), (9, 80, 200)).save("one.png")


def digest(array):
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()


def load(name):
    if name == "grey16.png":  # the upper 8 bits; Pillow would clip
        return Image.fromarray(numpy.repeat(picture(1), 3, axis=2))
    return Image.open(name).convert("RGB")


CONFIGS = [
    {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 48}, "resample": 2},
    {"feature_extractor_type": "ViTFeatureExtractor", "size": 24, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
    {"feature_extractor_type": "CLIPFeatureExtractor", "size": 24, "crop_size": 20},
    {"image_processor_type": "CLIPImageProcessorFast", "size": {"shortest_edge": 21}, "crop_size": {"height": 33, "width": 16}},
    {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "crop_pct": None},
    {"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 28, "longest_edge": 31}, "resample": 1},
    {"image_processor_type": "ViTImageProcessor", "size": [19, 23], "do_normalize": False, "resample": 0},
    {"image_processor_type": "SiglipImageProcessor", "size": {"height": 16, "width": 16}, "do_rescale": False, "image_mean": 100.0, "image_std": [50, 51, 53]},
    {"image_processor_type": "DeiTImageProcessor", "do_resize": False, "crop_size": {"height": 45, "width": 20}, "rescale_factor": 0.017},
]
SIZES = [(1, 1), (224, 224), (19, 15), (37, 60), (9, 29), (74, 58), (36, 7), (50, 11), (3, 90), (38, 30)]


def preprocess(name, config):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "preprocessor_config.json"), "w") as file:
            json.dump(config, file)
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        return processor(load(name), return_tensors="np")["pixel_values"][0].astype(numpy.float32)


def write_goldens():
    with open("goldens.txt", "w") as out:
        for name in sorted(n for n in os.listdir() if n.endswith((".jpg", ".png", ".webp")) and n != "animated.webp"):
            image = load(name)
            print("decode", name, *image.size, digest(image), file=out)
        for name in ("photo.png", "tall.png"):
            for size in SIZES:
                for resample in range(6):
                    print("resize", name, *size, resample, digest(load(name).resize(size, resample)), file=out)
        for config in CONFIGS:
            for name in ("photo.png", "tall.png"):
                pixels = preprocess(name, config)
                print("preprocess", name, pixels.shape[2], pixels.shape[1], digest(pixels), json.dumps(config), file=out)


os.chdir(os.path.dirname(os.path.abspath(__file__)))
write_pictures()
write_goldens()
