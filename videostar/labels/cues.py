"""The words by which an answer announces, concludes, takes back or refuses its value, as regular expressions."""

from __future__ import annotations

import re
from functools import lru_cache

ANSWER = "answers?|prediction|verdict|conclusion|estimate|estimation|guess|response|decision"
NOTHING = r"(?!)"  # no noun

_IS = (
    "is|are|was|were|be|must be|would be|should be|seems to be|appears to be|has to be|will be|could be|might be|"
    "may be|remains|becomes|would therefore be|therefore|thus|namely|equals|stands at|comes to|amounts to|came to|"
    "works out to|turns out to be|can be (?:described|classified|labell?ed|identified|given) as"
)
_FINAL = "final|correct|best|right|overall|actual|most likely|predicted|true|main|my"
_CLAUSE = r"(?:^|(?<=[.!?;:,\n)])[ \t]{0,3})"  # where a clause starts

_FIRM = (
    "therefore|thus|hence|consequently|accordingly|ultimately|in conclusion|to conclude|in total|altogether|in the end|"
    "as such|(?:considering|given|based on|from) (?:all )?(?:the above|this|these)[a-z ]{0,20}"
)
_WEAK = (
    "so|overall|in summary|to sum up|as a result|in short|all in all|which means|this means|based on this|given this"
)
_SUM = (
    "total of|totall?ing|adds? up to|adding up to|adding (?:these|them|it|this|everything)(?: all)? up|"
    "(?:that|this|which) (?:makes|gives|leaves)"
)
_CHOOSE = (
    "conclude|concluding|infer that|deduce|settle on|go with|going with|went with|go for|choose|pick|select|"
    "(?:i|i'd|i'll|we|we'd|i'm)(?: (?:would|will|can|now|finally|therefore))? "
    "(?:say|estimate|guess|give|put|place|answer|count|call|score|rate|assign|award|judge|predict|locate)"
    "(?: (?:it|this|that|the (?:dive|action|video))(?: (?:as|at|with))?)?"
)
CONCLUSION = re.compile(
    rf"(?:{_CLAUSE}(?:and |but |well, )?|(?<=[a-z] )(?=(?:therefore|thus|hence) ))"
    rf"(?P<firm>{_FIRM})\b(?: that)?[,:]?[ \t]+"
    rf"|{_CLAUSE}(?:and |but )?(?P<weak>{_WEAK})\b(?! (?:that|far|much|many|as)\b)(?: that)?,?[ \t]+"
    r"|(?<= )(?P<equal>=)[ \t]*(?=[\d(-])"
    r"|(?P<arrow>> ?)(?=[^\n>]{1,24}(?:\n|$))"
    rf"|\b(?P<sum>{_SUM})\b(?! (?:of|up)\b)[,:]?[ \t]+"
    rf"|\b(?P<chosen>{_CHOOSE})\b(?: that)?[ \t]+"
)
_MISTAKE = (
    r"wait|hold on|correction|sorry|scratch that|oops|recounting|hmm|i mean|i misspoke|my mistake|or rather|make that|"
    r"looking again|i looked again|let me (?:correct|re\w+)|on (?:second|closer) (?:thoughts?|look|inspection)|"
    "i was wrong"
)
RETRACTION = re.compile(
    r"(?:(?<=[.!?\n;,(-])[ \t]{0,3}|(?<=[.!?\n]) ?|(?<=\bno )|(?<=\boh )|(?<=\bbut ))(?:oh,? |hmm,? |but |ah,? )?"
    rf"(?:(?:{_MISTAKE})\b|no(?=,| wait\b| it\b| it's\b| \d)|(?<=[.!?\n;-] )actually\b|(?<=[.!?\n-])actually\b)"
)
_UNABLE = (
    "difficult|hard|impossible|not possible|not clear|unclear|unable|not able|cannot|can't|could not|couldn't|"
    "insufficient|not enough|ambiguous"
)
_TO_TELL = (
    "to (?:say|tell|determine|locate|know|decide|identify|choose|pick|give|answer|see|be sure)|say|tell|told|"
    "determined?|locate|known?|decided?|identify|information|frames|whether|from"
)
UNDECIDED = re.compile(
    rf"\b(?:{_UNABLE})\b(?: \w+){{0,6}}? (?:{_TO_TELL})\b"
    r"|\b(?:is|are|it's) (?:not clear|unclear|ambiguous|unknown)\b|\b(?:don't|do not) know\b"
)
CONSIDERATION = re.compile(
    r"(?:okay|ok|so|sure|first|well|certainly)?[,.!]? ?"
    r"(?:(?:let me|let's|let us|looking (?:at|through)|going through|frame by frame|timeline|step by step|"
    r"here (?:is|are) (?:the|a|my) (?:timeline|steps|cues|list|breakdown)|(?:we|i) (?:need|have) to|"
    r"to (?:find|determine|count|estimate|answer|solve))\b|[a-z ]{0,30}(?:inspection|analysis|breakdown|timeline):)"
)
_SHOW = "show|contain|include|feature|depict"
ABSENCE = re.compile(
    r"\bthere (?:is|are|was|were|isn't|aren't) (?:no|not any|no such)\b.{0,40}"
    r"\b(?:part|moment|scene|point|time|segment|evidence|frame|portion|where|in which)s?\b|\bnowhere\b"
    rf"|\b(?:does|do|did)(?: not|n't) (?:actually )?(?:(?:seem to )?(?:{_SHOW})|take place|happen|occur|appear)\b"
    r"|\bnever (?:happens|occurs|takes place|appears|shown)\b"
    r"|\b(?:is|was)(?: not|n't) (?:shown|present|visible|in the (?:video|clip))\b"
)


@lru_cache(maxsize=32)
def announcement(nouns: str, minor: str) -> re.Pattern[str]:
    """The expression of "the answer is", "answer:" or an answer's heading, with what comes before the answer.

    `nouns` and `minor` are alternatives; the minor ones count only before a mark, or after "final" or the like.
    """
    named = rf"\b(?:{nouns})\b"
    if minor:
        named = rf"(?:{named}|(?<![\w'])(?:(?:{_FINAL}) (?:{minor})\b|(?:{minor})(?=[ \t]*[:=])))"
    between = rf"(?:[ \t]+(?!(?:{_IS}|not|has|have)\b)[\w'.(-]+[\"')]?){{0,20}}?"
    return re.compile(
        rf"(?P<noun>{named})(?:(?P<heading>[ \t]*[:;]?[ \t]*\n+)|"
        rf"{between}[ \t]*(?:(?P<mark>[:=])[ \t\n]*|\b(?P<is>{_IS})\b[ \t]*:?[ \t\n]*)|[ \t]*(?P<dash>;)[ \t]*)"
    )
