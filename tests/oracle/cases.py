"""What the comparisons of cases share: "prepare" where torch is, "compare" where the program is; the last line is "N passed, N failed"."""
import argparse
import json
import os
import tempfile


def compare(work, program, judge):
    """judge(program, work, case, scratch folder) says whether a case passed, and what to print of it."""
    with open(os.path.join(work, "cases.json")) as file:
        cases = json.load(file)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            passed, words = judge(program, work, case, folder)
            failed += not passed
            print(f"{'ok' if passed else 'FAILED'}: {words}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


def main(doc, prepare, judge):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    p = verbs.add_parser("prepare")
    p.add_argument("work"), p.add_argument("--reference", required=True)
    p = verbs.add_parser("compare")
    p.add_argument("work"), p.add_argument("--program", required=True)
    a = parser.parse_args()
    if a.verb == "compare":
        return compare(a.work, a.program, judge)
    os.makedirs(a.work, exist_ok=True)
    return prepare(a.work, a.reference)
