"""A small database as the verbs leave it, with texts that would like to be more than text, and rows of verbs that take longer."""
import math
import os
import random
import sqlite3
import struct
import subprocess

from harness import CACHE, PROGRAM, make_model, png
from text_model import make_text_model

HOSTILE = "</script><script>hacked=1</script> <img src=x onerror=hacked=1> a\u202eb\u2066c &lt;b&gt; {{data}} The ant ran on."
SUMMARY = "The <b>ant</b> in \u202ethe sea ran."


def run(folder, *arguments):
    subprocess.run([PROGRAM, *arguments, "--quiet"], cwd=folder, env={**os.environ, "XDG_CACHE_HOME": CACHE}, check=True, stdout=subprocess.DEVNULL)


def make(folder):
    """folder/r.db: photo.png under two layers (runs 1 and 2) and hostile.txt with its summary (run 3)."""
    make_model(os.path.join(folder, "vision"))
    make_text_model(os.path.join(folder, "text"))
    for name, data in (("photo.png", png(30, 20)), ("hostile.txt", HOSTILE.encode()), ("summary.txt", SUMMARY.encode())):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    for layer in ("2", "3"):
        run(folder, "explain", "--model", "vision", "photo.png", "--tokens", "all", "--layer", layer, "--label", "<i>layer</i> " + layer, "--db", "r.db")
    run(folder, "attribute", "--model", "text", "--context", "hostile.txt", "--summary", "summary.txt", "--prompt", "{text} ", "--db", "r.db")
    db = sqlite3.connect(os.path.join(folder, "r.db"))
    add_segments(db, 2, 1)
    add_metrics(db)
    db.commit()
    db.close() # else the rows may still stand beside the file, which is copied


def add_segments(db, run_id, sequence):
    patches = [idx for idx, in db.execute("SELECT idx FROM token WHERE sequence_id = ? AND kind = 'patch' ORDER BY idx", [sequence])]
    for cluster, (members, name, iou) in enumerate(((patches[:4], "<u>grass</u>", 0.75), (patches[4:], None, None))):
        db.execute("INSERT INTO segment(run_id, sequence_id, cluster, n_tokens, area, class_name, iou) VALUES (?,?,?,?,?,?,?)",
                   [run_id, sequence, cluster, len(members), 10 * len(members), name, iou])
        db.executemany("INSERT INTO segment_token VALUES (?,?,?,?)", [[run_id, sequence, cluster, idx] for idx in members])


def add_metrics(db):
    def metric(run_id, name, method, k, value, sequence=1):
        db.execute("INSERT INTO metric(run_id, sequence_id, name, method, k, value) VALUES (?,?,?,?,?,?)", [run_id, sequence, name, method, k, value])

    for run_id in (1, 2):
        for method, gain in (("ultra", 0.4), ("rollout", 0.2), ("random", 0.05)):
            metric(run_id, "u_miou", method, None, gain + 0.1 * run_id)
            metric(run_id, "faithfulness_gap", method, None, gain / run_id)
            for step in range(1, 10):
                metric(run_id, "drift_positive", method, step / 10, gain + step / 20)
                metric(run_id, "drift_negative", method, step / 10, step / 20)
    for method, gain in (("ultra", 0.3), ("gradient_x_input", 0.2)):
        for k in (0.01, 0.05, 0.1, 0.2, 0.5):
            metric(3, "comprehensiveness", method, k, gain * math.sqrt(k), 2)


def add_many(db, images, side):
    """So many images of side x side patches, every patch explained, as one more run."""
    draw, n = random.Random(1), 1 + side * side
    model, = db.execute("SELECT id FROM model WHERE modality = 'vision'").fetchone()
    run_id = db.execute("INSERT INTO run(key, probe, model_id, layer, scalar, own_token, started_at, status) VALUES ('many', 'explain', ?, 3, 'sum', 'max', '2030', 'done')",
                        [model]).lastrowid
    for i in range(images):
        image = db.execute("INSERT INTO input(kind, name, path, sha256, width, height) VALUES ('image', ?, '', ?, 160, 160)", ["many%d" % i, str(i)]).lastrowid
        db.execute("INSERT INTO run_input(run_id, input_id, status) VALUES (?,?,'done')", [run_id, image])
        sequence = db.execute("INSERT INTO sequence(model_id, input_id, key) VALUES (?,?,'')", [model, image]).lastrowid
        db.execute("INSERT INTO token(sequence_id, idx, kind, role, text) VALUES (?,0,'special','special','[CLS]')", [sequence])
        db.executemany("INSERT INTO token(sequence_id, idx, kind, role, grid_row, grid_col, x0, y0, x1, y1) VALUES (?,?,'patch','image',?,?,?,?,?,?)",
                       [[sequence, 1 + p, p // side, p % side, *(160 / side * v for v in (p % side, p // side, p % side + 1, p // side + 1))] for p in range(side * side)])
        db.executemany("INSERT INTO map(run_id, sequence_id, target_idx, scores) VALUES (?,?,?,?)",
                       [[run_id, sequence, 1 + p, struct.pack("<%df" % n, *(draw.random() for _ in range(n)))] for p in range(side * side)])
