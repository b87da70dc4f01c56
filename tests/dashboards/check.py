#!/usr/bin/env python3
"""Checks dashboards, rules, their tests and runbooks against each other and against catalogue.txt; needs promtool.

    tests/dashboards/check.py [rules|boards|runbooks]        all of them, or one

check_test.py makes one mistake after another and sees that each is found.
"""
import sys

import check_boards
import check_rules
import check_runbooks
from catalogue import Catalogue


PARTS = {"rules": check_rules, "boards": check_boards, "runbooks": check_runbooks}


def main(chosen):
    if set(chosen) - set(PARTS):
        print(__doc__, file=sys.stderr)
        return 2
    known, wrong, said = Catalogue(), [], []
    for part in chosen or PARTS:
        complaints, what = PARTS[part].check(known)
        wrong += complaints
        said.append(what)
    for complaint in wrong:
        print(f"check: {complaint}", file=sys.stderr)
    print(f"check: {', '.join(said)}: {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
