#!/usr/bin/env python3
"""Serves the status page as pinwardend does, with made-up data: to look at it, and for run.mjs to drive it.

    fake_daemon.py [--port PORT] [--fixture NAME]

GET /test/fixture?name=busy changes what is told from then on, /test/conflict adds a conflict to that, /test/answer?how=503 (or
close, slow, garbage, well) says how /page.json is answered, /test/requests tells what was asked for so far.
"""
import argparse
import datetime
import hashlib
import http.server
import json
import pathlib
import time
import urllib.parse

from fixtures import FIXTURES, new_conflict
from schema import complete, timestamp

PAGE = pathlib.Path(__file__).resolve().parents[2] / 'daemon' / 'publish' / 'page'
TYPES = {'.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
         '.svg': 'image/svg+xml'}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'")
MESSAGES = {'status': 'GetStatusResponse', 'by_driver': 'GroupPinsResponse', 'by_file': 'GroupPinsResponse',
            'by_owner': 'GroupPinsResponse', 'holds': 'ListHoldsResponse', 'policies': 'ListPoliciesResponse',
            'conflicts': 'ListConflictsResponse'}


def page_json(sparse, taken):
    answer = {'host': sparse['host'], 'taken': timestamp(taken, 0), 'details': sparse.get('details', True),
              'details_hint': sparse.get('details_hint', '')}
    for key, message in MESSAGES.items():
        if key in sparse:
            answer[key] = complete(message, sparse[key], taken)
    return answer


class State:
    """What is told now. Its times are fixed when it is chosen, as those of a daemon are."""

    def __init__(self, fixture):
        self.answer, self.requests = 'well', []
        self.choose(fixture)

    def choose(self, fixture):
        self.set(page_json(FIXTURES[fixture](), datetime.datetime.now(datetime.timezone.utc)))

    def set(self, page):
        self.page = page
        self.body = json.dumps(page).encode()
        self.etag = '"' + hashlib.sha256(self.body).hexdigest()[:16] + '"'

    def add_conflict(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        listed = self.page['conflicts']
        number = 1 + max((int(item['number']) for item in listed['conflicts']), default=0)
        listed['conflicts'].insert(0, complete('PastConflict', new_conflict(number), now))
        listed['matched'] = listed['remembered'] = str(int(listed['matched']) + 1)
        self.page['taken'] = timestamp(now, 0)
        self.set(self.page)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    state = None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        asked = {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}
        if url.path.startswith('/test/'):
            return self.control(url.path.removeprefix('/test/'), asked)
        self.state.requests.append({'path': self.path, 'if_none_match': self.headers.get('If-None-Match', ''), 'time': time.time()})
        if url.path == '/page.json':
            return self.data()
        name = 'index.html' if url.path == '/' else url.path.lstrip('/')
        file = PAGE / name
        if '/' in name or file.suffix not in TYPES or not file.is_file():
            return self.send(404, b'not here\n')
        return self.send(200, file.read_bytes(), TYPES[file.suffix])

    def control(self, what, asked):
        if what == 'fixture':
            self.state.choose(asked['name'])
        elif what == 'conflict':
            self.state.add_conflict()
        elif what == 'answer':
            self.state.answer = asked['how']
        self.send(200, json.dumps(self.state.requests if what == 'requests' else {}).encode(), 'application/json')

    def data(self):
        how = self.state.answer
        if how == 'close':
            self.close_connection = True
            return None
        if how == '503':
            return self.send(503, b'the pipeline does not answer\n')
        if how == 'garbage':
            return self.send(200, b'{"host": "x"}', 'application/json')
        if how == 'slow':
            time.sleep(12)
        if self.headers.get('If-None-Match') == self.state.etag:
            return self.send(304, b'', 'application/json', self.state.etag)
        return self.send(200, self.state.body, 'application/json', self.state.etag)

    def send(self, code, body, kind='text/plain; charset=utf-8', etag=None):
        self.send_response(code)
        self.send_header('Content-Security-Policy', POLICY)
        self.send_header('X-Content-Type-Options', 'nosniff')
        self.send_header('Cache-Control', 'no-cache')
        if etag:
            self.send_header('ETag', etag)
        if code != 304:
            self.send_header('Content-Type', kind)
            self.send_header('Content-Length', str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # whoever asked waits no longer

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--port', type=int, default=0, help='0: any that is free (the default)')
    parser.add_argument('--fixture', default='quiet', choices=sorted(FIXTURES))
    options = parser.parse_args()
    Handler.state = State(options.fixture)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', options.port), Handler)
    print(f'http://127.0.0.1:{server.server_port}/', flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == '__main__':
    main()
