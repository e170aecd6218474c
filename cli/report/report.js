"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);

/* ---- Elements: text goes in as text nodes only, so that nothing in it is ever markup ---------------------------------------- */

/* Characters that steer how others are shown, themselves made visible: a text cannot pose as another one. */
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const plain = text => String(text ?? "").replace(steering, c => "[U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "]");

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child != null));
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const bdi = text => el("bdi", { dir: "auto" }, plain(text));

const rows = table => table.rows.map(row => Object.fromEntries(table.columns.map((name, i) => [name, row[i]])));
const count = (n, one, many = one + "s") => n.toLocaleString("en") + " " + (n === 1 ? one : many);
function number(value) {
  if (value == null) return "none";
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
const percent = part => (100 * part).toFixed(part < 0.0995 ? 1 : 0) + "%";

const live = document.getElementById("live");
const announce = text => { live.textContent = plain(text); };

function copyText(text) {
  const area = el("textarea", { class: "unseen", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy"); // works from disk, where navigator.clipboard may not
  area.remove();
  return done;
}

/* The SQL of a figure, which set() replaces. */
function sqlBlock(label = "SQL") {
  const code = el("code");
  const button = el("button", { type: "button", onclick: () => {
    button.textContent = copyText(code.textContent) ? "Copied" : "Select it and copy";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
  const node = el("details", { class: "sql" }, el("summary", {}, label), el("pre", { tabindex: "0" }, code), button);
  node.set = sql => { code.textContent = sql; return node; };
  return node;
}

function ranks(list, label) {
  const most = Math.max(...list.map(entry => entry.value), 0) || 1;
  return el("ol", { class: "ranks", "aria-label": label }, ...list.map(entry => el("li", {}, bdi(entry.name),
    fill(el("span", { class: "bar", "aria-hidden": "true" }), { style: "width:" + 100 * Math.max(0, entry.value) / most + "%" }, []),
    el("span", { class: "value" }, number(entry.value)))));
}

const radioGroup = (() => {
  let groups = 0;
  return (legend, options, chosen, change) => {
    const name = "choice" + groups++;
    return el("fieldset", {}, el("legend", { class: "unseen" }, legend), ...options.map(([value, label]) => el("label", {},
      el("input", { type: "radio", name, value, checked: value === chosen, onchange: () => change(value) }), label)));
  };
})();

/* ---- Maps: decoded when they are looked at ------------------------------------------------------------------------------------ */

function decodeHalves(text, scale) {
  const bytes = atob(text), out = new Float32Array(bytes.length / 2);
  for (let i = 0; i < out.length; i++) {
    const half = bytes.charCodeAt(2 * i) | bytes.charCodeAt(2 * i + 1) << 8, exponent = half >> 10, fraction = half & 1023;
    out[i] = scale * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  }
  return out;
}

class Maps {
  constructor(packed) {
    this.packed = packed;
    this.count = packed.id.length;
    this.decoded = new Map();
    this.byTarget = new Map(packed.target.map((target, k) => [target, k]));
  }
  scores(k) {
    if (!this.decoded.has(k)) this.decoded.set(k, decodeHalves(this.packed.scores[k], this.packed.most[k]));
    return this.decoded.get(k);
  }
}

const sequences = rows(data.sequences);
function openItem(i) {
  const item = data.items[i];
  if (!item.opened) {
    item.opened = { ...sequences[i], tokens: rows(item.tokens), words: rows(item.words), photo: item.photo, noPhoto: item.no_photo,
      runs: rows(item.runs).map((run, k) => ({ ...run, maps: new Maps(item.of_run[k].maps), stored: run.maps, segments: rows(item.of_run[k].segments),
        tcs: rows(item.of_run[k].tcs), scores: rows(item.of_run[k].scores), sql: Object.fromEntries(Object.entries(item.of_run[k]).map(([key, t]) => [key, t.sql])) })) };
  }
  return item.opened;
}
const indices = modality => sequences.flatMap((s, i) => s.modality === modality ? [i] : []);

/* A slider over the runs of one input, by layer; nothing where there is one run only. */
function runSlider(runs, chosen, change) {
  const name = run => "layer " + run.layer + ", " + run.scalar + " (run " + run.run_id + ", " + run.probe + ")";
  if (runs.length < 2) return el("span", { class: "faint" }, runs.length ? plain(name(runs[0])) : "");
  const label = el("output", {}, plain(name(runs[chosen])));
  const input = el("input", { type: "range", min: 0, max: runs.length - 1, step: 1, value: chosen, "aria-valuetext": plain(name(runs[chosen])), oninput: () => {
    label.textContent = plain(name(runs[input.value]));
    input.setAttribute("aria-valuetext", label.textContent);
    change(Number(input.value));
  } });
  return el("label", {}, "Layer", input, label);
}

/* ---- Images ---------------------------------------------------------------------------------------------------------------------- */

const colors = Uint8Array.from(atob(data.colors), c => c.charCodeAt(0));
const segmentColor = k => "hsl(" + (k * 137.508 + 20) % 360 + " " + (k % 2 ? 62 : 78) + "% " + [52, 62, 44][k % 3] + "%)";
const CANVAS_WIDTH = 1120;

function imageViewer() {
  const list = indices("vision");
  const canvas = el("canvas"), context = canvas.getContext("2d");
  const stage = el("div", { class: "stage", tabindex: "0", role: "application", "aria-roledescription": "patch grid" }, canvas);
  const note = el("p", { class: "faint small" }), controls = el("div", { class: "controls" }), side = el("div", { class: "side" });
  const caption = el("h3"), scale = el("div", { class: "scale" }), mapSql = sqlBlock("SQL of this map"), segmentSql = sqlBlock("SQL of these segments");
  const strip = el("div", { class: "strip", role: "group", "aria-label": "Images" });
  let item, patches, special, box, picture, run, view, chosen, hovered = null, lit = null;

  const patchName = token => token.kind === "patch" ? "row " + token.grid_row + ", column " + token.grid_col : plain(token.text || "special token " + token.idx);

  /* Where patches lie on the canvas; without a photo they form a plain grid. */
  function measure() {
    patches = item.tokens.filter(t => t.kind === "patch");
    special = item.tokens.filter(t => t.kind === "special");
    const boxed = item.width && patches.every(t => t.x1 > t.x0);
    const width = boxed ? item.width : 1 + Math.max(0, ...patches.map(t => t.grid_col));
    const height = boxed ? item.height : 1 + Math.max(0, ...patches.map(t => t.grid_row));
    const unit = CANVAS_WIDTH / width;
    canvas.width = CANVAS_WIDTH;
    canvas.height = Math.max(1, Math.min(2 * CANVAS_WIDTH, Math.round(height * unit)));
    for (const t of patches) t.box = (boxed ? [t.x0, t.y0, t.x1, t.y1] : [t.grid_col, t.grid_row, t.grid_col + 1, t.grid_row + 1]).map(v => v * unit);
    box = [Math.min(...patches.map(t => t.box[0])), Math.min(...patches.map(t => t.box[1])), Math.max(...patches.map(t => t.box[2])), Math.max(...patches.map(t => t.box[3]))];
    patches.columns = 1 + Math.max(0, ...patches.map(t => t.grid_col));
    patches.rows = 1 + Math.max(0, ...patches.map(t => t.grid_row));
  }

  function drawPhoto(dim) {
    context.globalCompositeOperation = "source-over";
    context.fillStyle = "#1b1918";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (picture && picture.complete && picture.naturalWidth) context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    if (!dim) return;
    context.globalCompositeOperation = "saturation";
    context.fillStyle = "hsl(0 0% 50% / .6)";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
    context.fillStyle = "rgb(0 0 0 / " + (dim === true ? .35 : dim) + ")";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }

  function drawGrid() {
    context.strokeStyle = "rgb(255 255 255 / .13)";
    context.lineWidth = 1;
    for (const t of patches) context.strokeRect(t.box[0], t.box[1], t.box[2] - t.box[0], t.box[3] - t.box[1]);
  }

  function outline(token) {
    if (!token.box) return;
    const [x0, y0, x1, y1] = token.box;
    for (const [color, grow, width] of [["#000", 0, 8], ["#fff", 0, 4]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.strokeRect(x0 - grow, y0 - grow, x1 - x0 + 2 * grow, y1 - y0 + 2 * grow);
    }
  }

  /* The root lets weak sources be seen; where nothing is, the photo is: as the pictures of explain --png. */
  function drawMap(k) {
    const scores = item.runs[run].maps.scores(k), values = patches.map(t => scores[t.idx]);
    const low = Math.min(...values), high = Math.max(...values);
    const small = el("canvas", { width: patches.columns, height: patches.rows }), image = new ImageData(patches.columns, patches.rows);
    patches.forEach((t, i) => {
      const value = high > low ? (values[i] - low) / (high - low) : 0, at = 4 * (t.grid_row * patches.columns + t.grid_col), color = 3 * Math.round(255 * value);
      image.data.set([colors[color], colors[color + 1], colors[color + 2], 255 * .88 * Math.sqrt(value)], at);
    });
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(small, box[0], box[1], box[2] - box[0], box[3] - box[1]);
    drawGrid();
    return [low, high];
  }

  function drawMarks() {
    const maps = item.runs[run].maps;
    if (maps.count >= patches.length) return;
    context.fillStyle = "rgb(255 255 255 / .8)";
    for (const t of patches) {
      if (!maps.byTarget.has(t.idx)) continue;
      context.beginPath();
      context.arc((t.box[0] + t.box[2]) / 2, (t.box[1] + t.box[3]) / 2, 4, 0, 7);
      context.fill();
    }
  }

  function drawScale(range) {
    scale.replaceChildren();
    if (!range) return;
    const ramp = el("canvas", { width: 256, height: 1, "aria-hidden": "true" }), image = new ImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([...colors.slice(3 * i, 3 * i + 3), 255], 4 * i);
    ramp.getContext("2d").putImageData(image, 0, 0);
    scale.append(number(range[0]), ramp, number(range[1]), el("span", {}, "score of a source patch"));
  }

  /* ---- The side: what is lit, in words and numbers ---- */

  function showMap(token) {
    const maps = item.runs[run].maps, k = maps.byTarget.get(token.idx);
    drawPhoto(true);
    const title = el("h3", {}, "What made ", token.kind === "patch" ? "the patch at " : "", patchName(token));
    if (k === undefined) {
      drawGrid();
      drawMarks();
      outline(token);
      drawScale(null);
      side.replaceChildren(title, el("p", { class: "faint" }, "This page holds no map of this token in this run. " + (maps.count ? "Dots mark those that it holds." : "")));
      return title.textContent + ": no map in this page.";
    }
    drawScale(drawMap(k));
    drawMarks();
    outline(token);
    const scores = maps.scores(k);
    const top = patches.filter(t => t.idx !== token.idx).sort((a, b) => scores[b.idx] - scores[a.idx] || a.idx - b.idx).slice(0, 8)
      .map(t => ({ name: patchName(t), value: scores[t.idx] }));
    const spread = maps.packed.effective_tokens[k], local = maps.packed.locality[k];
    mapSql.set("SELECT t.grid_row, t.grid_col, s.score\nFROM scores(" + maps.packed.id[k] + ") AS s JOIN token AS t ON t.sequence_id = " + item.sequence +
      " AND t.idx = s.source_idx\nWHERE t.kind = 'patch' AND t.idx <> " + token.idx + " ORDER BY s.score DESC, t.idx LIMIT 8");
    side.replaceChildren(title, el("p", { class: "faint small" }, "token " + token.idx +
      (spread == null ? "" : "; spread over about " + number(spread) + " patches") +
      (local == null ? "" : "; at " + number(local) + " of the distance of an even spread")),
      el("p", { class: "small" }, "Strongest other patches"), ranks(top, "Strongest other patches"), mapSql);
    return title.textContent + ". Strongest: " + top.slice(0, 3).map(t => t.name + " " + number(t.value)).join("; ") + ".";
  }

  function segmentOf(token, segments) {
    return segments.findIndex(s => s.members.has(token.idx));
  }

  function showSegments(token) {
    const segments = item.runs[run].segments.map(s => ({ ...s, members: new Set((s.tokens || "").split(",").filter(Boolean).map(Number)) }));
    const owner = new Map(segments.flatMap((s, k) => [...s.members].map(idx => [idx, k])));
    const at = lit ?? (token && token.box ? segmentOf(token, segments) : -1);
    drawPhoto(.15);
    const place = new Map(patches.map(t => [t.grid_row * patches.columns + t.grid_col, t]));
    for (const t of patches) {
      const k = owner.get(t.idx), [x0, y0, x1, y1] = t.box;
      if (k === undefined) continue;
      context.globalAlpha = at < 0 ? .5 : k === at ? .72 : .16;
      context.fillStyle = segmentColor(k);
      context.fillRect(Math.round(x0), Math.round(y0), Math.round(x1) - Math.round(x0), Math.round(y1) - Math.round(y0)); // no seams
      context.globalAlpha = 1;
      context.strokeStyle = "rgb(255 255 255 / .9)";
      context.lineWidth = 2.5;
      const right = place.get(t.grid_row * patches.columns + t.grid_col + 1), below = place.get((t.grid_row + 1) * patches.columns + t.grid_col);
      context.beginPath();
      if (right && t.grid_col + 1 < patches.columns && owner.get(right.idx) !== k) { context.moveTo(x1, y0); context.lineTo(x1, y1); }
      if (below && owner.get(below.idx) !== k) { context.moveTo(x0, y1); context.lineTo(x1, y1); }
      context.stroke();
    }
    context.font = "600 26px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    segments.forEach((s, k) => {
      const mine = patches.filter(t => s.members.has(t.idx));
      if (!mine.length) return;
      const mean = axis => mine.reduce((sum, t) => sum + t.box[axis] + t.box[axis + 2], 0) / (2 * mine.length);
      const [x, y] = [mean(0), mean(1)], near = t => Math.hypot((t.box[0] + t.box[2]) / 2 - x, (t.box[1] + t.box[3]) / 2 - y);
      const t = mine.reduce((best, one) => near(one) < near(best) ? one : best), cx = (t.box[0] + t.box[2]) / 2, cy = (t.box[1] + t.box[3]) / 2;
      context.lineWidth = 6;
      context.strokeStyle = "rgb(0 0 0 / .75)";
      context.strokeText(s.cluster, cx, cy);
      context.fillStyle = "#fff";
      context.fillText(s.cluster, cx, cy);
    });
    if (token && lit == null) outline(token);
    drawScale(null);
    const title = el("h3", {}, count(segments.length, "segment"));
    const legend = el("ul", { class: "legend", "aria-label": "Segments" }, ...segments.map((s, k) => {
      const swatch = el("span", { class: "swatch", "aria-hidden": "true" }, String(s.cluster));
      swatch.style.background = segmentColor(k);
      const enter = () => { if (lit !== k) { lit = k; show(); } }, leave = () => { if (lit === k) { lit = null; show(); } };
      return el("li", {}, el("button", { type: "button", "aria-pressed": String(k === at), "data-segment": s.cluster, onclick: () => { lit = lit === k ? null : k; show(); },
        onmouseenter: enter, onmouseleave: leave }, swatch, s.class_name ? bdi(s.class_name) : el("span", {}, "segment " + s.cluster),
        el("span", { class: "faint small" }, count(s.n_tokens, "patch", "patches") + (s.iou == null ? "" : ", IoU " + number(s.iou)))));
    }));
    const old = side.querySelector(".legend");
    if (old && old.children.length === segments.length && side.shown === item.runs[run]) {
      old.querySelectorAll("button").forEach((b, k) => b.setAttribute("aria-pressed", String(k === at)));
    } else {
      side.shown = item.runs[run];
      const scores = item.runs[run].scores;
      side.replaceChildren(title, legend, scores.length ? scoreTable(scores) : "",
        segmentSql.set(item.runs[run].sql.segments));
    }
    return at < 0 ? title.textContent : "Segment " + segments[at].cluster + ": " + (segments[at].class_name || "") + " " + count(segments[at].n_tokens, "patch", "patches");
  }

  function show(speak) {
    const token = hovered ?? chosen;
    let words = "";
    if (view !== "segments") side.shown = null;
    if (view === "photo") {
      drawPhoto(0);
      drawScale(null);
      side.replaceChildren(el("p", { class: "faint" }, "The photo alone. Choose Maps to see what made each patch."));
    } else if (view === "segments") words = showSegments(token);
    else if (token) words = showMap(token);
    if (speak) announce(words);
    stage.setAttribute("aria-label", plain(item.input) + ", " + patches.rows + " by " + patches.columns + " patches. Arrow keys move. " + words);
  }

  /* ---- Choosing ---- */

  function views() {
    const r = item.runs[run], possible = [];
    if (r.maps.count) possible.push(["maps", "Maps"]);
    if (r.segments.length) possible.push(["segments", "Segments"]);
    possible.push(["photo", "Photo"]);
    return possible;
  }

  function chooseRun(index) {
    run = index;
    lit = null;
    const possible = views();
    if (!possible.some(([value]) => value === view)) view = possible[0][0];
    const targets = special.filter(t => item.runs[run].maps.byTarget.has(t.idx));
    const slider = controls.firstChild;
    controls.replaceChildren(slider, radioGroup("Show", possible, view, value => { view = value; lit = null; show(); }),
      ...targets.map(t => el("button", { type: "button", onclick: () => { chosen = t; view = "maps"; chooseRun(run); } }, "Explain " + plain(t.text || "token " + t.idx))));
    show();
  }

  function choose(i) {
    item = openItem(i);
    measure();
    picture = null;
    if (item.photo) {
      picture = new Image();
      picture.onload = () => show();
      picture.src = item.photo;
    }
    strip.querySelectorAll("button").forEach((b, k) => b.setAttribute("aria-current", String(list[k] === i)));
    caption.replaceChildren(bdi(item.input), " ", el("span", { class: "faint small" }, "explained by ", bdi(item.model)));
    const held = item.runs.map(r => r.maps.count > 0), last = held.lastIndexOf(true);
    const start = last >= 0 ? last : Math.max(0, item.runs.findIndex(r => r.segments.length));
    const targets = patches.filter(t => item.runs[start]?.maps.byTarget.has(t.idx));
    chosen = targets[Math.floor(targets.length * .54)] ?? patches[0];
    hovered = null;
    view = "maps";
    note.textContent = item.noPhoto ? "Without the photo: " + item.noPhoto + ". Patches are shown on a plain grid." : "";
    controls.replaceChildren(runSlider(item.runs, start, chooseRun));
    const missing = item.runs.reduce((sum, r) => sum + r.stored - r.maps.count, 0);
    if (missing) note.textContent += " " + count(missing, "map") + " of this image are in the database but not in this page.";
    chooseRun(start);
  }

  function tokenAt(event) {
    const r = canvas.getBoundingClientRect(), x = (event.clientX - r.left) * canvas.width / r.width, y = (event.clientY - r.top) * canvas.height / r.height;
    return patches.find(t => x >= t.box[0] && x < t.box[2] && y >= t.box[1] && y < t.box[3]) ?? null;
  }
  stage.addEventListener("pointermove", event => {
    const token = event.pointerType === "touch" ? hovered : tokenAt(event);
    if (token === hovered) return;
    hovered = token;
    show();
  });
  stage.addEventListener("pointerleave", () => { if (hovered) { hovered = null; show(); } });
  stage.addEventListener("click", event => {
    const token = tokenAt(event);
    if (!token) return;
    chosen = token;
    hovered = null;
    show(true);
  });
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e6], End: [0, 1e6] };
  stage.addEventListener("keydown", event => {
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const from = chosen?.kind === "patch" ? chosen : patches[0], within = (value, n) => Math.min(Math.max(value, 0), n - 1);
    const row = within(from.grid_row + move[0], patches.rows), column = within(from.grid_col + move[1], patches.columns);
    chosen = patches.find(t => t.grid_row === row && t.grid_col === column) ?? from;
    hovered = null;
    show(true);
  });

  strip.append(...list.map(i => {
    const s = sequences[i], photo = data.items[i].photo;
    return el("button", { type: "button", onclick: () => choose(i) }, photo ? el("img", { src: photo, alt: "", loading: "lazy" }) : el("span", { class: "blank" }),
      el("span", {}, bdi(s.input)));
  }));
  if (list.length) choose(list[0]);
  return [el("p", { class: "faint" }, "Point at a patch, tap it, or move with the arrow keys: the map shows which patches of the photo made it what it is, bright where they contributed most."),
    list.length > 1 ? strip : null, caption, controls, el("div", { class: "viewer" }, el("div", {}, stage, scale, note), side)];
}

/* ---- Texts ------------------------------------------------------------------------------------------------------------------------ */

/* What is lit: the words of a text; where it has none, its tokens. */
function unitsOf(item) {
  const ofToken = new Map();
  let units;
  if (item.words.length) {
    const byWord = new Map(item.words.map(w => [w.idx, { id: w.idx, role: w.role || "context", start: w.char_start, end: w.char_end, text: w.text, tokens: [] }]));
    for (const t of item.tokens) byWord.get(t.word_idx)?.tokens.push(t.idx);
    units = [...byWord.values()];
  } else {
    units = item.tokens.filter(t => t.role === "context" || t.role === "summary")
      .map(t => ({ id: t.idx, role: t.role, start: null, end: null, text: t.text || "#" + t.idx, tokens: [t.idx] }));
  }
  units.forEach((unit, u) => { unit.place = u; unit.tokens.forEach(t => ofToken.set(t, u)); });
  return { units, ofToken };
}

function textViewer() {
  const list = indices("text");
  const controls = el("div", { class: "controls" }), caption = el("h3"), note = el("p", { class: "faint small" });
  const left = el("div"), right = el("div", { class: "side" }), reading = el("div", { class: "reading" }, left, right);
  const strip = el("div", { class: "strip", role: "group", "aria-label": "Texts" }), panel = el("div"), wordSql = sqlBlock("SQL of this list");
  let item, units, ofToken, run, spans, table, targets, summary, pinned, hovered, into;

  /* table[u]: what each unit of the context contributed to unit u, the mean over its tokens of maps scaled to 0..1 over the
     context (v_word_contribution). */
  function contributionTo(u) {
    if (table.has(u)) return table.get(u);
    const maps = item.runs[run].maps, out = new Float32Array(units.length), of = targets.get(u) || [];
    const context = item.tokens.filter(t => t.role === "context").map(t => t.idx);
    for (const k of of) {
      const scores = maps.scores(k), seen = context.map(t => scores[t]), low = Math.min(...seen), high = Math.max(...seen);
      for (const t of context) {
        const unit = ofToken.get(t);
        if (unit !== undefined && high > low) out[unit] += (scores[t] - low) / (high - low) / of.length;
      }
    }
    table.set(u, out);
    return out;
  }
  function contributionOf(source) {
    const out = new Float32Array(units.length);
    for (const u of targets.keys()) out[u] = contributionTo(u)[source];
    return out;
  }
  function wholeSummary() {
    const out = new Float32Array(units.length);
    for (const row of item.runs[run].tcs) {
      const unit = ofToken.get(row.source_idx);
      if (unit !== undefined) out[unit] += row.score;
    }
    return out;
  }

  const isTarget = u => targets.has(u);
  const forward = u => summary ? units[u].role === "summary" : !into;

  function light(values) {
    let most = 0;
    for (const v of values) most = Math.max(most, v);
    units.forEach((unit, u) => {
      const v = most > 0 ? values[u] / most : 0;
      spans[u].style.setProperty("--v", v.toFixed(3));
      spans[u].classList.toggle("hot", v > .66);
    });
  }

  const where = () => "run_id = " + item.runs[run].run_id + " AND sequence_id = " + item.sequence;
  const wordsHave = () => item.words.length > 0;

  function listOf(values, role) {
    let total = 0;
    for (const v of values) total += v;
    return units.map((unit, u) => ({ name: unit.text, value: values[u], u })).filter(e => e.value > 0 && (!summary || units[e.u].role === role))
      .sort((a, b) => b.value - a.value || a.u - b.u).slice(0, 10);
  }

  function show(speak) {
    const u = hovered ?? pinned;
    spans.forEach((span, k) => { span.classList.toggle("chosen", k === u); if (span.hasAttribute("role")) span.setAttribute("aria-pressed", String(k === pinned)); });
    let values, title, sql, role = "context";
    if (u == null) {
      values = wholeSummary();
      title = "What the whole summary came from";
      sql = "SELECT text, score_sum AS score FROM v_tcs_word\nWHERE " + where() + " AND role = 'context' ORDER BY score DESC, word_idx LIMIT 10";
    } else if (forward(u)) {
      values = contributionTo(u);
      title = "What \u201c" + plain(units[u].text) + "\u201d came from";
      sql = "SELECT source_word, avg(score_sum) AS score FROM v_word_contribution\nWHERE " + where() + " AND target_word_idx = " + units[u].id +
        "\nGROUP BY source_word_idx ORDER BY score DESC, source_word_idx LIMIT 10";
    } else {
      values = contributionOf(u);
      role = "summary";
      title = "What \u201c" + plain(units[u].text) + "\u201d went into";
      sql = "SELECT target_word, avg(score_sum) AS score FROM v_word_contribution\nWHERE " + where() + " AND source_word_idx = " + units[u].id + " AND target_word_idx IS NOT NULL" +
        "\nGROUP BY target_word_idx ORDER BY score DESC, target_word_idx LIMIT 10";
    }
    light(values);
    const top = listOf(values, role);
    panel.replaceChildren(el("h3", {}, el("bdi", {}, title)), top.length ? ranks(top, title) : el("p", { class: "faint" }, "No map in this page."),
      wordsHave() ? wordSql.set(sql) : wordSql.set(item.runs[run].sql.maps));
    if (speak) announce(title + ": " + top.slice(0, 4).map(e => e.name + " " + number(e.value)).join(", "));
  }

  /* ---- One tab stop a text; arrow keys go from word to word ---- */
  function focusable(span, u, pane) {
    span.setAttribute("role", "button");
    span.setAttribute("tabindex", "-1");
    span.setAttribute("aria-pressed", "false");
    span.addEventListener("pointerenter", event => { if (event.pointerType !== "touch") { hovered = u; show(); } });
    span.addEventListener("pointerleave", () => { if (hovered === u) { hovered = null; show(); } });
    span.addEventListener("focus", () => { if (span.matches(":focus-visible")) { hovered = u; show(true); } });
    span.addEventListener("blur", () => { if (hovered === u) { hovered = null; show(); } });
    const pin = () => { pinned = pinned === u ? null : u; hovered = null; show(true); };
    span.addEventListener("click", pin);
    span.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") { pinned = null; show(true); return; }
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(); return; }
      if (!step) return;
      event.preventDefault();
      const all = pane.stops, next = all[all.indexOf(span) + step];
      if (!next) return;
      span.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    pane.stops.push(span);
  }

  function pane(text, role, label) {
    const node = el("div", { class: "text", dir: "auto", role: "group", "aria-label": label });
    const characters = Array.from(text || ""), mine = units.filter(unit => unit.role === role);
    const seen = Math.max(0, ...item.tokens.filter(t => t.role === role && t.char_end != null).map(t => t.char_end));
    let at = 0;
    node.stops = [];
    const gap = until => {
      const middle = Math.min(Math.max(seen, at), until);
      if (middle > at) node.append(plain(characters.slice(at, middle).join("")));
      if (until > middle) node.append(el("span", { class: "beyond", title: "not given to the model" }, plain(characters.slice(middle, until).join(""))));
      at = until;
    };
    for (const unit of mine) {
      if (unit.start != null) gap(unit.start);
      const span = el("span", { class: unit.start == null ? "word chip" : "word", "data-unit": unit.id },
        plain(unit.start == null ? unit.text : characters.slice(unit.start, unit.end).join("")));
      const usable = summary && role === "context" ? targets.size > 0 : isTarget(unit.place) || into;
      if (usable) focusable(span, unit.place, node);
      spans[unit.place] = span;
      node.append(span);
      if (unit.start != null) at = unit.end;
    }
    if (!mine.length || mine[0].start != null) gap(characters.length);
    if (node.stops.length) node.stops[0].tabIndex = 0;
    return node;
  }

  function build() {
    const maps = item.runs[run].maps;
    table = new Map();
    targets = new Map();
    spans = [];
    for (let k = 0; k < maps.count; k++) {
      const u = ofToken.get(maps.packed.output[k] ?? maps.packed.target[k]);
      if (u === undefined) continue;
      if (!targets.has(u)) targets.set(u, []);
      targets.get(u).push(k);
    }
    hovered = null;
    pinned = null;
    if (!item.runs[run].tcs.length) pinned = [...targets.keys()].pop() ?? null;
    left.replaceChildren(el("h3", {}, "Text"), pane(item.text, "context", "Text"));
    if (summary) right.replaceChildren(el("h3", {}, "Summary"), pane(item.summary, "summary", "Summary"), panel);
    else right.replaceChildren(panel);
    for (let u = 0; u < units.length; u++) spans[u] ??= el("span"); // of another side, shown nowhere
    const missing = item.runs[run].stored - maps.count;
    note.textContent = missing ? count(missing, "map") + " of this text are in the database but not in this page." : "";
    show();
  }

  function chooseRun(index) {
    run = index;
    const slider = controls.firstChild;
    const direction = summary ? [] : [radioGroup("Direction", [["from", "what a word came from"], ["into", "what it went into"]], into ? "into" : "from",
      value => { into = value === "into"; build(); })];
    controls.replaceChildren(slider, ...direction, ...(summary && item.runs[run].tcs.length
      ? [el("button", { type: "button", onclick: () => { pinned = hovered = null; show(true); } }, "The whole summary")] : []));
    build();
  }

  function choose(i) {
    item = openItem(i);
    ({ units, ofToken } = unitsOf(item));
    summary = units.some(unit => unit.role === "summary");
    into = false;
    reading.classList.toggle("alone", !summary);
    strip.querySelectorAll("button").forEach((b, k) => b.setAttribute("aria-current", String(list[k] === i)));
    caption.replaceChildren(bdi(item.input), " ", el("span", { class: "faint small" }, "explained by ", bdi(item.model)));
    const held = item.runs.map(r => r.maps.count > 0), start = Math.max(0, held.lastIndexOf(true));
    controls.replaceChildren(runSlider(item.runs, start, chooseRun));
    if (item.runs.length) chooseRun(start);
  }

  strip.append(...list.map(i => el("button", { type: "button", onclick: () => choose(i) }, el("span", {}, bdi(sequences[i].input)),
    el("span", { class: "faint" }, sequences[i].summary == null ? "alone" : "and summary"))));
  if (list.length) choose(list[0]);
  return [el("p", { class: "faint" }, "Point at a word, or reach it with Tab and the arrow keys: a word of the summary lights the words of the text that it came from, a word of the text those that it went into. Enter or a click keeps it lit, Escape lets go."),
    list.length > 1 ? strip : null, caption, controls, reading, note];
}

/* ---- Tables and charts --------------------------------------------------------------------------------------------------------------- */

function dataTable(columns, lines, caption) {
  const filled = columns.map((_, i) => i).filter(i => lines.some(line => line[i] != null));
  [columns, lines] = [filled.map(i => columns[i]), lines.map(line => filled.map(i => line[i]))];
  const numeric = columns.map((_, i) => lines.every(line => line[i] == null || typeof line[i] === "number"));
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...columns.map((c, i) => el("th", { scope: "col", class: numeric[i] ? "n" : null }, c.replaceAll("_", " "))))),
    el("tbody", {}, ...lines.map(line => el("tr", {}, ...line.map((v, i) => el("td", { class: numeric[i] ? "n" : null },
      v == null ? "" : typeof v === "number" ? (Number.isInteger(v) ? String(v) : number(v)) : bdi(v))))))));
}
/* A line per method, a column per score. */
function scoreTable(scores) {
  const names = [...new Set(scores.map(s => s.name))], by = groupBy(scores, s => s.method);
  return dataTable(["method", ...names], [...by].map(([method, list]) => [methodName(method), ...names.map(name => list.find(s => s.name === name)?.value ?? null)]), "Scores of this image");
}
const numbers = (table, caption) => el("details", {}, el("summary", {}, "Numbers"), dataTable(table.columns, table.rows, caption));

const methods = { ultra: "ULTra", random: "random", rollout: "attention rollout", gradient_x_input: "gradient x input", leave_one_out: "leave one out",
  latent: "latents", colour: "colours", one_segment: "one segment", vision: "vision", text: "text" };
const methodName = name => methods[name] || plain(name);
const order = ["ultra", "rollout", "gradient_x_input", "leave_one_out", "latent", "random", "colour", "one_segment"];
function styleOf(name) {
  const fixed = { vision: 0, text: 1 }[name] ?? order.indexOf(name.split(" ")[0]);
  return fixed >= 0 ? fixed : 7;
}
const dashes = ["", "", "7 3", "2 3", "9 3 2 3", "4 4", "1 4", "6 2 2 2"];

function marker(x, y, style, title) {
  const shapes = [() => svg("circle", { cx: x, cy: y, r: 3.6 }), () => svg("rect", { x: x - 3.2, y: y - 3.2, width: 6.4, height: 6.4 }),
    () => svg("path", { d: "M" + x + " " + (y - 4) + "l4 7h-8z" }), () => svg("path", { d: "M" + x + " " + (y - 4.4) + "l4.4 4.4-4.4 4.4-4.4-4.4z" })];
  const shape = shapes[style % 4]();
  shape.setAttribute("class", "mark s" + style);
  if (title) shape.append(svg("title", {}, title));
  return shape;
}

function key(names) {
  return el("ul", { class: "key" }, ...names.map(name => {
    const style = styleOf(name);
    return el("li", {}, svg("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" },
      svg("path", { d: "M1 6H29", class: "line s" + style + (style ? "" : " main"), "stroke-dasharray": dashes[style] }), marker(15, 6, style)), methodName(name));
  }));
}

/* Round steps that cover low..high. */
function ticks(low, high) {
  const raw = (high - low) / 4 || 1, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 2.5, 5, 10].map(f => f * power).find(s => s >= raw * .999);
  const out = [];
  for (let i = Math.floor(low / step + 1e-9); i * step < high + step * (1 - 1e-9); i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}

/* series: [{name, points: [{x, y, note}]}], x in 0..1. */
function chart(title, explanation, xLabel, series) {
  const W = 400, H = 230, L = 46, R = 10, T = 10, B = 34, all = series.flatMap(s => s.points), ys = all.map(p => p.y);
  const marks = ticks(Math.min(0, ...ys), Math.max(...ys, 0) || 1), low = marks[0], high = marks[marks.length - 1];
  const x = v => L + (W - L - R) * v, y = v => T + (H - T - B) * (1 - (v - low) / (high - low));
  const picture = svg("svg", { viewBox: "0 0 " + W + " " + H, role: "img", "aria-label": title + ". " + series.map(s => methodName(s.name) + ": " +
    s.points.map(p => number(p.y) + " at " + number(p.x)).join(", ")).join(". ") });
  for (const v of marks) picture.append(svg("line", { class: "axis", x1: L, x2: W - R, y1: y(v), y2: y(v) }), svg("text", { x: L - 6, y: y(v) + 4, "text-anchor": "end" }, number(v)));
  for (const v of [0, .25, .5, .75, 1]) picture.append(svg("text", { x: x(v), y: H - 18, "text-anchor": v === 1 ? "end" : "middle" }, String(v)));
  picture.append(svg("text", { x: (L + W - R) / 2, y: H - 3, "text-anchor": "middle" }, xLabel));
  for (const s of [...series].reverse()) {
    const style = styleOf(s.name);
    picture.append(svg("polyline", { class: "line s" + style + (style ? "" : " main"), "stroke-dasharray": dashes[style], points: s.points.map(p => x(p.x) + "," + y(p.y)).join(" ") }),
      ...s.points.map(p => marker(x(p.x), y(p.y), style, methodName(s.name) + ": " + number(p.y) + " at " + number(p.x) + (p.note ? ", " + p.note : ""))));
  }
  return el("figure", {}, el("figcaption", {}, bdi(title), el("small", {}, explanation)), picture);
}

function groupBy(list, name) {
  const groups = new Map();
  for (const one of list) groups.set(name(one), [...(groups.get(name(one)) || []), one]);
  return groups;
}

const meaning = {
  u_miou: ["U.mIoU", "segments against masks, higher is better"], u_acc: ["U.Acc", "segments against masks, higher is better"],
  pooled_miou: ["pooled mIoU", "over all images together, higher is better"], faithfulness_gap: ["Faithfulness gap", "negative less positive: above 0 is faithful"],
  aopc_comprehensiveness: ["Comprehensiveness", "loss without the top tokens, higher is better"], aopc_sufficiency: ["Sufficiency", "loss with the top tokens only, lower is better"],
  layer_score: ["Layer score", "chooses a layer without masks"], sanity: ["Sanity", "similarity to the maps of a model made random: must fall"],
  drift_positive: ["Masking what matters most", "drift of the token: the higher, the more faithful"], drift_negative: ["Masking what matters least", "drift of the token: the lower, the more faithful"],
  comprehensiveness: ["Deleting the top tokens", "loss of the summary's probability, higher is better"], sufficiency: ["Keeping the top tokens only", "loss of the summary's probability, lower is better"],
};

/* What has one point only. */
const bars = (title, explanation, place, group) => el("figure", {}, el("figcaption", {}, bdi(title), el("small", {}, explanation + "; at " + place)),
  ranks(group.map(r => ({ name: methodName(r.method), value: r.value })).sort((a, b) => b.value - a.value), title));

/* One chart per group, one line per method. */
function chartsOf(list, groupName, x, xLabel, note) {
  const names = order.concat(list.map(r => r.method)).filter((m, i, all) => all.indexOf(m) === i && list.some(r => r.method === m));
  const charts = [...groupBy(list.filter(r => r.value != null), r => r.metric + ", " + groupName(r))].map(([, group]) => {
    const name = groupName(group[0]);
    const [title, explanation] = meaning[group[0].metric] || [group[0].metric, ""];
    if (new Set(group.map(x)).size === 1) return bars(title, plain(name) + "; " + explanation, xLabel + " " + number(x(group[0])), group);
    return chart(title, plain(name) + "; " + explanation, xLabel, names.filter(m => group.some(r => r.method === m)).map(m => (
      { name: m, points: group.filter(r => r.method === m).map(r => ({ x: x(r), y: r.value, note: note(r) })) })));
  });
  return [key(names), el("div", { class: "charts" }, ...charts)];
}

function curvesSection() {
  const parts = [], depth = rows(data.depth), drift = rows(data.perturbation);
  if (depth.length) parts.push(el("h3", {}, "By depth of the layer"), el("p", { class: "faint small" }, "0 is the input of the model, 1 the output of its last block."),
    ...chartsOf(depth, r => r.model + ", " + r.scalar, r => r.depth, "depth", r => "layer " + r.layer + ", " + count(r.inputs, "input")),
    numbers(data.depth, "By depth"), sqlBlock().set(data.depth.sql));
  if (drift.length) parts.push(el("h3", {}, "Perturbation"), el("p", { class: "faint small" }, "Tokens are hidden in the order that a method gives them; lines are means over inputs."),
    ...chartsOf(drift, r => r.model + ", layer " + r.layer + ", " + r.scalar, r => r.k, "part of the tokens", r => count(r.inputs, "input")),
    numbers(data.perturbation, "Perturbation"), sqlBlock().set(data.perturbation.sql));
  if (data.faithfulness.rows.length) parts.push(dataTable(data.faithfulness.columns, data.faithfulness.rows, "Means of each run and method"), sqlBlock().set(data.faithfulness.sql));
  return parts;
}

function modalitySection() {
  const list = rows(data.modality);
  const measures = [["entropy", "Entropy", "0: one source, 1: all alike"], ["effective_tokens", "Effective sources", "how many sources a map is spread over"],
    ["gini", "Gini", "0: all alike, 1: one source"], ["top10_share", "Share of the top tenth", "of all scores"],
    ["locality", "Locality", "distance to the target, 1: an even spread"], ["special_share", "Share of special tokens", "of the row without its own entry"]];
  const charts = measures.map(([name, title, explanation]) => chart(title, explanation, "depth", ["vision", "text"].map(side => ({ name: side,
    points: list.filter(r => r[side + "_" + name] != null).map(r => ({ x: r.depth, y: r[side + "_" + name], note: count(r[side + "_maps"], "map") })) })).filter(s => s.points.length)));
  const sides = ["vision", "text"].filter(side => list.some(r => r[side + "_maps"]));
  return [el("p", { class: "faint" }, "How concentrated and how local maps are, by depth of the layer, over every run of the database" +
    (sides.length < 2 ? "; it holds no maps of " + (sides[0] === "vision" ? "texts" : "images") + "." : ".")),
    key(sides), el("div", { class: "charts" }, ...charts), numbers(data.modality, "Vision and text"), sqlBlock().set(data.modality.sql)];
}

function runsSection() {
  const cards = rows(data.runs).map(run => {
    const facts = Object.entries(run).filter(([name, value]) => value != null && value !== "" && name !== "run_id");
    return el("details", { class: "run" }, el("summary", {}, "Run " + run.run_id + ": ", bdi([run.label, run.probe, run.model].filter(Boolean).join(", ")),
      el("span", { class: "faint small" }, " layer " + run.layer + ", " + run.scalar + ", " + count(run.inputs_done, "input") + ", " + count(run.maps, "map") + ", " + plain(run.status))),
      el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, typeof value === "number" ? value.toLocaleString("en", { maximumSignificantDigits: 6 }) : bdi(value))])));
  });
  return [...cards, sqlBlock().set(data.runs.sql)];
}

/* ---- The page ------------------------------------------------------------------------------------------------------------------------- */

function sentences() {
  const totals = rows(data.totals)[0], out = [];
  const shown = { images: indices("vision").length, texts: indices("text").length, maps: data.items.reduce((sum, item) => sum + item.of_run.reduce((n, r) => n + r.maps.id.length, 0), 0), runs: data.runs.rows.length };
  const bad = data.items.reduce((sum, item) => sum + item.of_run.reduce((n, r) => n + r.maps.unreadable, 0), 0);
  for (const what of ["images", "texts", "maps", "runs"])
    if (shown[what] < totals[what]) out.push(shown[what].toLocaleString("en") + " of " + totals[what].toLocaleString("en") + " " + what);
  return { totals, text: (out.length ? "This page shows " + out.join(", ") + ". ultravk report --run N shows one run alone, --inputs N more or fewer inputs. " : "") +
    (data.run ? "Only run " + data.run + " is shown. " : "") + (bad ? count(bad, "map") + " could not be read and " + (bad === 1 ? "is" : "are") + " left out. " : "") +
    (totals.failed ? count(totals.failed, "input") + " failed; table run_input says why." : "") };
}

/* A database may hold anything: what cannot be drawn does not keep the rest from it. */
function drawn(make) {
  try {
    return make().filter(Boolean);
  } catch (error) {
    return [el("p", { class: "faint" }, "This part cannot be drawn: " + plain(error.message))];
  }
}

function build() {
  const { totals, text } = sentences();
  document.title = plain(data.database) + " - ultravk report";
  document.querySelector("h1").append(bdi(data.database));
  document.getElementById("totals").textContent = [["runs", "run"], ["images", "image"], ["texts", "text"], ["maps", "map"]].filter(([name]) => totals[name])
    .map(([name, one]) => count(totals[name], one)).join(", ") || "An empty database.";
  const leftOut = document.getElementById("left-out");
  leftOut.hidden = !text;
  leftOut.textContent = text;
  const sections = [["images", "Images", imageViewer, indices("vision").length], ["texts", "Texts", textViewer, indices("text").length],
    ["curves", "Curves", curvesSection, data.depth.rows.length + data.perturbation.rows.length + data.faithfulness.rows.length],
    ["modality", "Vision and text", modalitySection, data.modality.rows.length], ["runs", "Runs", runsSection, data.runs.rows.length]];
  for (const [id, title, make, there] of sections) {
    if (!there) continue;
    document.querySelector("nav").append(el("a", { href: "#" + id }, title));
    document.getElementById("main").append(el("section", { id, "aria-labelledby": id + "-title" }, el("h2", { id: id + "-title" }, title), ...drawn(make)));
  }
  document.querySelector("footer").append("Made by ultravk " + plain(data.version) + " on " + plain(data.made) + ". SQL runs as it stands: ", el("code", {}, "ultravk query "), bdi(data.database), el("code", {}, " \"SQL\""), ".");
  document.documentElement.dataset.ready = "yes";
}
build();
})();
