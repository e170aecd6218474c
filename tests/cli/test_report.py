"""report: what the page is made of. What it does in a browser is test_report_page.py's."""
import base64
import json
import os
import re
import shutil
import sqlite3
import struct
import tempfile

import report_database
from harness import NO_DRIVER, ProgramTest, contents, main, png

MADE = tempfile.TemporaryDirectory(prefix="ultravk-report-")
report_database.make(MADE.name)


def halves(text):
    data = base64.b64decode(text)
    return struct.unpack("<%de" % (len(data) // 2), data)


class ReportTest(ProgramTest):
    def setUp(self):
        super().setUp()
        for name in ("r.db", "photo.png"):
            shutil.copy(os.path.join(MADE.name, name), self.folder)

    def report(self, *arguments, database="r.db"):
        self.ok("report", database, "-o", "r.html", *arguments, env=NO_DRIVER)
        page = contents(self.path("r.html")).decode()
        return page, json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))


class Page(ReportTest):
    def test_nothing_comes_from_elsewhere(self):
        page, _ = self.report()
        self.assertEqual(set(re.findall(r"https?://[^\"' ]+", page)), {"http://www.w3.org/2000/svg"})
        self.assertEqual(re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*", page), [])
        self.assertIn("default-src 'none'", page)
        self.assertNotIn("{{policy}}", page)

    def test_texts_are_inert(self):
        page, data = self.report()
        with open(os.path.join(self.folder, "empty.db"), "wb"):
            pass
        with sqlite3.connect(self.path("r.db")) as db:
            db.executescript("DELETE FROM run; DELETE FROM sequence; DELETE FROM input")
        bare, _ = self.report()
        for markup in ("<script", "</script", "<img", "<i>", "<u>", "<b>", "<!--"):
            self.assertEqual(page.count(markup), bare.count(markup), markup)
        text = next(s for s in self.objects(data["sequences"]) if s["modality"] == "text")
        self.assertEqual((text["text"], text["summary"]), (report_database.HOSTILE, report_database.SUMMARY))

    def objects(self, table):
        return [dict(zip(table["columns"], row)) for row in table["rows"]]

    def assert_alike(self, a, b, why):
        """The page has its numbers with 15 digits."""
        self.assertEqual(len(a), len(b), why)
        for x, y in ((x, y) for one, other in zip(a, b) for x, y in zip(one, other)):
            if isinstance(x, float):
                self.assertAlmostEqual(x, y, delta=1e-14 * abs(x), msg=why)
            else:
                self.assertEqual(x, y, why)

    def test_every_sql_gives_what_is_shown(self):
        _, data = self.report()
        tables = [data[key] for key in ("totals", "runs", "sequences", "depth", "perturbation", "faithfulness", "modality")]
        for item in data["items"]:
            tables += [item[key] for key in ("tokens", "words", "runs")]
            tables += [of_run[key] for of_run in item["of_run"] for key in ("segments", "tcs", "scores")]
        self.assertGreater(sum(len(t["rows"]) for t in tables), 100)
        for table in tables:
            said = json.loads(self.ok("query", "r.db", table["sql"], "--format", "json").stdout)
            self.assert_alike([[row[c] for c in table["columns"]] for row in said], table["rows"], table["sql"])
        maps = data["items"][0]["of_run"][0]["maps"]
        said = json.loads(self.ok("query", "r.db", maps["sql"], "--format", "json").stdout)
        self.assertEqual([row["id"] for row in said], maps["id"])

    def test_maps_are_the_stored_rows_with_their_own_rule(self):
        _, data = self.report()
        for item, special, own in ((data["items"][0], {0}, "max"), (data["items"][1], None, "zero")):
            tokens = self.objects(item["tokens"])
            special = {t["idx"] for t in tokens if t["kind"] == "special"}
            for of_run in item["of_run"]:
                maps = of_run["maps"]
                self.assertGreaterEqual(len(maps["id"]), 10)
                for k, map_id in enumerate(maps["id"]):
                    blob, = self.rows("r.db", "SELECT scores FROM map WHERE id = ?", map_id)[0]
                    row = list(struct.unpack("<%df" % len(tokens), blob))
                    target = maps["target"][k]
                    row = [0 if i in special else v for i, v in enumerate(row)]
                    if target not in special:
                        row[target] = max(v for i, v in enumerate(row) if i != target) if own == "max" else 0
                    self.assertAlmostEqual(maps["most"][k], max(row), delta=1e-7 * max(row))
                    for shown, true in zip(halves(maps["scores"][k]), row):
                        self.assertAlmostEqual(shown * maps["most"][k], true, delta=true / 2040 + max(row) * 2 ** -25)

    def test_a_broken_row_is_left_out(self):
        with sqlite3.connect(self.path("r.db")) as db:
            db.execute("UPDATE map SET scores = x'00' WHERE id = 1")
            db.execute("UPDATE map SET scores = ? WHERE id = 2", [struct.pack("<10f", *[float("nan")] * 10)])
        _, data = self.report()
        maps = data["items"][0]["of_run"][0]["maps"]
        self.assertEqual((maps["unreadable"], len(maps["id"])), (2, 8))


class Photos(ReportTest):
    def photo(self):
        item = self.report()[1]["items"][0]
        return item.get("photo"), item.get("no_photo")

    def test_a_photo_that_is_still_the_same(self):
        photo, why = self.photo()
        self.assertIsNone(why)
        self.assertEqual(base64.b64decode(photo.split(",")[1])[:3], b"\xff\xd8\xff")

    def test_beside_the_database(self):
        os.mkdir(self.path("far"))
        for name in ("r.db", "photo.png"):
            os.rename(self.path(name), self.path("far", name))
        _, data = self.report(database="far/r.db")
        self.assertIn("photo", data["items"][0])

    def test_another_file_of_that_name(self):
        self.write("photo.png", png(9, 9))
        photo, why = self.photo()
        self.assertIsNone(photo)
        self.assertIn("changed", why)

    def test_no_file(self):
        os.remove(self.path("photo.png"))
        photo, why = self.photo()
        self.assertIsNone(photo)
        self.assertIn("no longer", why)


class Limits(ReportTest):
    def test_inputs(self):
        with sqlite3.connect(self.path("r.db")) as db:
            report_database.add_many(db, 30, 2)
        _, data = self.report()
        self.assertEqual((len(data["items"]), data["totals"]["rows"][0][:2]), (25, [31, 1]))
        _, data = self.report("--inputs", "3")
        self.assertEqual(len(data["items"]), 4)

    def test_maps_are_spread_over_the_targets(self):
        with sqlite3.connect(self.path("r.db")) as db:
            report_database.add_many(db, 1, 20)
        _, data = self.report("--run", "4")
        maps = data["items"][0]["of_run"][0]["maps"]
        self.assertEqual(len(maps["id"]), 400)
        most = re.search(r"LIMIT (\d+)", maps["sql"]).group(1)
        self.assertEqual(int(most), 6000000 // 401)
        fewer = json.loads(self.ok("query", "r.db", maps["sql"].replace(most, "10"), "--format", "json").stdout)
        targets = [row["target_idx"] for row in fewer]
        self.assertEqual(len(targets), 10)
        self.assertEqual({after - before for before, after in zip(targets, targets[1:])}, {40})

    def test_one_run(self):
        _, data = self.report("--run", "2")
        self.assertEqual([row[0] for row in data["runs"]["rows"]], [2])
        self.assertEqual([len(item["of_run"]) for item in data["items"]], [1])
        self.assertEqual(data["run"], 2)


class Refusals(ReportTest):
    def test_usage(self):
        self.refused(2, "report", "r.db", says="--out FILE")
        self.refused(2, "report", "-o", "r.html", says="no database given")
        self.refused(2, "report", "r.db", "-o", "r.html", "--inputs", "0", says="--inputs")

    def test_databases(self):
        self.refused(3, "report", "none.db", "-o", "r.html", says="none.db")
        self.refused(3, "report", "r.db", "--run", "99", "-o", "r.html", says="no run 99")
        self.write("other.db", b"not a database at all" * 100)
        self.refused(3, "report", "other.db", "-o", "r.html", says="other.db")
        self.refused(1, "report", "r.db", "-o", "no/such/folder.html", says="no/such")
        db = sqlite3.connect(self.path("r.db"))
        db.execute("DROP VIEW v_run")
        db.commit()
        db.close()
        self.refused(3, "report", "r.db", "-o", "r.html", says="v_run")
        self.refused(3, "query", "r.db", "--named", "runs", says="v_run")
        self.assertNotIn("r.html", self.files())

    def test_a_read_only_database(self):
        os.chmod(self.path("r.db"), 0o444)
        self.report()


if __name__ == "__main__":
    main()
