"""A language model that answers with the help of programs: python3 agent.py QUESTION.

The model is asked for chat completions with one tool, run_python. What it writes for that runs in a session of boxer serve,
where variables stay from call to call; what the code printed, or its traceback, goes back to the model, until it answers.
"""

import json
import os
import sys

import boxer

BASE_URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
API_KEY = os.environ.get("OPENAI_API_KEY", "")
MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
MOST_TURNS = 10
MOST_TEXT = 8000  # characters of one result

SYSTEM = """Answer the user's question. Whenever it takes calculation or data processing, write Python for run_python rather than
guess, and look at the result. If the code fails, mend it and try again. In the end answer briefly."""

TOOL = {
    "type": "function",
    "function": {
        "name": "run_python",
        "description": "Run Python in a session that keeps variables and files between calls. Gives what the code prints and the "
        "value of its last expression, or the traceback. Standard library only, no network.",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "Python source"}},
            "required": ["code"],
        },
    },
}


def complete(messages):
    """Has the model continue a conversation by one message."""
    question = {"model": MODEL, "messages": messages, "tools": [TOOL]}
    completion = boxer.ask("/chat/completions", question, url=BASE_URL, token=API_KEY)
    try:
        return completion["choices"][0]["message"]
    except (LookupError, TypeError):
        raise RuntimeError(f"{BASE_URL} answered without a message: {completion}") from None


class Session:
    """Python on a boxer server, which keeps its variables. Code that ends it, as sys.exit does, is followed by a new one."""

    def __init__(self):
        self.id = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.id:
            boxer.ask(f"/v1/sessions/{self.id}", method="DELETE")

    def run(self, code):
        """Gives what a model is to read of what its code did."""
        self.id = self.id or boxer.ask("/v1/sessions", {})["id"]
        result = boxer.ask(f"/v1/sessions/{self.id}/execute", {"code": code})
        parts = [result["stdout"], result["stderr"], result.get("repr"), result.get("exception", {}).get("traceback")]
        if result["ended"]:
            self.id = None
            parts.append(f"{result['outcome']}, status {result['exit_status']}: the session has ended, its variables are gone")
        text = "\n".join(part.rstrip("\n") for part in parts if part) or "no output; use print"
        return text if len(text) <= MOST_TEXT else text[: MOST_TEXT // 2] + "\n…\n" + text[-MOST_TEXT // 2 :]


def run_python(session, arguments):
    """Carries out a call of the tool. Mistakes of the model are for the model to read."""
    try:
        code = json.loads(arguments)["code"]
    except (ValueError, KeyError, TypeError) as error:
        return f"the arguments have to be a JSON object with a text code: {error!r}"
    print(f"--- the model runs\n{code}", file=sys.stderr)
    try:
        text = session.run(code)
    except RuntimeError as refusal:
        text = str(refusal)
    print(f"--- and reads\n{text}", file=sys.stderr)
    return text


def answer(question, session):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    for _ in range(MOST_TURNS):
        message = complete(messages)
        messages.append(message)
        calls = message.get("tool_calls")
        if not calls:
            return message["content"]
        for call in calls:
            result = run_python(session, call["function"]["arguments"])
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    return f"no answer within {MOST_TURNS} turns"


def main():
    with Session() as session:
        print(answer(" ".join(sys.argv[1:]), session))


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as failure:
        sys.exit(str(failure))
