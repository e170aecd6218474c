"""What a file says neither steers the terminal, nor passes for something else, nor takes all memory."""
import json
import os
import sqlite3
import struct
import unicodedata

from harness import NO_DRIVER, ProgramTest, contents, main, make_model, png
from text_model import make_text_model

# Clears the screen, in two ways to say it, and turns the reading direction.
STEERING = "\x1b[2J\u009b2J\u202e\ufeff"


def steers(text):
    return [c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf")]


class Names(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.photo = self.write("a%s.png" % STEERING, png(20, 20))

    def shown(self, *arguments):
        """On a terminal, without what the progress bar uses."""
        return self.on_terminal(*arguments, stdout=True).replace("\r\n", "\n").replace("\r", "").replace("\x1b[K", "")

    def test_photo(self):
        for more in ([], ["--json"], ["--db", "r.db"]):
            self.assertEqual(steers(self.shown("explain", "--model", "model", self.photo, "--tokens", "1", *more)), [], more)
        for more in ([], ["--json"]):
            self.assertEqual(steers(self.shown("segment", "--model", "model", self.photo, "--clusters", "2", *more)), [], more)
        line = self.ok("explain", "--model", "model", self.photo, "--tokens", "1", "--json").stdout
        self.assertEqual((steers(line), json.loads(line)["path"]), ([], self.photo))

    def test_model(self):
        data = contents(self.path("model", "model.safetensors"))
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        header["more" + STEERING] = {"dtype": "F32", "shape": [0], "data_offsets": [len(data) - 8 - size] * 2}
        packed = json.dumps(header).encode()
        name = "model" + STEERING
        os.rename(self.path("model"), self.path(name))
        self.write(name + "/model.safetensors", struct.pack("<Q", len(packed)) + packed + data[8 + size:])
        for more in ([], ["--json"]):
            told = self.ok("info", "--model", name, *more, env=NO_DRIVER).stdout
            self.assertEqual(steers(told), [])
            self.assertIn("more", told)

    def test_text_model(self):
        name = "lm" + STEERING
        make_text_model(self.path(name))
        self.write("text", "The cat.")
        for arguments in (["attribute", "--context", "text", "--summary", "text"], ["summarize", "text", "--max-new", "2"], ["explain", "text", "--tokens", "1"]):
            told = self.shown(arguments[0], "--model", name, *arguments[1:])
            self.assertEqual(steers(told), [], arguments)
            self.assertIn(" of lm\\x1b[2J\\u009b2J\\u202e\\ufeff,", told)

    def test_generated(self):
        make_text_model(self.path("lm"))
        tokenizer = json.loads(contents(self.path("lm", "tokenizer.json")))
        tokenizer["decoder"] = {"type": "Sequence", "decoders": [tokenizer["decoder"], {"type": "Replace", "pattern": {"Regex": "."}, "content": STEERING}]}
        self.write("lm/tokenizer.json", json.dumps(tokenizer))
        arguments = ["generate", "--model", "lm", "The cat", "--max-new", "3"]
        self.assertEqual(steers(self.shown(*arguments)), [])
        self.assertEqual(self.ok(*arguments, "--quiet").stdout, STEERING * self.ok(*arguments, "--quiet").stdout.count(STEERING) + "\n") # no terminal: as it is


class Folders(ProgramTest):
    def test_link_to_what_is_missing(self):
        make_model(self.path("model"))
        make_text_model(self.path("lm"))
        self.write("photo.png", png(20, 20))
        self.write("text", "The cat.")
        for folder, name, arguments in (("model", "preprocessor_config.json", ["explain", "photo.png", "--tokens", "1"]), ("lm", "tokenizer_config.json", ["attribute", "--context", "text", "--summary", "text"]),
                                        ("lm", "generation_config.json", ["generate", "The cat"]), ("lm", "tokenizer.json", ["tokenize", "The cat"])):
            kept = self.path(folder, name)
            before = contents(kept) if os.path.exists(kept) else None
            if before is not None:
                os.remove(kept)
            os.symlink("nowhere", kept)
            self.refused(3, arguments[0], "--model", folder, *arguments[1:], "--quiet", says=name, env=NO_DRIVER if arguments[0] == "tokenize" else None)
            os.remove(kept)
            if before is not None:
                self.write(folder + "/" + name, before)

    def test_a_list_that_begins_with_a_mark(self):
        make_model(self.path("model"))
        self.write("photo.png", png(20, 20))
        self.write("list", b"\xef\xbb\xbfphoto.png\n")
        self.ok("explain", "--model", "model", "@list", "--tokens", "1", "--quiet")


class Tokenizers(ProgramTest):
    def setUp(self):
        super().setUp()
        make_text_model(self.path("lm"))
        self.tokenizer = json.loads(contents(self.path("lm", "tokenizer.json")))

    def ids(self):
        self.write("lm/tokenizer.json", json.dumps(self.tokenizer))
        return json.loads(self.ok("tokenize", "--model", "lm", "a cat", "--json", env=NO_DRIVER).stdout)["ids"]

    def test_what_follows_a_nul_is_not_cut_off(self):
        before = self.ids()
        self.tokenizer["model"]["vocab"]["a\0x"] = len(self.tokenizer["model"]["vocab"])
        self.assertEqual(self.ids(), before)

    def test_added_tokens_beyond_the_embedding(self):
        self.write("text", "The cat sat.")
        beyond = len(self.tokenizer["model"]["vocab"]) + 5
        self.tokenizer["added_tokens"].append({"id": beyond, "content": "<pad>", "special": True})
        self.write("lm/tokenizer.json", json.dumps(self.tokenizer))
        self.ok("explain", "--model", "lm", "text", "--tokens", "2", "--quiet")
        self.write("text", "The <pad> sat.")
        self.refused(3, "explain", "--model", "lm", "text", "--tokens", "2", "--quiet", says=("not in the vocabulary", str(beyond)))

    def test_a_prompt_that_its_special_tokens_spoil(self):
        self.write("text", "The cat.")
        self.write("lm/tokenizer_config.json", json.dumps({"bos_token": "{text}", "chat_template": "{{ bos_token }}[INST] {{ content }} [/INST]"}))
        self.refused(3, "attribute", "--model", "lm", "--context", "text", "--summary", "text", "--quiet", says="tokenizer_config.json")

    def test_decoders_that_double(self):
        self.tokenizer["decoder"] = {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"Regex": "."}, "content": "aa"}] * 34}
        self.write("lm/tokenizer.json", json.dumps(self.tokenizer))
        self.refused(3, "generate", "--model", "lm", "The cat", "--max-new", "3", "--quiet", says="too long")


class Databases(ProgramTest):
    def setUp(self):
        super().setUp()
        make_model(self.path("model"))
        self.write("photo.png", png(20, 20))
        self.arguments = ["--model", "model", "photo.png", "--db", "r.db", "--quiet"]
        self.ok("explain", *self.arguments)

    def change(self, sql, *values):
        db = sqlite3.connect(self.path("r.db"))
        db.execute(sql, values)
        db.commit()
        db.close()

    def test_triggers_do_not_run(self):
        self.change("CREATE TRIGGER t AFTER INSERT ON map BEGIN UPDATE map SET scores = zeroblob(4) WHERE id = new.id; END")
        self.ok("explain", *self.arguments, "--layer", "2")
        self.assertEqual(self.rows("r.db", "SELECT count(*) FROM map WHERE length(scores) = 4"), [(0,)])

    def test_rows_that_are_no_numbers_are_computed_again(self):
        self.assertIn("used again", self.ok("segment", *self.arguments[:-1], "--clusters", "2").stderr)
        for value in (struct.pack("<f", float("nan")) * 10, "0123456789012345678901234567890123456789"):
            self.change("UPDATE map SET scores = ?", value)
            self.assertNotIn("used again", self.ok("segment", *self.arguments[:-1], "--clusters", "3").stderr)
            self.change("DELETE FROM run WHERE id > 1")

    def test_the_largest_number_of_a_run(self):
        self.change("UPDATE run SET key = key || '#9223372036854775807'")
        self.ok("explain", *self.arguments)
        self.assertEqual(self.rows("r.db", "SELECT substr(key, 65) FROM run ORDER BY id"), [("#9223372036854775807",), ("#2",)])


if __name__ == "__main__":
    main()
