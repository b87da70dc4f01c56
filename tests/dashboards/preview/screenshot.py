#!/usr/bin/env python3
"""Draws the dashboards from a live Prometheus in headless Chromium and keeps a picture of each.

    screenshot.py PROMETHEUS_URL FOLDER [--board fleet.json] [--width 1440] [--hours 6] [--instance NAME]

Fails when a panel cannot be drawn, and when one is empty without a reason in ../may_be_empty.txt.
"""
import argparse
import functools
import html
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import evaluate  # noqa: E402
import tree  # noqa: E402


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

    def log_message(self, format, *args):  # noqa: A002  the name is the base class's
        pass


def chromium(address, width, height, *arguments):
    """Time stands still for the page while it waits for an answer, so the budget is not one of real seconds."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={profile}", f"--window-size={width},{height}", "--virtual-time-budget=30000", *arguments, address],
            capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"screenshot: chromium: {done.stderr}")
    return done.stdout


def height_of(board):
    return max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) * 38 + 56


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="PROMETHEUS_URL")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--board", action="append", help="only this one; may be repeated")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("--instance")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tree.REPO))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    allowed, wrong = evaluate.read_allowed(), []
    for file, board in tree.dashboards().items():
        if given.board and file not in given.board:
            continue
        query = {"board": file, "prometheus": given.url, "hours": given.hours}
        query.update({"instance": given.instance} if given.instance else {})
        address = (f"http://127.0.0.1:{server.server_port}/tests/dashboards/preview/index.html?"
                   + urllib.parse.urlencode(query))
        picture = given.folder / f"{pathlib.Path(file).stem}.png"
        size = (given.width, height_of(board))
        page = chromium(address, *size, "--dump-dom")
        chromium(address, *size, f"--screenshot={picture}")
        body = re.search(r"<body[^>]*>", page)[0]
        found = dict(re.findall(r'data-(state|report)="([^"]*)"', body))
        if found.get("state") != "done":
            wrong.append(f"{file}: {html.unescape(found.get('report', 'not drawn in time'))}")
            continue
        report = json.loads(html.unescape(found["report"]))
        wrong += [f"{file}: {title}: not drawn" for title in report["failed"]]
        wrong += [f"{file}: {title}: empty" for title in report["empty"] if f"{file}: {title}" not in allowed]
        if len(report["drawn"]) + len(report["empty"]) + len(report["failed"]) != len(list(tree.panels(board))):
            wrong.append(f"{file}: some panels are missing")
        print(f"screenshot: {picture}: {len(report['drawn'])} drawn, {len(report['empty'])} empty, {len(report['failed'])} failed")
    for complaint in wrong:
        print(f"screenshot: {complaint}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
