"""The man page and the completions say of every verb and every flag what the program's help says, and shells take them."""
import re
import shutil
import subprocess

from harness import NO_DRIVER, ProgramTest, main


class Documents(ProgramTest):
    def setUp(self):
        super().setUp()
        self.verbs = re.findall(r"(?m)^  (\w+) +\w", self.ok("--help", env=NO_DRIVER).stdout.split("Examples:")[0])
        self.flags = {v: re.findall(r"(?m)^  (--[\w-]+)", self.ok("help", v).stdout.split("Examples:")[0]) for v in self.verbs}
        self.assertGreater(len(self.verbs), 8)
        self.assertTrue(all(len(flags) > 2 for flags in self.flags.values()))

    def document(self, kind):
        return self.ok("help", "--" + kind, env=NO_DRIVER).stdout

    def test_man(self):
        page = self.document("man")
        parts = dict(re.findall(r"(?ms)^\.SS ultravk (\w+).*?\n(.*?)(?=^\.S[SH])", page))
        self.assertEqual(list(parts), self.verbs)
        for verb, flags in self.flags.items():
            self.assertEqual([f.replace("\\", "") for f in re.findall(r"(?m)^\.TP\n\\fB(\\-\\-[\w\\-]+)\\fR", parts[verb])], flags, verb)
        if shutil.which("man"):
            self.write("ultravk.1", page)
            shown = subprocess.run(["man", "--warnings", "-l", self.path("ultravk.1")], capture_output=True, text=True, env={**self.environment(None), "MANWIDTH": "120"})
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertIn("--context-span START:END", shown.stdout)

    def complete(self, *words):
        """What bash offers for the last of the words."""
        self.write("completion", self.document("bash"))
        script = 'source ./completion; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ultravk; printf "%s\\n" "${COMPREPLY[@]}"'
        r = subprocess.run(["bash", "-c", script, "bash", *words], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        return r.stdout.split()

    def test_bash(self):
        self.assertEqual(sorted(self.complete("ultravk", "")), sorted(["help", *self.verbs]))
        for verb, flags in self.flags.items():
            self.assertEqual(self.complete("ultravk", verb, "--"), flags)
        self.assertEqual(self.complete("ultravk", "explain", "--scalar", ""), ["sum", "energy", "logprob", "learned", "similarity"])
        self.write("photo.jpg", "")
        self.assertEqual(self.complete("ultravk", "explain", "ph"), ["photo.jpg"])

    def test_zsh(self):
        text = self.document("zsh")
        parts = dict(re.findall(r"(?ms)^    (\w+)\)\n        _arguments(.*?);;", text))
        self.assertEqual({v: re.findall(r"(?m)^            '(--[\w-]+)\[", part) for v, part in parts.items()}, self.flags)
        self.parses("zsh", text)

    def test_fish(self):
        text = self.document("fish")
        found = {v: [] for v in self.verbs}
        for verbs, name in re.findall(r"__fish_seen_subcommand_from ([\w ]+)' -l ([\w-]+)", text):
            for verb in verbs.split():
                found[verb].append("--" + name)
        self.assertEqual(found, self.flags)
        self.parses("fish", text)

    def parses(self, shell, text):
        if shutil.which(shell):
            r = subprocess.run([shell, "-n", self.write("completion." + shell, text)], cwd=self.folder, capture_output=True, text=True)
            self.assertEqual((r.returncode, r.stderr), (0, ""))

    def test_unknown(self):
        self.refused(2, "help", "--mann", says="--mann")


if __name__ == "__main__":
    main()
