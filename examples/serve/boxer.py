"""A client of boxer serve in a few lines."""

import json
import os
import urllib.error
import urllib.request

URL = os.environ.get("BOXER_URL", "http://127.0.0.1:3000").rstrip("/")
TOKEN = os.environ.get("BOXER_TOKEN", "")


def ask(path, question=None, method="POST", url=URL, token=TOKEN):
    """Sends JSON and gives the JSON of the answer. A refusal is a RuntimeError that says why."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    body = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
    except urllib.error.HTTPError as refusal:
        raise RuntimeError(f"{url} answered {refusal.code}: {refusal.read().decode(errors='replace')}") from None
    except urllib.error.URLError as failure:
        raise RuntimeError(f"{url} does not answer: {failure.reason}") from None
    try:
        return json.loads(text or "null")
    except ValueError:
        raise RuntimeError(f"{url} answered what is no JSON: {text[:100]}") from None
