"""The closed question to a model that judges: does the answer state the same fact as the reference, yes or no?

Answers are untrusted: they come from a model that is trained on what is accepted.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

from videostar.engines.base import Refused
from videostar.labels import Reason, Verdict

_PROMPT = Path(__file__).with_name("judge_prompt.txt").read_text(encoding="utf-8").strip()
_REPLY = re.compile(r"\W*(yes|no)\b(.*)", re.IGNORECASE | re.DOTALL)
_EITHER = re.compile(r"\b(?:yes|no)\b", re.IGNORECASE)
_SHOWN = 200  # characters of a reply in a verdict

#: Identifies the prompt.
PROMPT_DIGEST = sha256(_PROMPT.encode()).hexdigest()
MAX_NEW_TOKENS = 16  # of a reply, which begins with its one word


def fill_prompt(reference: str, answer: str, question: str | None) -> str:
    """The question about an answer. `question` is the one that was answered, if it is known.

    The answer cannot leave its place: it is a string in one line of JSON. Line breaks, invisible characters, and the
    brackets that special tokens of models begin with are escaped.
    """
    case = {"question": question, "reference": reference, "answer": answer}
    line = json.dumps({key: value for key, value in case.items() if value}, ensure_ascii=False)
    return _PROMPT.replace("{case}", "".join(map(_plain, line)))


def _plain(sign: str) -> str:
    if sign in "<[":
        return f"\\u{ord(sign):04x}"
    return sign if sign.isprintable() else json.dumps(sign)[1:-1]


def read_reply(reply: str | Refused) -> Verdict:
    """The verdict in a reply: only one that begins with yes, and does not take it back, accepts."""
    if isinstance(reply, Refused):
        return Verdict.no(Reason.NO_VERDICT, reply.reason[:_SHOWN])
    shown, match = reply.strip()[:_SHOWN], _REPLY.match(reply)
    if match is None or _EITHER.search(match[2]):
        return Verdict.no(Reason.NO_VERDICT, shown)
    return Verdict.yes(shown) if match[1].lower() == "yes" else Verdict.no(Reason.OTHER_FACT, shown)
