"""An anvil of one's own, where one is installed: a node that speaks JSON-RPC and runs another EVM than ours."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest

from ringfence.chain.jsonrpc import Node
from ringfence.errors import InputError

PRAGUE = ("--hardfork", "prague", "--base-fee", "0")
"""The rules and the price of gas of the embedded chain."""


@contextmanager
def anvil(*options):
    """Start anvil on a free port; its address."""
    program = os.environ.get("RINGFENCE_ANVIL") or shutil.which("anvil")
    if program is None:
        pytest.skip("needs anvil on the PATH (or set RINGFENCE_ANVIL)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([program, "--port", str(port), "--silent", *options])
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_for(url):
    """Until the node answers."""
    for _ in range(200):
        try:
            Node(url).ask("eth_chainId")
        except InputError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("anvil does not answer")
