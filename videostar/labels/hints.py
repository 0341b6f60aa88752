"""Finds answers that reveal that the model was given the label as a hint.

To rationalise, the model explains a label that it is given. Its answer is stored under the question without the label,
where words that refer to the label ("as stated", "which confirms the given score") would teach the model to rely on
something that it will not have. Such an answer is rejected. Only an opening that names the source of the label
("According to the label, he rows.") is cut, since the rest does not depend on it.

The rules apply to *tokens*: words in lower case and the marks `. , ; : ! ? ( )`, with one space around each, so that
case, emphasis, hyphens and line breaks make no difference. A quotation is one word. A scene may have the same words,
so a rule of `_RULES` also needs some context ("indicated by the scoreboard" passes), and a noun such as "the label"
reveals the hint only if nothing earlier in the answer has introduced it (`_prompted`).
"""

from __future__ import annotations

import re

# Nouns for what a hint states: kinds of label, then other nouns.
_CORE = (
    "(?:action|activity|answer|label|class|classification|category|score|rating|count|event|timestamp|interval|"
    "degree of difficulty|sub actions?)"
)
_FACT = (
    f"(?:{_CORE}s?|activities|categories|difficulty|results?|coordinates|bounding box|description|caption|title|"
    "statement|claim|information|facts?|details?|context|clues?|conclusion|response|solution|annotations?|hints?|"
    "premise|outcome)"
)
# Nouns that refer to a hint only if it was given ("the stated time"), not if it was named or described.
_LOOSE = (
    "(?:numbers?|times?|time range|time window|duration|seconds|steps?|sequence|data|text|motions?|movements?|option|"
    "choice|sport|exercise|dive|start|end|window|moment|name|term|task|skill|technique|total|mark|grade|behaviou?r|box)"
)
_STRONGLY = (
    "(?:given|provided|stated|supplied|specified|mentioned|aforementioned|claimed|annotated|indicated|listed|expected|"
    "designated|reference|assigned)"
)
# Sources of a hint.
_SOURCE = (
    "(?:ground truth|annotations?|metadata|data ?set|(?:system |text )?prompt|hints?|question|query|user|instructions?|"
    "request|labels?|captions?|title|description|input|tags?|answer key|(?:reference|correct|given) answer|problem|"
    "task|text|information|claim)"
)
_THE = "(?:the|this|that|these|those|your|its|any|such|all)"
_ADVERB = (
    # Without "only", which `\w+ly` has: n words that match in two ways would take 2^n steps.
    r"(?:already|also|just|now|first|then|thus|therefore|hence|in fact|here|itself|above|previously|so|\w+ly)"
)
# Not if someone or something in the scene follows: "indicated by the scoreboard", "the stated time on the board".
_NOBODY = (
    rf"(?! (?:by|on|in|at|from|through|with|to(?! be)|for|over|under|near|away|out|up) "
    rf"(?!{_THE} (?:\w+ )?(?:{_SOURCE}|video|clip|footage) ))"
)
_GIVEN = (
    "(?:given|provided|stated|supplied|specified|indicated|mentioned|aforementioned|described|claimed|alleged|supposed|"
    "labell?ed|annotated|listed|assigned|designated|expected|intended|target|reference|known|identified|suggested|"
    "proposed|asserted|noted|quoted|predefined|predetermined|gold|hinted|reported|awarded|named|said)"
)
_SAID = (
    "(?:stated|given|mentioned|provided|supplied|specified|indicated|noted|described|labell?ed|annotated|suggested|"
    "claimed|listed|identified|asserted|told|said|hinted|outlined|pointed out|referenced|established|reported|informed|"
    "instructed|requested|asked|defined|discussed|explained|known|assigned|designated|disclosed|revealed|quoted|named|"
    "written|flagged|confirmed)"
)
_SAYS = (
    "(?:(?:say|state|indicate|suggest|implie|tell|mention|describe|specifie|note|give|provide|name|claim|identifie|"
    "assert|reveal|inform|report|place|list|ask|want|request|call|define|confirm|establishe)(?:s|d|ed|ing)?|gave|said|"
    "told|puts|has|(?:shows|reads) that|makes (?:it )?(?:clear|plain)|point(?:s|ed) out)"
)
# Phrases about the question that an answer without a hint may have.
_ASKS = (
    r"(?:ask|want|request|require)\w* (?:(?:us|me) )?(?:to (?:know|count|find|determine|identify|choose|rate|score) "
    r")?(?:how(?! (?:one|we|i|you) )|what|which|whether|when|where|if|who|about|(?:for )?(?:the|an?) (?!expla|reason|"
    r"justif))|(?:gives?|has|lists?|provides?) (?:\w+ )?(?:options|choices|alternatives)"
)
_BECAUSE = (
    "(?:given|knowing|considering|assuming|seeing|since|because|as|provided|granted|supposing|if|now|presuming|"
    "accepting|recogni[sz]ing|acknowledging|understanding|remembering|noting|aware|fact|knowledge|information|mind|"
    "although|though|while|premise|assumption|account|presupposing|told|informed|learne?[dt])(?: that)?"
)
# Not if it describes an action in the scene: "since the action is performed slowly".
_STATE = (
    r"(?! (?:being |not |still |now |only )?(?:performed|repeated|carried|done|completed|shown|seen|over|finished|"
    r"taking|slow\w*|fast\w*|quick\w*|so|too|clear\w*|happening|on|written|\w+(?:ed|ly|ous|ive|ible|able|ief|al)) )"
)
_CONFIRMS = (
    r"(?:(?:confirm|match|align|agree|fit|suit|support|correspond|corroborat|validat|verif|justif|substantiat|warrant|"
    r"conform|reinforc|accord|underpin|underlin|expla)\w*|proves?|proof|reflects?|consistent|compatible|in line|"
    r"lines? up|in agreement|in keeping|in accordance|evidence|true|backs? up|tall(?:y|ies)|bears? out|speaks? for|"
    r"attests?|squares?|accounts?|lends? support|reasons?|reasoning|grounds|basis|argument|case|deserves?|merits?|"
    r"typical|characteristic)(?: (?:with|to|for|of|behind|why|how|as to why))?"
)

_RULES = [
    # Words that have no other meaning.
    r"ground ?truth|metadata|mislabell?ed|rationale|rationali[sz]\w*|annotators?|(?:the|this) data ?set|user (?:input|"
    r"provided|supplied)|(?:correct|true|actual|video|clip's|action|activity|gold) label|correctness|reword\w*|"
    rf"rephras\w*|paraphras\w*|(?:correct|true|actual) (?!answer|event){_CORE}(?! (?:of|is|would))|the reference(?! "
    r"(?:line|point))|answer key|(?:choice|correctness|truth) of the label|given an? hint(?! (?:by|from|with))|as an? "
    r"hint|hinted at|user's|[.!?] (?:hint|prompt) :|without (?:the |any |being given )?(?:hint|label|annotation)",
    # The given action; the action that was given.
    rf"{_THE} (?:\w+ )?{_GIVEN} (?:\w+ )?{_FACT}{_NOBODY}|(?:said|aforementioned) {_CORE}|(?:above|aforementioned) "
    rf"{_FACT}|{_THE} (?:\w+ )?{_STRONGLY} (?:\w+ )?{_LOOSE}{_NOBODY}",
    rf"{_FACT} (?:\w[\w.]* ){{0,3}}?(?!(?:known|described|identified|defined|explained) as){_SAID}{_NOBODY}|"
    rf"{_LOOSE} (?:that |which )?(?:(?:is|was|has been) )?{_STRONGLY}{_NOBODY}|{_CORE} in question|in advance|"
    r"(?:prior|background|advance|additional|extra) (?:knowledge|information)|information (?:given|provided)",
    # As stated; it is stated that; named as the answer; what was mentioned.
    rf"(?:as|like|what|than) (?:(?:it|i|we|is|was|were|am|are|have|has|had|been) )*(?:{_ADVERB} )?{_SAID}{_NOBODY}",
    rf"[.,!?] (?:just |exactly )?as (?:was |would be )?expected (?:from|for|of) {_THE} {_CORE}|"
    rf"(?:one|we|you) would expect|{_SAID} (?:above|earlier|before|previously|beforehand)|previously {_SAID}",
    rf"it (?:is|was|has been) (?:{_ADVERB} )*(?!known (?:as|for|that (?!{_THE} {_CORE}))){_SAID} (?:\w+ )?(?:that|as|"
    rf"to be|here)|it is true that {_THE} (?:\w+ )?{_CORE}|says? so|said so|told so|give it away|gives (?:it|that) "
    r"away|said to (?:be|have)",
    rf"(?:it|this|video|clip|footage|scene|dive) (?:is|was|has been|being|gets|got|,) (?:{_ADVERB} )*"
    r"(?:labell?ed|annotated|tagged|captioned|titled|(?:given|stated|listed|specified) as)|"
    rf"(?:{_SAID}|marked|highlighted) (?:as|to be) (?:the |an? |being )?(?:correct|right|true|{_CORE})",
    # The label says; stated in the question; according to the prompt.
    r"(?:the|your|this|that|an?) (?:\w+ )?(?:prompt|hint|question|query|user|annotation|claim|instructions?|caption|"
    rf"title|description|input|request|task|problem|sentence|statement|correct answer) "
    rf"(?:of (?:the|this) (?:video|clip) )?(?:(?:is|was|has|{_ADVERB}) )*(?!{_ASKS}){_SAYS}"
    rf"(?! (?:by|on|in|at|inside|with) (?!{_THE} (?:\w+ )?{_SOURCE} ))|[.,!?] the text {_SAYS}|"
    rf"the label (?:{_ADVERB} )*{_SAYS} that|(?:label|caption|title) (?:\w+ ){{0,4}}?(?:reads|says|shows) that",
    rf"{_SAID} (?:in|by|on|with|from|under) (?:part of )?(?:the|your|this|that) (?:\w+ )?{_SOURCE}"
    r"(?! (?:on|of|at|behind|inside|under|above|below|beside|next))",
    r"(?:in|from|by|per) (?:the|your|this|that) (?:\w+ )?(?:prompt|hint|question|query|instruction|annotation|input|"
    r"request)(?! (?:on|of|at|mark))",
    r"(?:according to|based (?:up)?on|as per|per|going by|judging (?:by|from)|in (?:line|accordance|agreement|keeping) "
    r"with|in (?:light|view) of|guided by|informed by|drawing on|relying on|trusting|taking|given|considering|despite|"
    rf"regardless of) (?:the|your|this|that|any) (?:\w+ )?{_SOURCE}"
    r"(?! (?:on|of|at|in|from|that can|that is|shown|visible|available|above|below|beside|mark|display\w*))",
    # The user: "you are right", "your label". (A label may contain "your camera".)
    rf"you (?:(?:are|were|have|had|did|do|{_ADVERB}) )*(?:right|correct|told|tell me|gave|give|know|knew|want|say|"
    r"state|mention|wrote|write|chose|thought|put it|meant|ask|require|request|describe|specify|provide|suppl\w+|"
    r"claim|said|(?:stat|mention|provid|indicat|not|describ|specifi|ask|want|point|suggest|claim|identifi|label|labell|"
    r"inform|request|referr|assert|hint|list|nam|call|shar|assign|explain|express|remark|observ|notic|recogni[sz]|add|"
    r"includ|select|pick|mark|cit|quot|present|offer|upload|attach|enter|type|expect|suspect|assum|believ|guess|"
    r"annotat|tagg|confirm|correct)ed)|(?:thank you|thanks) for|as you (?:see it|note|point out|indicate|suggest)",
    rf"your (?:\w+ )?(?:{_SOURCE}|{_FACT}|{_LOOSE}|observation|assessment|assertion|suggestion|message|remark|guess|"
    r"assumption|words?|explanation|interpretation|analysis|note|post|comment|point)s?",
    # The model: "I was given", "we know", "I agree", "my task is to explain".
    r"(?:i|we) (?:(?:have|had|has|am|was|were|are|been|being|can|could|do|must|should|will|would|"
    rf"{_ADVERB}) )*(?:told|informed|asked|instructed|tasked|prompted|advised|notified|supposed to|required|received?|"
    r"handed|access(?: to)?|agree|concur|accept|trust|rely|relied|explain|justify|"
    rf"understand(?= that {_THE} {_CORE})|(?:confirm|verify)(?= (?:that )?(?:yes|{_THE} (?:\w+ )?{_FACT}) )|validate|"
    rf"see (?:why|how the label)|start from|"
    r"given that|made aware|(?:\w+ )?(?:to|like to) (?:explain|justify))",
    rf"(?:i|we) (?:\w+ ){{0,3}}?(?:given|shown|provided|supplied|handed) (?:with )?{_THE} (?:\w+ )?(?:{_FACT}|{_LOOSE}|"
    rf"{_SOURCE})|(?:which|that|what) (?:i|we) (?:was|were|am|are|have been|had been) (?:given|told|handed|shown)|(?:i|"
    r"we) (?:already )?(?:have|had|got) the (?:\w+ )?(?:answer|label|solution|information)",
    r"(?:given|told|shown|handed|sent|explained|described|supplied|provided|identified|named) (?:to|for) (?:me|us)|"
    r"(?:asked|told|informed|instructed|prompted|gave|given|provided|wants?|requires?) (?:me|us)|(?:since|because|as|"
    rf"which|now that|given that|{_ADVERB}) (?:i|we) (?:{_ADVERB} )*(?:know|knew)|(?:i|we) (?:\w+ )?(?:already|"
    rf"beforehand) (?:know|knew|known)|(?:i|we) (?:know|knew) from (?:the (?:outset|start|beginning)|{_THE} (?:\w+ "
    rf")?{_SOURCE})|(?:i|we) (?:know|knew) (?:that )?{_THE} (?:\w+ )?{_CORE} (?:is|was|,)(?![^.]{{1,120}} (?:because|"
    r"since|from|by|due) )|(?:let me|let us|let's|i will|i shall|allow me to) (?:now )?(?:explain|justify|verify|"
    r"confirm|show|walk)|my (?:\w+ )?(?:task|job|goal|aim|purpose|explanation|instructions?|prompt)|"
    r"(?:task|goal|aim|job|user|purpose) (?:\w+ ){0,3}?to (?:explain|justify|show|describe why|say why|support|verify)",
    # Agreement: "Sure,", "that is correct", "the label is accurate".
    r"[.!?] (?:sure|certainly|absolutely|of course|definitely|agreed|ok|okay|alright|understood|got it|precisely|"
    r"exactly|correct|indeed|affirmative|great(?: \w+)?|good \w+|quite right|well said|true(?= ,)|"
    r"right(?= [,!.] (?:the|this|that|it|so|here|he|she|they|a|an) )) [,.!;]",
    r"[.!?,;] indeed|(?:is|are|was|were|does|do) indeed|[.!?,] (?:so |and |but )?yes (?:[,.!] )?(?:indeed|correct|"
    r"exactly|absolutely|certainly|"
    rf"right|(?:the|this) (?!answer){_CORE} (?:\w+ )?(?:is|was)|(?:that|this|it) is (?:correct|right|so))|"
    r"[.!?] that is true|already (?:been )?(?:revealed|stated|known|mentioned|provided|told|disclosed|specified|"
    r"established)|(?:that|this|which) is (?:\w+ly )?(?:correct(?! to)|accurate|right(?= [,.!:;]))",
    rf"(?:the|this|that) (?!(?:his|her|their) )(?:\w+ )?(?:{_CORE}|claim|tag|description|caption|annotation|"
    rf"assertion) (?:is|was|seems|appears|"
    rf"looks|must be) (?:{_ADVERB} )*(?:correct|accurate|valid|justified|appropriate|apt|fair|confirmed|verified|"
    r"supported|consistent|reasonable|warranted|fitting|plausible|understandable|well \w+ed)|correct answer ,|"
    r"(?:the|this|that) (?:label|annotation|claim|description|statement|assertion|classification|tag|premise) "
    r"(?!(?:on|of|at|in) )(?:\w+ ){1,5}(?:is|was|seems) (?:correct|right|accurate|valid|justified|appropriate|fitting|"
    r"true)|\w+ of yours|video does (?:indeed )?(?:show|depict|contain)|(?:this|that) information(?! (?:is|on|in|at|"
    r"desk|board))",
    # It confirms the answer or the action (but not: fits the action of rowing); hence the label.
    rf"{_CONFIRMS} (?:that )?{_THE} (?:\w+ )?(?:answer|label|claim|description|caption|annotation|statement|title|tag|"
    r"classification|designation|assertion|hint|prompt|question|premise)"
    r"(?! (?:on|of|to|at|is|in|behind|from|[a-f]|yes|no))",
    rf"{_CONFIRMS} {_THE} (?:\w+ )?{_CORE}(?! (?:of (?!\d)|by|to|with|is|in|shown|seen|being|:|[a-f]|yes|no))|"
    r"(?:hence|thus|therefore|so|accordingly) (?:, )?(?:the|this) (?:\w+ )?label(?! (?:on|is (?:visible|seen)))",
    # Since the action is rowing; knowing the answer; with the answer being B.
    rf"{_BECAUSE} {_THE} (?:\w+ )?(?!score|number|count|class){_CORE} (?:here |shown |in the video )?"
    rf"(?:is|are|was|were|being|must be|has to be){_STATE}",
    rf"{_BECAUSE} {_THE} (?:\w+ )?(?:score|number|count|time|difficulty) (?:is|was|are)(?: given as)? \d[\d.]*"
    r"(?! (?:: |to )?\d| all)",
    rf"knowing (?:that )?(?:(?:this|it) is|(?:the|this) (?:\w+ )?{_CORE})|knowledge (?:of|about) {_THE} (?:\w+ "
    rf")?{_CORE}|with {_THE} (?:\w+ )?{_CORE} (?:being(?! \w+ed )|known|given|in (?:mind|hand))|being the (?:correct "
    rf")?(?:answer|label|action)|(?:since|because|as|given that) (?:it|this) (?:is|was|has been) {_SAID}{_NOBODY}",
    # Mentions of the explanation, and words of the templates of hints.
    r"how (?:one|we|you|i|it) can (?:see|tell|know|be seen|be told|recogni[sz]e|infer|determine|verify)|how can (?:one|"
    r"we|you|i)|here (?:is|are) (?:why|how|the explanation|an explanation|the reason\w*)|justifications?|be "
    r"(?:justified|explained) as|explanation (?:for|of|why|that|is)|in (?:my|your) own words|end with (?:it|them) \.|"
    r"what in the (?:video|dive) shows|a right answer is|[.!?] (?:to (?:explain|justify)|why|asked)|asked to (?:be|"
    r"explain|justify)",
    rf"reason (?:why |that )?(?:(?:the|this) (?:\w+ )?{_CORE}|it|this) (?:is|was)|why this (?:is|was)|"
    rf"why (?:the|this|that|these) (?:\w+ )?(?:{_FACT}|video|clip) (?:is|was|are|gets|got|has|should|would|can|must)|"
    r"why it (?:is|was|can be|should be|has been) (?:labell?ed|called|considered|classified|described|scored|rated|"
    r"given|identified|recogni[sz]ed)|(?:this|that) is (?:why|how) (?:one|we|you|i)|(?:see|understand) why the",
]
# Nouns for things that a scene may have too. "A label", "the label on the can", "reads the label" and "the label faces
# us" are in the scene, and so is "the label" after any of these. Without one before it, it is the label of the prompt.
_NOUN = "label|caption|title|description|annotation|hint|claim|premise|instruction"
_MENTION = re.compile(
    rf"(?P<part> an? (?:\w+ ){{1,2}}with)?(?: (?P<verb>\w+))??(?: (?:at|up|out|to|off|down|over|through))?? (?:{_THE}|"
    rf"both) (?:\w+ )??(?P<noun>{_NOUN})s?(?: (?:given|shown|written|\w+ed)(?= (?:by|to|on|at|in) ))?(?= (?P<next>\S+ "
    rf"(?:\w+ ){{0,4}}))| (?P<other>{_NOUN})s?(?= )"
)
_PLACE = (
    "(?:on|of|at|by|to(?= (?:the|an?|his|her|its|their) )|below|under|above|behind|beside|inside|in|from|with|next|"
    "around|near|across|between)"
)
_PROMPTED = (
    r"(?:(?:the|this|your) (?:video|clip|footage|action|question|prompt|task|user)|mind|hand|line|agreement|"
    r"accordance|keeping|me|us|quotation|\w+ing|\d)"
)
_IN_PLACE = re.compile(
    rf"(?!of \w*[^s\W] $)(?:(?:is|are|was|were) (?:\w+ed |shown |seen |written )?)?{_PLACE} (?!{_PROMPTED} )|"
    r"(?:for this \w+ )?(?:would|could|might) be"
)
_LOGIC = re.compile(
    rf"{_CONFIRMS}|{_BECAUSE}|is|was|has|does|as|thus|this|makes|holds|uses|using|needs|requires|knows|stands|"
    rf"following|taking"
)
_STATES = re.compile(_SAYS)
_REVEALING = re.compile(f" (?:{'|'.join(_RULES)})(?= )")

# An opening that names the source of the label, in the answer before tokenization.
_SOURCE_IN_FULL = f"(?:the|your|this) (?:(?:{_GIVEN}|action|video|class) )*{_SOURCE}"
_LEAD_IN = re.compile(
    (
        rf"\s*(?:(?:(?:based on|according to|as per|given|going by|judging by|(?:just )?as (?:is |was |it is )?{_SAID} "
        rf"(?:in|by|with)) {_SOURCE_IN_FULL})|as {_SOURCE_IN_FULL} (?:already |clearly )?{_SAYS}),\s+(?=\w)"
    ).replace(" ", r"\s"),
    re.IGNORECASE,
)
_CONTRACTIONS = [
    (re.compile(r"(?<=\w)'re\b"), " are"),
    (re.compile(r"(?<=\w)'ve\b"), " have"),
    (re.compile(r"(?<=\w)'ll\b"), " will"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\b(it|that|this|here|what|there)'s\b"), r"\1 is"),
]
_TOKEN = re.compile(r"\d+(?:\.\d+)*|[^\W_]+(?:'[^\W_]+)?|[.,;:!?()]")
# The question is stored with its options.
_CHOICES = re.compile(rf" (?:options|choices|alternatives) (?:{_SAID} )?(?:in|by|from) the (?:question|prompt)(?= )")
# Speech or writing in the scene, but not a whole answer in quotes.
_QUOTED = re.compile(r"""(?<=\w[ ,:]|[,:] )(?:"[^"\n]{0,200}?([.!?]?)"|(?<!\w)'[^'\n]{0,200}?[.!?]?'(?!\w))""")
_BREAK = re.compile(r"\n[ \t]*(?=[\n\-*#\d])")
_MAX_CHARACTERS = 100_000


def strip_hint(answer: str) -> str | None:
    """`answer` without an opening that names the source of the label; None if the rest reveals the hint or is too long.

    >>> strip_hint("According to the label, he rows."), strip_hint("He rows, which confirms the given label.")
    ('He rows.', None)
    """
    if len(answer) > _MAX_CHARACTERS:
        return None
    if not _reveals_hint(answer):
        return answer
    opening = _LEAD_IN.match(answer)
    rest = answer[opening.end() :] if opening else ""
    return rest[:1].upper() + rest[1:] if rest and not _reveals_hint(rest) else None


def _reveals_hint(answer: str) -> bool:
    text = _tokens(answer)
    return bool(_REVEALING.search(text)) or _prompted(text)


def _prompted(text: str) -> bool:
    """Whether the first mention of a noun of `_NOUN` has the article of something known, but is not in the scene."""
    seen: set[str] = set()
    for mention in _MENTION.finditer(text):
        noun = mention["noun"] or mention["other"]
        if noun in seen or mention["other"] or _in_scene(mention):
            seen.add(noun)
        else:
            return True
    return False


def _in_scene(mention: re.Match[str]) -> bool:
    """Whether the words around a noun place it in the scene."""
    if mention["part"] or _IN_PLACE.match(mention["next"]):
        return True
    verb, after = mention["verb"] or "", mention["next"].split()[0]
    acted_on = verb.endswith(("s", "ing")) and not _LOGIC.fullmatch(verb)
    acts = after.endswith("s") and not _LOGIC.fullmatch(after) and not _STATES.fullmatch(after)
    return acted_on or acts


def _tokens(answer: str) -> str:
    text = answer.lower().translate(str.maketrans("’‘“”", "''\"\""))
    text = _QUOTED.sub(r" quotation \1 ", _BREAK.sub(" . ", text))
    for contracted, full in _CONTRACTIONS:
        text = contracted.sub(full, text)
    return _CHOICES.sub(" options", f" . {' '.join(_TOKEN.findall(text))} . ")
