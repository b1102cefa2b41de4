"""HTTP to a head for muster_client: where it is, one request, patience with a head that restarts. Standard library only."""
import contextlib
import http.client
import json
import os
import random
import ssl
import time
import urllib.parse

REQUEST_SECONDS = 30.0


class MusterError(Exception):
    """The head said no, or cannot be asked. str() is its text, which says what to do.

    code    a stable word: not_found, invalid, conflict, unreachable, ... (lib/base/error.h)
    status  of HTTP; 0: no answer
    file, line, column  where a sweep file is wrong; else None
    """

    def __init__(self, text, code="", status=0, file=None, line=None, column=None):
        super().__init__(f"{text} at {file}:{line}:{column}" if line else text)
        self.code, self.status, self.file, self.line, self.column = code, status, file, line, column


class Unreachable(MusterError):
    """No head, or none that lets you in, within the patience."""


class Paused(MusterError):
    """Muster itself paused what is waited for, since all of it would have failed; str() has the reason. resume() goes on with it."""


class TimeoutPassed(MusterError, TimeoutError):
    """The time that you gave is over; the work goes on."""


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _state_folder(state):
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local/state")
    return state or os.environ.get("MUSTER_STATE") or os.path.join(home, "muster")


class Head:
    """Where the head is, found as the command does. Looked up anew for each try: a head that was started again may have another
    port."""

    def __init__(self, url, token, ca, state):
        self.given = url or os.environ.get("MUSTER_HEAD") or None
        self.token = token or os.environ.get("MUSTER_TOKEN") or None
        self.ca = ca or os.environ.get("MUSTER_CA") or None
        self.state = _state_folder(state)
        self.state_is_given = bool(state)

    def _json(self, name):
        path = os.path.join(self.state, name)
        try:
            return json.loads(text_of(path))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Unreachable(f"{path} is damaged: {error}", "format") from None

    def _login(self, url):
        """What `muster login` stored for this head; None: for the chosen one."""
        stored = self._json("contexts.json") or {}
        wanted = url or stored.get("chosen")
        return next((place for place in stored.get("contexts", []) if wanted and place.get("url") == wanted), None)

    def _current(self):
        """The head of the state folder."""
        place = self._json("current")
        if place:
            with contextlib.suppress(OSError):
                place["token"] = text_of(place["token_file"]).strip()
        return place

    def find(self):
        """(url, token, ca)"""
        if self.given:
            url = _url_normalise(self.given)
            here = self._login(url) or self._current() or {}
            here = here if here.get("url") == url else {}
            place = {**here, "url": url}
        else:
            place = None if self.state_is_given else self._login(None)
            place = place or self._current()
        if not place:
            raise Unreachable(f"no head runs in {self.state}; start one with 'muster up', or give a url", "unreachable")
        return place["url"], self.token or place.get("token", ""), self.ca or place.get("ca") or None


def _url_normalise(url):
    url = url.rstrip("/")
    if "://" in url:
        return url
    host = url.rsplit(":", 1)[0] if not url.endswith("]") else url
    return ("http://" if host in ("localhost", "[::1]") or host.startswith("127.") else "https://") + url


class Http:
    """Requests to a head. Holds no connection, so that threads may share it."""

    def __init__(self, head, patience):
        self._head = head
        self.patience = patience

    def _connect(self, seconds):
        """A connection to where the head is now, which knows its base path and token."""
        url, token, ca = self._head.find()
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca)
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=seconds, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)
        connection.base, connection.token = parts.path.rstrip("/"), token
        connection.connect()
        return connection

    def _ask(self, connection, method, path, body, headers, once):
        try:
            connection.request(method, connection.base + path, body, {"Authorization": "Bearer " + connection.token, **headers})
            return connection.getresponse()
        except BaseException as error:
            connection.close()
            if once and isinstance(error, (OSError, http.client.HTTPException)):
                raise MusterError(f"the answer to {method} {path} was lost; look whether it was done before you try again", "closed") from None
            raise

    def patiently(self, method, path, body=None, headers=None, seconds=REQUEST_SECONDS, until=None, once=False):
        """The answer of a head that has one. `once`: what must not be sent twice is not, when the answer to it was lost."""
        deadline = time.monotonic() + self.patience if until is None else until
        pause = 0.02
        while True:
            try:
                left = max(0.05, deadline - time.monotonic())
                connection = self._connect(min(seconds, left))
                answer = self._ask(connection, method, path, body, headers or {}, once)
                if answer.status != 503:
                    return connection, answer
                why = self.error(answer.status, answer.read())
                connection.close()
            except ssl.SSLCertVerificationError as error:
                raise Unreachable(f"the head's certificate is not trusted: {error.verify_message}; give its CA", "not_allowed") from None
            except Unreachable as error:
                why = error
            except (OSError, http.client.HTTPException) as error:
                why = Unreachable(f"the head cannot be reached: {error or type(error).__name__}", "unreachable")
            if time.monotonic() + pause > deadline:
                raise why
            time.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 1.5, 1.0)

    @staticmethod
    def error(status, data):
        try:
            told = json.loads(data)["error"]
        except (ValueError, KeyError, TypeError):
            told = {}
        kind = Unreachable if status in (401, 503) else MusterError
        return kind(told.get("text") or f"the head answered {status}", told.get("code", ""), status, told.get("file"), told.get("line"), told.get("column"))

    def call(self, method, path, body=None, key=None, until=None, once=False):
        """One request of the HTTP interface: `call("GET", "/api/v1/status")`. A dict is sent as JSON, bytes as they are. It is sent
        again when the connection was lost, unless `once`."""
        headers = {"Idempotency-Key": key} if key else {}
        if body is not None and not isinstance(body, (bytes, bytearray, memoryview)):
            body = json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        connection, answer = self.patiently(method, path, body, headers, until=until, once=once)
        try:
            data = answer.read()
        except (OSError, http.client.HTTPException):
            if once:
                raise MusterError(f"the answer to {method} {path} was lost; look whether it was done before you try again", "closed") from None
            return self.call(method, path, body, key, until)
        finally:
            connection.close()
        if answer.status >= 300:
            raise self.error(answer.status, data)
        return json.loads(data) if data[:1] in (b"{", b"[") else data.decode("utf-8", "replace")


def sse(answer):
    """Server-Sent Events as dicts; comments are skipped."""
    name, number, data = "", None, []
    while True:
        line = answer.readline(1 << 20)
        if not line:
            return
        line = line.rstrip(b"\r\n").decode("utf-8", "replace")
        if not line:
            if data or name == "reset":
                event = json.loads("\n".join(data)) if data else {}
                yield {**(event if isinstance(event, dict) else {}), "id": number, **({"kind": "reset"} if name == "reset" else {})}
            name, data = "", []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "event":
                name = value
            elif field == "id":
                number = value
            elif field == "data":
                data.append(value)
