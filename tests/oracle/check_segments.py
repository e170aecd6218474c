#!/usr/bin/env python3
"""Compares segmentations with SciPy's, of the same explanation rows.

  check_segments.py prepare WORK --reference DIR --data DIR [--photos N] [--rows DB]    where torch and SciPy are
  check_segments.py compare WORK --program SEGMENT_ROWS                                 needs nothing but Python

Rows are computed by the reference for the first N photos, or read from a results database of "ultravk explain" or "ultravk segment". One line a photo, layer and
kind of maps; the last line is "N passed, N failed".
"""
import argparse
import json
import os
import sqlite3
import subprocess
import sys

LAYERS = (3, 7, 11, 13)
COUNTS, ZETAS = (1, 2, 3, 5, 8, 13, 196, 400), (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
PAINTED = {"clusters": (5,), "zeta": (0.4,)}  # of these the pixels are compared too
# where maps are compared, aggregate, cluster scale; the first two are the two presets.
KINDS = (("image", "scaled", "minmax"), ("image", "raw", "minmax"), ("grid", "scaled", "minmax"), ("image", "scaled", "none"))
MODEL, FIRST, GRID, RES = "models/vit-tiny-patch16-224", 1, 14, 224
HEIGHTS_WITHIN, TIE, UNSURE, UNEQUAL = 1e-5, 1e-6, 1e-5, 0.02


# ---- prepare ---------------------------------------------------------------------------------------------------------------

def computed_rows(reference, data, photos):
    """(name, layer, rows) of the first photos, by torch."""
    import hf_oracle  # noqa: F401 (its image processor)
    import torch
    import ultra_ref
    import tempfile
    torch.set_num_threads(1)
    folder, path = os.path.join(data, "images"), os.path.join(data, MODEL)
    model = ultra_ref.Model(path)
    for photo in sorted(name for name in os.listdir(folder) if name.endswith(".jpg"))[:photos]:
        with tempfile.TemporaryDirectory() as scratch:
            out = os.path.join(scratch, "rows.npy")
            subprocess.run([sys.executable, os.path.join(reference, "hf_oracle.py"), "explain", path, out, "--image", os.path.join(folder, photo), "--layer", "2"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            pixels = torch.from_numpy(np.load(out + ".input.npy"))
        for layer in LAYERS:
            yield photo, layer, ultra_ref.explain(model, pixels, layer, range(FIRST, FIRST + GRID * GRID)).numpy()


def stored_rows(database):
    """The same, of the runs of explain or segment with scalar sum that have all patches."""
    connection, seen = sqlite3.connect(database), set()
    for run, sequence, name, layer in connection.execute(
            "SELECT p.run_id, p.sequence_id, i.name, r.layer FROM map AS p JOIN run AS r ON r.id = p.run_id JOIN sequence AS q ON q.id = p.sequence_id"
            " JOIN input AS i ON i.id = q.input_id WHERE r.probe IN ('explain', 'segment') AND r.scalar = 'sum' AND p.target_idx >= ?"
            " GROUP BY p.run_id, p.sequence_id HAVING count(*) = ? ORDER BY i.name, r.layer", (FIRST, GRID * GRID)).fetchall():
        if layer in LAYERS and (name, layer) not in seen: # other cuts of the same maps are runs of their own
            seen.add((name, layer))
            blobs = connection.execute("SELECT scores FROM map WHERE run_id = ? AND sequence_id = ? AND target_idx >= ? ORDER BY target_idx", (run, sequence, FIRST))
            yield name, layer, np.stack([np.frombuffer(blob, "<f4") for blob, in blobs])


def margins(up, lab, scale):
    """How far the winning cluster of each pixel is ahead of the next."""
    maps = np.stack([up[lab == c].sum(0) for c in np.unique(lab)])
    if scale == "minmax":
        maps = seg_ref.minmax(maps)
    if len(maps) == 1:
        return np.full(maps.shape[1], np.inf)
    best = np.partition(maps, len(maps) - 2, 0)
    return best[-1] - best[-2]


def dendrogram(rows, at, aggregate):
    """The reference's linkage, step by step as seg_ref.segment does it."""
    maps = seg_ref.maps_of(rows, FIRST, rows.shape[1])
    if aggregate == "scaled":
        maps = seg_ref.minmax(maps)
    up = torch.nn.functional.interpolate(torch.from_numpy(maps).float().reshape(-1, 1, GRID, GRID), size=(RES, RES), mode="bicubic",
                                         align_corners=False).reshape(len(maps), -1).numpy()
    return linkage(pdist(up if at == "image" else maps, "cosine"), "average"), up


def prepare(work, reference, data, photos, database):
    global np, torch, seg_ref, linkage, pdist
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, reference)
    import numpy as np
    import torch
    import seg_ref
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist
    os.makedirs(work, exist_ok=True)
    cases = []
    for photo, layer, rows in stored_rows(database) if database else computed_rows(reference, data, photos):
        name = os.path.join(work, f"{photo}.{layer}.npy")
        np.save(name, np.ascontiguousarray(rows, dtype=np.float32))
        for number, (at, aggregate, scale) in enumerate(KINDS):
            steps, up = dendrogram(rows, at, aggregate)
            case = dict(photo=photo, layer=layer, kind=(at, aggregate, scale), rows=name, heights=steps[:, 2].tolist(), cuts=[])
            for by, values in (("clusters", COUNTS), ("zeta", ZETAS)):
                for value in values:
                    lab = fcluster(steps, value, "maxclust" if by == "clusters" else "distance")
                    cut = dict(by=by, value=value, patches=lab.tolist())
                    if value in PAINTED[by]:
                        again, clusters = seg_ref.segment(rows, FIRST, GRID, RES, None if by == "clusters" else value, value if by == "clusters" else None, at, aggregate, scale)
                        assert (clusters == lab).all()
                        cut["labels"] = f"{name}.{number}.{by}{value}.bin"
                        sure = margins(up, lab, scale).reshape(RES, RES) > UNSURE
                        np.where(sure, again, 255).astype(np.uint8).tofile(cut["labels"])
                    case["cuts"].append(cut)
            cases.append(case)
    with open(os.path.join(work, "cases.json"), "w") as out:
        json.dump(cases, out)
    print(f"{len(cases)} cases in {work}")


# ---- compare: standard library only ------------------------------------------------------------------------------------------

def same_partition(a, b):
    return len(set(zip(a, b))) == len(set(a)) == len(set(b))


def run_tool(tool, case, scratch):
    """Heights and patches of every cut."""
    at, aggregate, scale = case["kind"]
    lines = "".join(f"{case['rows']} {FIRST} {GRID} {RES} {at} {aggregate} {scale} {cut['by']} {cut['value']} {scratch}.{k}\n" for k, cut in enumerate(case["cuts"]))
    ran = subprocess.run([tool], input=lines, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"exit {ran.returncode}")
    count = GRID * GRID
    for line in ran.stdout.splitlines():
        words = line.split()
        yield [float(word) for word in words[:count - 1]], [int(word) for word in words[count - 1:]]


def differing_pixels(cut, patches, path):
    """Pixels that the reference is sure of and that got another cluster."""
    with open(cut["labels"], "rb") as file:
        expected = file.read()
    with open(path, "rb") as file:
        found = file.read()
    numbers = {label: k for k, label in enumerate(sorted(set(cut["patches"])))}
    renamed = {numbers[label]: patch for label, patch in zip(cut["patches"], patches)}
    renamed[255] = None
    return sum(1 for e, f in zip(expected, found) if renamed[e] is not None and renamed[e] != f)


def check(tool, case, scratch):
    """(passed, words, cuts, cuts that differ though near ties excuse them)"""
    ties = any(b - a < TIE for a, b in zip(case["heights"], case["heights"][1:]))
    worst, wrong, excused, pixels = 0, [], 0, 0
    found = list(run_tool(tool, case, scratch))
    for k, (cut, (heights, patches)) in enumerate(zip(case["cuts"], found)):
        worst = max(worst, max(abs(a - b) for a, b in zip(heights, case["heights"])))
        if not same_partition(cut["patches"], patches):
            near = ties or any(cut["by"] == "zeta" and abs(h - cut["value"]) < TIE for h in case["heights"])
            excused += near
            wrong += [] if near else [f"{cut['by']} {cut['value']}"]
        elif "labels" in cut:
            pixels += differing_pixels(cut, patches, f"{scratch}.{k}")
    passed = len(found) == len(case["cuts"]) and worst <= HEIGHTS_WITHIN and not wrong and not pixels
    words = f"heights within {worst:.1e} (1e-5 allowed), {len(found)} cuts, {excused} of them differ at ties, {pixels} pixels differ"
    return passed, words + (f"; differ: {', '.join(wrong)}" if wrong else ""), len(found), excused


def compare(work, tool):
    with open(os.path.join(work, "cases.json")) as file:
        cases = json.load(file)
    passed = failed = cuts = excused = 0
    for case in cases:
        try:
            good, words, n, differ = check(tool, case, os.path.join(work, "found"))
        except RuntimeError as problem:
            good, words, n, differ = False, str(problem), 0, 0
        passed, failed, cuts, excused = passed + good, failed + (not good), cuts + n, excused + differ
        print("PASS" if good else "FAIL", case["photo"], "layer", case["layer"], *case["kind"], "-", words)
    few = excused <= UNEQUAL * cuts
    print("PASS" if few else "FAIL", f"{excused} of {cuts} cuts differ at merge heights within {TIE:.0e} (2 % allowed)")
    print(f"{passed + few} passed, {failed + (not few)} failed")
    return 1 if failed or not few else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    first = verbs.add_parser("prepare")
    first.add_argument("work")
    first.add_argument("--reference", required=True)
    first.add_argument("--data", required=True)
    first.add_argument("--photos", type=int, default=1)
    first.add_argument("--rows")
    second = verbs.add_parser("compare")
    second.add_argument("work")
    second.add_argument("--program", required=True)
    a = parser.parse_args()
    if a.verb == "prepare":
        prepare(a.work, a.reference, a.data, a.photos, a.rows)
        return 0
    return compare(a.work, a.program)


if __name__ == "__main__":
    sys.exit(main())
