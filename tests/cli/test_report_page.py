"""What a report does in a browser; skipped where there is no Chromium."""
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile

import report_database
from browser import CHROMIUM, Browser
from harness import NO_DRIVER, ProgramTest, main

if not CHROMIUM:
    print("no Chromium here: skipped")
    sys.exit(77)

MADE = tempfile.TemporaryDirectory(prefix="ultravk-page-")
report_database.make(MADE.name)
BROWSER = Browser(MADE.name)


class PageTest(ProgramTest):
    def setUp(self):
        super().setUp()
        for name in ("r.db", "photo.png"):
            shutil.copy(os.path.join(MADE.name, name), self.folder)
        self.browser = BROWSER

    def open(self, *arguments):
        self.ok("report", "r.db", "-o", "r.html", *arguments, env=NO_DRIVER)
        return self.browser.open(self.path("r.html"))

    def js(self, script):
        return self.browser.run(script)

    def ask(self, sql):
        return [list(row.values()) for row in json.loads(self.ok("query", "r.db", sql, "--format", "json").stdout)]

    def listed(self, section):
        """[name, value] of the list at the side, and the SQL under it."""
        return self.js("""(s => [[...s.querySelectorAll('.ranks li')].map(li => [li.querySelector('bdi').textContent, Number(li.querySelector('.value').textContent)]),
                          s.querySelector('.side .sql code').textContent, s.querySelector('.side .ranks').previousElementSibling.textContent])
                          (document.querySelector('#%s'))""" % section)

    def assert_quiet(self):
        self.assertEqual(self.browser.errors, [])
        self.assertEqual(self.browser.requests, ["file://" + self.path("r.html")])

    def assert_listed(self, section, name_of):
        shown, sql, _ = self.listed(section)
        true = [(name_of(row), row[-1]) for row in self.ask(sql)]
        self.assertEqual([name for name, _ in shown], [name for name, _ in true])
        for (_, value), (_, exact) in zip(shown, true):
            self.assertAlmostEqual(value, exact, delta=max(0.006 * exact, 1e-6))
        return shown


class Images(PageTest):
    def heading(self):
        return self.js("document.querySelector('#images .side h3').textContent")

    def lightness(self, row, column):
        """Mean light of a patch on the canvas."""
        return self.js("""(c => { const w = c.width / 3, h = c.height / 3, x = Math.round(w * (%d + .3)), y = Math.round(h * (%d + .3));
                          const d = c.getContext('2d').getImageData(x, y, w * .4, h * .4).data; let sum = 0;
                          for (let i = 0; i < d.length; i += 4) sum += d[i] + d[i + 1] + d[i + 2]; return sum / d.length; })
                          (document.querySelector('.stage canvas'))""" % (column, row))

    def test_hovering_a_patch_shows_its_map(self):
        self.open()
        for row, column in ((0, 2), (2, 0)):
            self.browser.hover(".stage canvas", (column + 0.5) / 3, (row + 0.5) / 3)
            self.assertIn("row %d, column %d" % (row, column), self.heading())
            shown = self.assert_listed("images", lambda r: "row %d, column %d" % (r[0], r[1]))
            self.assertEqual(len(shown), 8)
            place = [tuple(map(int, re.findall(r"\d+", name))) for name, _ in (shown[0], shown[-1])]
            bright, dark = (self.lightness(*p) for p in place)
            self.assertGreater(bright, dark + 15, "the strongest source is the brightest")
        self.assert_quiet()

    def test_keys_move_and_are_announced(self):
        self.open()
        self.js("document.querySelector('.stage').focus()")
        for key in ("Home", "ArrowUp", "ArrowUp", "ArrowRight"):
            self.browser.press(key)
        self.assertIn("row 0, column 1", self.heading())
        self.assertIn("row 0, column 1", self.js("document.getElementById('live').textContent"))
        self.assertIn("row 0, column 1", self.js("document.querySelector('.stage').getAttribute('aria-label')"))

    def test_a_tap_stays(self):
        self.open()
        self.browser.click(".stage canvas", 0.5 / 3, 2.5 / 3)
        self.browser.mouse("mouseMoved", 1, 1)
        self.assertIn("row 2, column 0", self.heading())

    def test_the_slider_changes_the_layer(self):
        self.open()
        self.browser.click(".stage canvas", 0.5, 0.5)
        before = self.listed("images")[0]
        self.js("(e => { e.value = 0; e.dispatchEvent(new Event('input')); })(document.querySelector('#images input[type=range]'))")
        self.assertIn("layer 2", self.js("document.querySelector('#images output').textContent"))
        self.assertNotEqual(self.listed("images")[0], before)
        self.assert_listed("images", lambda r: "row %d, column %d" % (r[0], r[1]))

    def test_segments(self):
        self.open()
        self.browser.click("#images input[value=segments]")
        legend = self.js("[...document.querySelectorAll('.legend button')].map(b => b.textContent)")
        self.assertEqual(len(legend), 2)
        self.assertIn("<u>grass</u>", legend[0])
        self.assertIn("IoU 0.75", legend[0])
        for column, row, lit in ((0, 0, ["true", "false"]), (2, 2, ["false", "true"])):
            self.browser.hover(".stage canvas", (column + 0.5) / 3, (row + 0.5) / 3)
            self.assertEqual(self.js("[...document.querySelectorAll('.legend button')].map(b => b.getAttribute('aria-pressed'))"), lit)
        self.assert_quiet()

    def test_without_the_photo(self):
        os.remove(self.path("photo.png"))
        self.open()
        self.assertIn("no longer where it was", self.js("document.querySelector('#images').textContent"))
        self.browser.hover(".stage canvas", 0.5, 0.5)
        self.assert_listed("images", lambda r: "row %d, column %d" % (r[0], r[1]))


class Texts(PageTest):
    def light(self):
        return {int(k): v for k, v in self.js("Object.fromEntries([...document.querySelectorAll('#texts .word')].map(w => [w.dataset.unit, Number(w.style.getPropertyValue('--v'))]))").items()}

    def assert_lit(self, key, other, unit):
        """The words are as bright as what the database says they contributed."""
        true = dict(self.ask("SELECT %s, avg(score_sum) FROM v_word_contribution WHERE run_id = 3 AND %s = %d GROUP BY 1" % (other, key, unit)))
        most, lit = max(true.values()), self.light()
        self.assertGreater(sum(v > 0 for v in true.values()), 1)
        for word, value in lit.items():
            self.assertAlmostEqual(value, true.get(word, 0) / most, delta=0.004, msg=word)

    def test_a_summary_word_lights_the_text_and_the_reverse(self):
        self.open()
        summary = self.ask("SELECT idx FROM word WHERE sequence_id = 2 AND role = 'summary' AND text = 'ant'")[0][0]
        self.browser.hover("#texts [data-unit='%d']" % summary)
        self.assertIn("\u201cant\u201d came from", self.listed("texts")[2])
        self.assert_lit("target_word_idx", "source_word_idx", summary)
        self.assert_listed("texts", lambda r: r[0])
        context = self.ask("SELECT idx FROM word WHERE sequence_id = 2 AND role = 'context' AND text = 'ran'")[0][0]
        self.browser.hover("#texts [data-unit='%d']" % context)
        self.assertIn("\u201cran\u201d went into", self.listed("texts")[2])
        self.assert_lit("source_word_idx", "target_word_idx", context)
        self.assert_listed("texts", lambda r: r[0])
        self.browser.mouse("mouseMoved", 1, 1)
        self.assertIn("whole summary", self.listed("texts")[2])
        self.assert_listed("texts", lambda r: r[0])
        self.assert_quiet()

    def test_keys_reach_every_word(self):
        self.open()
        stops = self.js("[...document.querySelectorAll('#texts .text')].map(t => t.querySelectorAll('[tabindex=\"0\"]').length)")
        self.assertEqual(stops, [1, 1])
        self.js("document.querySelectorAll('#texts .text')[1].querySelector('[tabindex=\"0\"]').focus({focusVisible: true})")
        self.browser.press("ArrowRight")
        word = self.js("document.activeElement.textContent")
        self.assertIn(word, self.js("document.getElementById('live').textContent"))
        self.browser.press("Enter")
        self.assertEqual(self.js("document.activeElement.getAttribute('aria-pressed')"), "true")

    def test_hostile_text_is_text(self):
        self.open()
        text = self.js("document.querySelector('#texts .text').textContent")
        self.assertEqual(text, report_database.HOSTILE.replace("\u202e", "[U+202E]").replace("\u2066", "[U+2066]"))
        self.assertIn("[U+202E]", self.js("document.querySelectorAll('#texts .text')[1].textContent"))
        self.assertFalse(self.js("'hacked' in window"))
        self.assertEqual(self.js("[...document.querySelectorAll('main script, main i, main u, main b')].length"), 0)
        self.assertEqual(self.js("[...document.querySelectorAll('img')].filter(i => !i.src.startsWith('data:')).length"), 0)
        self.assert_quiet()


class Whole(PageTest):
    def test_curves(self):
        self.open()
        lines = self.js("""[...document.querySelectorAll('#curves figure')].map(f => [f.querySelector('figcaption').firstChild.textContent,
                           f.querySelector('small').textContent.split(',')[0], f.querySelectorAll('polyline').length, f.querySelectorAll('title').length])""")
        self.assertEqual(lines[:2], [["Faithfulness gap", lines[0][1], 3, 6], ["U.mIoU", lines[1][1], 3, 6]])
        drift = [line for line in lines if line[0].startswith("Masking")]
        self.assertEqual([line[2:] for line in drift], [[3, 27]] * 4)  # two layers, each way
        self.assertEqual([line[2:] for line in lines if line[0].startswith("Deleting")], [[2, 10]])
        self.assertGreater(self.js("document.querySelectorAll('#modality polyline').length"), 6)
        self.assertIn("<i>layer</i> 2", self.js("document.querySelector('#runs').textContent"))
        self.assert_quiet()

    def test_copying_sql(self):
        self.open()
        self.js("document.querySelector('#modality .sql').open = true")
        self.browser.click("#modality .sql button")
        self.assertIn(self.js("document.querySelector('#modality .sql button').textContent"), ("Copied", "Select it and copy"))
        self.assertIn("v_modality", self.js("document.querySelector('#modality .sql code').textContent"))

    def test_both_themes_can_be_read(self):
        self.open()
        for dark in (False, True):
            self.browser.theme(dark)
            ground, ink = self.js("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
            light = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (ground, ink)]
            self.assertGreater(abs(light[0] - light[1]), 500)
            self.assertEqual(light[0] < light[1], dark)

    def test_a_thousand_maps_open_at_once(self):
        with sqlite3.connect(self.path("r.db")) as db:
            report_database.add_many(db, 4, 16)
        self.browser = Browser(self.folder)
        self.addCleanup(self.browser.close)
        seconds = self.open("--run", "4")
        busy = self.browser.busy()
        self.browser.hover(".stage canvas", 0.5, 0.5)
        self.assertIn("4 images, 1,024 maps", self.js("document.getElementById('totals').textContent"))
        self.assertEqual(len(self.assert_listed("images", lambda r: "row %d, column %d" % (r[0], r[1]))), 8)
        print("1,024 maps: %.2f s, of which %.2f s at work" % (seconds, busy))
        self.assertGreater(busy, 0)
        self.assertLess(busy, 3)
        if os.getloadavg()[0] < os.cpu_count():
            self.assertLess(seconds, 3)

    def test_an_absurd_grid_leaves_the_rest(self):
        with sqlite3.connect(self.path("r.db")) as db:
            db.execute("UPDATE token SET grid_row = 1000000000 WHERE kind = 'patch' AND idx = 3")
        self.open()
        self.assertIn("cannot be drawn", self.js("document.querySelector('#images').textContent"))
        self.assertIn("whole summary", self.listed("texts")[2])

    def test_what_is_left_out_is_said(self):
        with sqlite3.connect(self.path("r.db")) as db:
            report_database.add_many(db, 5, 2)
        self.open("--inputs", "2")
        said = self.js("document.getElementById('left-out').textContent")
        self.assertIn("2 of 6 images", said)
        self.assertRegex(said, r"\d+ of \d+ maps")
        self.assertIn("--run N", said)
        self.assert_quiet()


if __name__ == "__main__":
    try:
        main()
    finally:
        BROWSER.close()
