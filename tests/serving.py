"""A web server for tests: it answers on this machine alone, as long as it is asked for."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def running(server):
    """Serve with `server.answer(handler)`, whatever the method; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def do_POST(self):
            server.answer(self)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()
