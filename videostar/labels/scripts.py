"""Makes readable what answers in other scripts say of values: digits, letters of options, counts and times.

The rules for English then judge it. The rules here may lose a right answer, so that they seldom keep a wrong one: they
drop clauses in Chinese, Japanese, Korean or Thai that deny, plan or ask, and what a correction takes back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# Letters of scripts without spaces between words: Thai to Burmese, Khmer, kana and Han.
UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Marks that belong to such a letter: vowels and tones in Thai, the voicing of kana.
UNSPACED_MARKS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3099\u309a"

_LETTER = re.compile(f"[{UNSPACED}\uac00-\ud7a3]")
_PLACES = 0xF0000  # characters of private use stand for names from here on
_MARKS = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width forms
        **dict.fromkeys("「」『』", '"'),
        **dict.fromkeys("《》〈〉・\u3000", " "),
        **dict.fromkeys("、，", ", "),
        "。": ". ",
        "【": " (",
        "】": ") ",
        "〜": "~",
    }
)

_SENTENCE = re.compile(r"((?:[^.!?\n]|(?<=\d)\.(?=\d))+)([.!?\n\s]*)|[.!?\n]+")
_CLAUSE = re.compile(r"((?:;|(?<!\d),|,(?!\d))\s*)")
_CORRECTION = re.compile(
    "等等|等一下|更正|其实|其實|实际上|實際上|事实上|事實上|実は|実際|사실|"
    r"(?:^|(?<=[,.;!?\s]))(?:不|不对|不對|いいえ|いや|違う|아니요?)(?=\s*[,.!])"
)
_CONTRASTS = (
    (re.compile("(?=而是|而不是|而非|但|可是|然而|不[过過])"), ","),
    (re.compile("(?:では|じゃ|で)なく|아니라|아니고"), r"\g<0>,"),
)
_ASKS = re.compile(r"[吗嗎か]\s*$")
# "But", "not only", "no doubt", "drone", "I think": these deny nothing.
_HARMLESS = re.compile(
    "不[过過仅僅但断斷同久错錯只管禁停]|[没沒][错錯]|[无無](?:疑[问問]?|[论論]|人[机機])|非常|間違いなく|틀림없|我想"
)
_DENIES = re.compile(
    "[不没沒无無非未否错錯誤误]|排除|違|間違|な[いくし]|ません|아니|아닙|아닌|않|없|못|틀|오답|ไม่|"
    # wished, planned, pretended, ended or supposed; or told out of order
    "想(?![法象像])|打算|[准準][备備]|[将將即]要|即[将將]|快要|[试試][图圖]|[尝嘗][试試]|たい|つもり|よう[とに]|싶|려고|"
    "假[装裝]|ふり|척|差[点點]|拒[绝絕]|停止|避免|忘[记記]|失[败敗]|如果|假如|要是|もし|만약|之前|以前|前に|전에"
)
_NOBODY = re.compile(
    "(?:[没沒]有?(?:任何)?|[无無])人(?![机機物])|誰も[^,]{0,6}い(?:ない|ません)|"
    "人[はが]?い(?:ない|ません)|(?:아무도|사람[이은]) ?없"
)
_KNOWS = re.compile("知|清楚|わか|分か|알")

_DIGITS = {c: k for k, same in enumerate("零〇 一 二两兩 三 四 五 六 七 八 九".split()) for c in same}
_POWERS = {"十": 10, "百": 100, "千": 1000}
_KOREAN = {word: k for k, word in enumerate("한 두 세 네 다섯 여섯 일곱 여덟 아홉 열".split(), start=1)}
_HAN_DIGIT = f"[{''.join(_DIGITS)}{''.join(_POWERS)}]"
_HAN = f"{_HAN_DIGIT}{{1,12}}"
_NUMBER = rf"(?:\d{{1,9}}(?:\.\d{{1,9}})?|{_HAN}|{'|'.join(_KOREAN)}|첫)"
_COUNTERS = "[个個名位人次回遍只隻匹头頭台臺辆輛条條张張件把枚本羽块塊つ]|명|개|번|마리|사람|회"
_UNITS = "秒|毫秒|分|小时|小時|時間|초|분|시간"
_SPELLED = re.compile(
    rf"(?<!{_HAN_DIGIT})(?P<han>{_HAN})(?:点(?P<tenths>{_HAN}))?(?=\s*(?:{_COUNTERS}|{_UNITS}))|"
    rf"(?:(?<=[是为為は:])|(?<=: )|(?<![^\n]))(?P<alone>{_HAN})(?=\s*(?:[,.!\n]|です|$))|"
    rf"(?<![가-힣])(?P<korean>{'|'.join(_KOREAN)})(?=\s*(?:명|개|번|마리|사람|회))"
)
_NO_NUMBER = frozenset("同每这這那哪另某第上下唯统統万萬单單首")  # "the same", "each": 一 after these is no number
# The third is not three, and more than three is not three.
_ORDINALS = (
    (re.compile(rf"第\s*(?={_NUMBER}\s*(?:{_UNITS}))"), " "),
    (re.compile(rf"第\s*{_NUMBER}|{_NUMBER} ?(?:{_COUNTERS})?目|{_NUMBER}\s*번째"), "第"),
)
_BOUNDS = (
    (re.compile(r"(?:超[过過]|[多少高低大小][于於])\s*(?=\d)"), " above "),
    (
        re.compile(rf"(?<![\d.])(?=[\d.]+ ?(?:{_COUNTERS}|{_UNITS})? ?(?:[多几幾余餘]|以上|以下|이상|이하))"),
        " above ",
    ),
)
_AFTER_NUMBER = {
    "(?:秒|초) ?(?:[間间後后]|之[后後]|동안|후|뒤)": "seconds later",
    "毫秒": "ms",
    "秒[钟鐘]?|초": "seconds",
    "小时|小時|時間|시간": "hours",
    r"分[钟鐘]|분|分(?=\s*(?:\d|[到至]|から))": "minutes",
    "[分점]": "points",
    "(?:[个個名位] ?)?人|명|사람": "people",
    "[次回遍번회]": "times",
    "[岁歳年]|살|년": "years",
    "[月日天]|월|일": "days",
    "点[钟鐘]": "o'clock",
    "[米度号號楼樓层層階층]": "meters",  # what matters is that it is no count
    _COUNTERS: r"\g<0>",
}
_BEFORE_NUMBER = {
    "[从從自]": "from",
    "(?<![看得达達遇拍数數做见見听聽找感直])[到至]": "to",
    "[视視][频頻]|影片|動画|[图圖]|步[骤驟]|[帧幀]|[问問][题題]|영상|문제": "video",  # the number of one
    "(?:[开開]始|시작)[^,.\n\\d]{0,6}": "start",
    "(?:[结結]束|終了|종료|끝)[^,.\n\\d]{0,6}": "end",
    "(?:持续|持續|[时時][长長]|長さ)[^,.\n\\d]{0,6}": "lasts",
}
_NUMBERS = (
    *((re.compile(rf"(?<=\d)\s*(?:{pattern})"), f" {word} ") for pattern, word in _AFTER_NUMBER.items()),
    (re.compile(r"(?:(?<=\d)|(?<=seconds)|(?<=seconds ))(?:から|부터|에서)\s*(?=\d)"), " to "),
    (re.compile(r"(?<=seconds )[-–—]\s*(?=\d)"), "to "),
    (re.compile(r"[和与與와과と](?=\s*\d[^,.\n]{0,20}(?:之[间間]|の間|사이))"), " to "),
    *((re.compile(rf"(?:{pattern})\s*(?=\d)"), f" {word} ") for pattern, word in _BEFORE_NUMBER.items()),
    (re.compile("得分|[评評]分|分[数數]|スコア|点数|점수"), " score "),
    (re.compile(rf"(?<={_LETTER.pattern})(?=\d)|(?<=\d)(?={_LETTER.pattern})"), " "),
)

_OPTION = re.compile(
    r"(?:(?<=[是为為は選选擇择肢项項即或和与與とか:\s(\"])|(?<=คือ)|(?<![^\n]))(?<![a-zA-Z] )([A-Za-z])"
    r"(?=[是为為選选正对對最项項因番번でだがはをかと입이가는은를와과예或和与與而]|\s*(?:[,.!;:)\"]|$))"
)
_WORDS = (
    (re.compile("或者|或是|或|还是|還是|それとも|または|もしくは|あるいは|또는|혹은|หรือ"), " or "),
    (re.compile(r"(?<=[A-Za-z\d])か(?=[A-Za-z\d])"), " or "),
    (re.compile("可能|也许|也許|かもしれ|아마"), " maybe "),
    (re.compile(r"(?:答案|答え|正解|정답|(?<![가-힣])답)\s*(?:应该|應該|就)?(?:[是为為は은는]\s*:?|:)"), " answer: "),
)


def read_scripts(text: str, names: Sequence[str] = ()) -> str:
    """What `text` asserts, with digits in ASCII, and cues and letters of options in English. `names` stay as they are.

    >>> read_scripts("不是A，答案是B。").split()
    [',', 'answer:', 'option', 'B', '.']
    """
    if text.isascii():
        return text
    own = _in_other_scripts(tuple(names))
    for k, name in enumerate(own):
        text = text.replace(name, chr(_PLACES + k))
    text = re.sub(r"[^\x00-\x7f]", lambda m: str(unicodedata.decimal(m[0], m[0])), text.translate(_MARKS))
    if _LETTER.search(text):
        text = _OPTION.sub(r" option \1 ", _asserted(text))
        for pattern, replacement in _WORDS:
            text = pattern.sub(replacement, text)
    for k, name in enumerate(own):
        text = text.replace(chr(_PLACES + k), name)
    return text


def read_numbers(text: str) -> str:
    """`read_scripts` of a text, with its counts and times in English.

    >>> read_numbers("视频中有三个人。").split()
    ['视频中有', '3', 'people', '.']
    """
    text = read_scripts(text)
    if not _LETTER.search(text):
        return text
    for pattern, replacement in _ORDINALS:
        text = pattern.sub(replacement, text)
    text = _SPELLED.sub(_in_digits, text)
    for pattern, replacement in (*_BOUNDS, *_NUMBERS):
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=256)
def _in_other_scripts(names: tuple[str, ...]) -> list[str]:
    """The names with letters of these scripts, the longest first."""
    return sorted(filter(_LETTER.search, names), key=len, reverse=True)


def _asserted(text: str) -> str:
    """`text` without its questions, denials and plans, from its last correction on."""
    for pattern, comma in _CONTRASTS:
        text = pattern.sub(comma, text)
    corrected = 0
    for match in _CORRECTION.finditer(text):
        corrected = match.end()
    kept = []
    for sentence, end in _SENTENCE.findall(text[corrected:]):
        if not _LETTER.search(sentence):
            kept.append(sentence + end)
        elif "?" not in end and not _ASKS.search(sentence):
            kept += [*map(_asserted_clause, _CLAUSE.split(sentence)), end]
    return "".join(kept)


def _asserted_clause(clause: str) -> str:
    rest, absences = _NOBODY.subn("", clause)
    if _DENIES.search(_HARMLESS.sub("", rest)) or (absences and _KNOWS.search(rest)):
        return ""
    return " there is nobody " if absences else clause


def _in_digits(match: re.Match[str]) -> str:
    if match["korean"]:
        return str(_KOREAN[match["korean"]])
    numeral = match["han"] or match["alone"]
    value = _value(numeral)
    before = match.string[match.start() - 1 : match.start()]
    if value is None or (numeral == "一" and before in _NO_NUMBER):
        return match[0]
    tenths = "".join(str(_DIGITS.get(c, "")) for c in match["tenths"] or "")
    return f"{value}.{tenths}" if tenths else str(value)


def _value(numeral: str) -> int | None:
    """The value of a Chinese numeral below 10,000; None for "三四", which is three or four."""
    total, digit = 0, None
    for c in numeral:
        if c in _POWERS:
            total += (1 if digit is None else digit) * _POWERS[c]
            digit = None
        elif digit:
            return None
        else:
            digit = _DIGITS[c]
    return total + (digit or 0)
