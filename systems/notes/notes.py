#!/usr/bin/env python3
"""notes: a small service with an authority and any number of resource servers, written to be measured. Standard library only.

The authority keeps users, their roles and their tokens. A resource server asks it who a token belongs to and what its holder may
do, and believes the answer for `--cache-age` seconds: that is the service's whole mechanism, and its whole staleness. Flags of a
resource server make it misbehave in ways that a load test must survive.
"""

import argparse
import http.client
import json
import os
import secrets
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIFE_S = 3600


class User:
    """What the authority knows of somebody."""

    def __init__(self, role):
        self.role = role
        self.active = True


class Truth:
    """Users and tokens, in memory: the source of truth."""

    def __init__(self):
        self.lock = threading.Lock()
        self.users = {}
        self.tokens = {}
        self.refresh_tokens = {}

    def new_tokens(self, name):
        """Tokens of a new session, or of one that is renewed."""
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[access] = name
            self.refresh_tokens[refresh] = name
        return {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": LIFE_S}

    def holder(self, token):
        """Whose token it is and what that user is, `None` where it is nobody's who may come in."""
        with self.lock:
            name = self.tokens.get(token)
            user = self.users.get(name)
            return {"name": name, "role": user.role} if user and user.active else None

    def end(self, token):
        """Ends a token, whichever kind it is."""
        with self.lock:
            self.tokens.pop(token, None)
            self.refresh_tokens.pop(token, None)


class Counters:
    """What `/metrics` says, in the text format of Prometheus."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {}

    def add(self, name):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1

    def text(self):
        with self.lock:
            lines = [f"{name} {count}" for name, count in sorted(self.counts.items())]
        lines.append(f"notes_cpu_seconds_total {time.process_time():.6f}")
        return "".join(f"{line}\n" for line in lines)


class Exchange(BaseHTTPRequestHandler):
    """One connection. Answers are written at once, so that no half of one waits for an acknowledgement."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    # Who connects and says nothing holds a thread no longer than this.
    timeout = 120

    def log_message(self, *_):
        pass

    def setup(self):
        # The handshake of a TLS connection is made by its own thread.
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(10)
            self.request.do_handshake()
        super().setup()

    def say(self, status, body=None, headers=()):
        text = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain; charset=utf-8" if isinstance(body, str) else "application/json")
        self.send_header("content-length", str(len(text)))
        self.send_header("x-instance", self.server.name)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)
        self.server.counters.add(f'notes_answers_total{{status="{status}"}}')

    def refuse(self, status, why, headers=()):
        self.say(status, {"error": why}, headers)

    def bearer(self):
        """The token that is shown, empty for none."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")

    def common(self):
        """Answers what every server answers; was it that?"""
        if self.path == "/healthz":
            self.say(200, "up\n")
        elif self.path == "/metrics":
            self.say(200, self.server.counters.text())
        else:
            return False
        return True


class Authority(Exchange):
    """Signs in, makes changes, and tells resource servers whose a token is."""

    def do_GET(self):
        if self.common():
            return
        if self.path != "/holder":
            return self.refuse(404, "no such page")
        holder = self.server.truth.holder(self.bearer())
        self.say(200, holder) if holder else self.refuse(401, "not a valid token")

    def do_POST(self):
        body = self.body()
        if self.path in ("/token", "/revoke"):
            form = {name: values[0] for name, values in urllib.parse.parse_qs(body).items()}
            return self.token(form) if self.path == "/token" else self.revoke(form)
        if self.path == "/logout":
            self.server.truth.end(self.bearer())
            return self.say(200, {})
        if not self.path.startswith("/admin/"):
            return self.refuse(404, "no such page")
        if not secrets.compare_digest(self.bearer(), self.server.options.admin):
            return self.refuse(401, "not an administrator")
        try:
            self.administer(self.path.split("/")[2:], json.loads(body or "{}"))
        except (ValueError, KeyError) as error:
            self.refuse(400, f"not what this page takes: {error}")

    def token(self, form):
        truth = self.server.truth
        if form.get("grant_type") == "refresh_token":
            with truth.lock:
                name = truth.refresh_tokens.pop(form.get("refresh_token"), None)
        else:
            # Everybody's password is the name: it is a service for tests.
            name = form.get("username") if form.get("username") == form.get("password") else None
        user = truth.users.get(name)
        if not user or not user.active:
            return self.refuse(400, "invalid_grant")
        self.say(200, truth.new_tokens(name))

    def revoke(self, form):
        self.server.truth.end(form.get("token"))
        self.say(200, {})

    def administer(self, path, asked):
        users = self.server.truth.users
        match path:
            case ["users"]:
                users[asked["name"]] = User(asked.get("role", "editor"))
                return self.say(201, {})
            case ["users", name, "role"] if name in users:
                users[name].role = asked["role"]
            case ["users", name, "active"] if name in users:
                users[name].active = bool(asked["active"])
            case _:
                return self.refuse(404, "no such page or user")
        self.say(200, {})


class Resource(Exchange):
    """Serves notes to editors, by what it last heard about the token."""

    def do_GET(self):
        if self.common():
            return
        if self.path.partition("?")[0] != "/notes":
            return self.refuse(404, "no such page")
        if self.misbehaved():
            return
        try:
            holder = self.server.cache.holder(self.bearer())
        except ConnectionError as error:
            return self.refuse(503, str(error))
        if holder is None:
            self.refuse(401, "not a valid token", [("www-authenticate", 'Bearer error="invalid_token"')])
        elif holder["role"] != "editor":
            self.refuse(403, "editors only")
        else:
            self.say(200, {"notes": ["water the plants"]})

    def misbehaved(self):
        """Does what its flags ask for; has it answered already?"""
        options = self.server.options
        if options.die_after and self.server.asked() > options.die_after:
            os._exit(1)
        if options.slow_ms:
            time.sleep(options.slow_ms / 1000)
        if options.rate_limit and self.server.asked_this_second() > options.rate_limit:
            self.refuse(429, "too many requests", [("retry-after", "1")])
        elif options.redirect:
            self.say(307, None, [("location", f"http://{options.redirect}/notes")])
        else:
            return False
        return True


class Cache:
    """What the authority said about tokens, each answer for a time from its arrival on."""

    def __init__(self, options, counters):
        self.options = options
        self.counters = counters
        self.kept = {}
        self.local = threading.local()
        self.context = None
        if options.tls:
            self.context = ssl.create_default_context(cafile=options.authority_ca)

    def holder(self, token):
        kept = self.kept.get(token)
        if kept and time.monotonic() - kept[0] < self.options.cache_age:
            self.counters.add("notes_cache_hits_total")
            return kept[1]
        self.counters.add("notes_cache_misses_total")
        holder = self.ask(token)
        self.kept[token] = (time.monotonic(), holder)
        return holder

    def ask(self, token):
        # A connection that was kept may have been closed meanwhile; a new one is tried once.
        for _ in range(2):
            connection = getattr(self.local, "connection", None) or self.connect()
            try:
                connection.request("GET", "/holder", headers={"authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                body = answer.read()
                return json.loads(body) if answer.status == 200 else None
            except (OSError, http.client.HTTPException):
                connection.close()
                self.local.connection = None
        raise ConnectionError("the authority does not answer")

    def connect(self):
        port = self.options.authority
        if self.context:
            self.local.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=self.context)
        else:
            self.local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        return self.local.connection


class Server(ThreadingHTTPServer):
    """A server of either kind."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, options):
        super().__init__(("127.0.0.1", options.port), Authority if options.authority is None else Resource)
        self.options = options
        self.name = options.name
        self.counters = Counters()
        self.truth = Truth()
        self.cache = Cache(options, self.counters)
        self.count_lock = threading.Lock()
        self.count = 0
        self.second = (0, 0)
        if options.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*options.tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_):
        """Connections break where a load test ends; that is nobody's news."""

    def asked(self):
        """How often the protected page was asked for, this time included."""
        with self.count_lock:
            self.count += 1
            return self.count

    def asked_this_second(self):
        """How often it was asked for in this second, this time included."""
        with self.count_lock:
            now = int(time.monotonic())
            second, count = self.second
            self.second = (now, count + 1 if second == now else 1)
            return self.second[1]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help="what it calls itself in x-instance")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--authority", type=int, help="the authority's port; without it this is the authority")
    parser.add_argument("--authority-ca", help="PEM file of who vouches for an authority with TLS")
    behaviour(parser)
    options = parser.parse_args()
    options.admin = os.environ.get("REVBENCH_SYSTEM_ADMIN", "")
    if options.authority is None and len(options.admin) < 16:
        parser.error("environment variable REVBENCH_SYSTEM_ADMIN is not set, or is shorter than 16 characters")
    return options


def behaviour(parser):
    """Flags that `start` takes as well and hands on."""
    parser.add_argument("--cache-age", type=float, default=2.0, metavar="S", help="how long an answer of the authority is believed (default: 2)")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS, with this chain and key (PEM)")
    parser.add_argument("--die-after", type=int, metavar="N", help="a resource server ends at its request N + 1")
    parser.add_argument("--slow-ms", type=float, metavar="MS", help="a resource server waits so long before each answer")
    parser.add_argument("--rate-limit", type=int, metavar="N", help="a resource server answers 429 beyond N requests in a second")
    parser.add_argument("--redirect", metavar="HOST", help="a resource server sends everybody on to this host")


if __name__ == "__main__":
    Server(parse()).serve_forever()
