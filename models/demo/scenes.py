"""Drawn scenes with exact masks.

One to four objects stand, turned and partly hidden by each other, before a cluttered background. A class is a shape with a texture;
two classes share each shape, and all colours are random. The clutter holds plain shapes without texture and small scraps of texture
without shape, so neither alone makes an object.

Needs numpy. Random numbers come from RandomState.random_sample (whose sequence numpy has frozen), and the arithmetic is limited to
+ - * / and square roots, which IEEE 754 rounds the same way everywhere (no sines: a turn is a rational point of the circle). So a
seed gives the same pixels on every machine.
"""
import struct
import zlib

import numpy as np

SIZE = 96
CLASSES = {1: ("disc", "stripes"), 2: ("disc", "dots"), 3: ("square", "checks"), 4: ("square", "zigzags"),
           5: ("triangle", "rings"), 6: ("triangle", "grid"), 7: ("cross", "halves"), 8: ("cross", "bands")}
NAMES = {1: "striped disc", 2: "dotted disc", 3: "checked square", 4: "zigzag square",
         5: "ringed triangle", 6: "gridded triangle", 7: "halved cross", 8: "banded cross"}
TEXTURES = tuple(texture for _, texture in CLASSES.values())
LEAST_VISIBLE = 0.55

CENTRES = np.arange(SIZE) + 0.5


class Dice:
    def __init__(self, seed, index):
        state = seed * 1000003 + index
        self.sample = np.random.RandomState([state & 0xFFFFFFFF, state >> 32]).random_sample

    def between(self, low, high):
        return low + (high - low) * self.sample()

    def below(self, n):
        return int(self.sample() * n)

    def turn(self):
        """Cosine and sine of a random angle up to 37 degrees either way: a rational point of the circle."""
        t = self.between(-1 / 3, 1 / 3)
        return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)

    def quarter_turn(self):
        """That, and quarter turns."""
        c, s = self.turn()
        return [(c, s), (-s, c), (-c, -s), (s, -c)][self.below(4)]

    def two_colours(self):
        """Two colours, 0 to 255, that differ clearly in brightness."""
        while True:
            a, b = 255 * self.sample(3), 255 * self.sample(3)
            if abs(a.sum() - b.sum()) > 250:
                return a, b


def inside(shape, u, v):
    """Which points lie in a shape of about unit radius."""
    if shape == "disc":
        return u * u + v * v < 1
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) < 0.87
    if shape == "triangle":
        return (v < 0.66) & (1.7320508075688772 * np.abs(u) - v < 1.32)
    a, b = np.abs(u), np.abs(v)
    return (np.minimum(a, b) < 0.37) & (np.maximum(a, b) < 1.05)


def texture(kind, u, v, period):
    """0 or 1 at points given in pixels from the object's centre."""
    x, y = u / period, v / period
    if kind == "stripes":
        return np.floor(2 * x) % 2
    if kind == "bands":
        return np.floor(x) % 2
    if kind == "checks":
        return (np.floor(2 * x) + np.floor(2 * y)) % 2
    if kind == "rings":
        return np.floor(2 * np.sqrt(x * x + y * y)) % 2
    dx, dy = x - np.floor(x) - 0.5, y - np.floor(y) - 0.5
    if kind == "zigzags":
        return np.floor(2 * y + 2 * np.abs(dx)) % 2
    if kind == "grid":
        return (np.maximum(np.abs(dx), np.abs(dy)) > 0.36).astype(float)
    if kind == "halves":
        return ((x > 0) ^ (y > 0) ^ (np.abs(x) > np.abs(y))).astype(float)
    return (dx * dx + dy * dy < 0.1).astype(float)


class Stamp:
    """One shape at a place: its window of the image, which pixels of it belong to the shape, and its own coordinates there."""

    def __init__(self, dice, shape, radius, margin):
        self.x, self.y = dice.between(margin, SIZE - margin), dice.between(margin, SIZE - margin)
        c, s = dice.turn()
        reach = 1.42 * radius
        self.window = tuple(slice(max(0, int(p - reach)), min(SIZE, int(p + reach) + 1)) for p in (self.y, self.x))
        dx, dy = CENTRES[self.window[1]] - self.x, CENTRES[self.window[0], None] - self.y
        self.u, self.v = dx * c + dy * s, dy * c - dx * s
        self.covers = inside(shape, self.u / radius, self.v / radius)

    def paint(self, image, colour):
        """colour: [3], or [h, w, 3] over the window"""
        window = image[self.window]
        window[self.covers] = np.broadcast_to(colour, window.shape)[self.covers]

    def textured(self, dice, kind):
        a, b = dice.two_colours()
        on = texture(kind, self.u, self.v, dice.between(6.5, 8.5))[..., None]
        shade = 1 + (dice.between(-0.2, 0.2) * self.u + dice.between(-0.2, 0.2) * self.v) / 40
        return (a + (b - a) * on) * shade[..., None]


def smooth_noise(dice, cells):
    """A grid of random colours, interpolated over the image."""
    grid = 255 * dice.sample((cells + 1, cells + 1, 3))
    at = CENTRES * cells / SIZE
    low = at.astype(int)
    part = at - low
    rows = grid[low] + (grid[low + 1] - grid[low]) * part[:, None, None]
    return rows[:, low] + (rows[:, low + 1] - rows[:, low]) * part[:, None]


def draw_line(dice, image):
    x, y = dice.between(0, SIZE), dice.between(0, SIZE)
    c, s = dice.quarter_turn()
    dx, dy = CENTRES - x, CENTRES[:, None] - y
    near = (np.abs(dy * c - dx * s) < dice.between(0.5, 1.3)) & (np.abs(dx * c + dy * s) < dice.between(8, 40))
    image[near] = 255 * dice.sample(3)


def draw_background(dice):
    """Clouds of colour, lines, plain shapes, and scraps of texture too small and irregular to be an object."""
    image = smooth_noise(dice, 2 + dice.below(5))
    for _ in range(2 + dice.below(5)):
        draw_line(dice, image)
    for _ in range(dice.below(3)):
        Stamp(dice, CLASSES[1 + dice.below(8)][0], dice.between(7, 16), 0).paint(image, 255 * dice.sample(3))
    for _ in range(1 + dice.below(3)):
        scrap = Stamp(dice, "square", dice.between(6, 9), 4)
        for _ in range(2):  # bites, so that its outline is nothing known
            du, dv = scrap.u - dice.between(-8, 8), scrap.v - dice.between(-8, 8)
            scrap.covers &= du * du + dv * dv > 16
        scrap.paint(image, scrap.textured(dice, TEXTURES[dice.below(8)]))
    return image


def place_object(dice, mask, counts, shape):
    """A stamp that leaves every earlier object visible enough, or None. mask holds 1 + the number of the object on top."""
    for _ in range(8):
        stamp = Stamp(dice, shape, dice.between(15, 27), 16)
        own = int(stamp.covers.sum())
        hidden = np.bincount(mask[stamp.window][stamp.covers], minlength=len(counts) + 1)[1:]
        left = np.bincount(mask.ravel(), minlength=len(counts) + 1)[1:] - hidden
        if own > 400 and all(a >= LEAST_VISIBLE * b for a, b in zip(left, counts)):
            return stamp, own
    return None


def draw_scene(seed, index):
    """Scene number `index` of `seed`: image [96, 96, 3] and mask [96, 96], both uint8; the list of its objects; 1 + the number of the object
    that each pixel shows, 0 for the background."""
    dice = Dice(seed, index)
    image, layers, counts, kinds = draw_background(dice), np.zeros((SIZE, SIZE), int), [], []
    for _ in range(1 + dice.below(4)):
        kind = 1 + dice.below(len(CLASSES))
        placed = place_object(dice, layers, counts, CLASSES[kind][0])
        if placed is None:
            continue
        stamp, own = placed
        stamp.paint(image, stamp.textured(dice, CLASSES[kind][1]))
        counts.append(own)
        kinds.append(kind)
        layers[stamp.window][stamp.covers] = len(counts)
    image = image + 24 * (dice.sample((SIZE, SIZE, 3)) - 0.5)
    mask = np.array([0] + kinds, np.uint8)[layers]
    objects = [describe(layers == k + 1, kinds[k], counts[k]) for k in range(len(kinds))]
    return np.clip(np.floor(image), 0, 255).astype(np.uint8), mask, objects, layers


def describe(visible, kind, pixels):
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    return {"class": kind, "name": NAMES[kind], "box": [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1],
            "pixels": int(visible.sum()), "visible": round(int(visible.sum()) / pixels, 3)}


def png_bytes(pixels):
    """An 8-bit PNG of [h, w] grey or [h, w, 3] RGB; photos are stored as differences from the left, masks as they are."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1).copy()
    depth = rows.shape[1] // width
    if depth == 3:
        rows[:, 3:] -= pixels.reshape(height, -1)[:, :-3]
    raw = np.concatenate([np.full((height, 1), 1 if depth == 3 else 0, np.uint8), rows], 1).tobytes()

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2 if depth == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
