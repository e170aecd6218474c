#!/usr/bin/env python3
"""Draws docs/balls.png, the scene that README explains: make_balls.py OUT.png (needs numpy and Pillow)."""
import sys

import numpy as np
from PIL import Image, ImageFilter

W, H = 480, 360
random = np.random.default_rng(7)
y, x = np.mgrid[0:H, 0:W].astype(float)


def noise(scale, amplitude):
    coarse = Image.fromarray((random.random((H // scale + 1, W // scale + 1)) * 255).astype(np.uint8))
    return np.asarray(coarse.resize((W, H), Image.BICUBIC)).astype(float) / 255 * amplitude - amplitude / 2


def meadow():
    sky = np.stack([135 + 50 * y / H, 175 + 40 * y / H, 225 - 10 * y / H], -1)
    blades = noise(3, 60) + noise(12, 50) + noise(1, 25)
    grass = np.stack([70 + blades * 0.7, 130 + blades, 45 + blades * 0.5], -1)
    return np.where((y > 150 + 8 * np.sin(x / 60))[..., None], grass, sky + noise(40, 30)[..., None])


def tennis_ball(image, cx, cy, radius):
    inside = np.hypot(x - cx, y - cy) < radius
    light = np.clip(1 - np.hypot(x - cx + radius * 0.35, y - cy + radius * 0.4) / (1.7 * radius), 0, 1) * 0.9 + 0.25
    shadow = np.exp(-(((x - cx - radius * 0.3) / (radius * 1.1)) ** 2 + ((y - cy - radius * 0.95) / (radius * 0.28)) ** 2) * 2)
    image[:] = image * (1 - 0.6 * shadow * ~inside)[..., None]
    u, v = (x - cx) / radius, (y - cy) / radius
    seam = (abs(np.hypot(u - 1.05, v * 0.9) - 0.82) < 0.035) | (abs(np.hypot(u + 1.05, v * 0.9) - 0.82) < 0.035)
    felt = np.array([205, 225, 60]) + noise(2, 40)[..., None]
    image[inside] = (np.where(seam[..., None], [245, 245, 240], felt) * light[..., None])[inside]


scene = meadow()
tennis_ball(scene, 165, 235, 72)
tennis_ball(scene, 362, 268, 48)
Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7)).save(sys.argv[1])
