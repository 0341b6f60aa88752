"""The files of languages, the scripts that they cover, and what `check` reports of labels in other scripts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words
from ordinary_data import rows_of, write_rows
from pydantic import BaseModel

from videostar.labels import parse_label
from videostar.labels.languages import (
    Language,
    covered_scripts,
    languages,
    languages_of,
    read_language,
    uncovered_script,
)
from videostar.labels.languages.translation import translate
from videostar.util.errors import UserError

FOLDER = Path(__file__).parents[1] / "videostar" / "labels" / "languages"
CODES = ["ar", "de", "en", "es", "fr", "ja", "ko", "pt", "zh"]


def lists(section: BaseModel) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every list of words with its key."""
    for key, value in section:
        if isinstance(value, BaseModel):
            yield from ((f"{key}.{inner}", words) for inner, words in lists(value))
        elif isinstance(value, dict):
            yield from ((f"{key}.{number}", words) for number, words in value.items())
        elif isinstance(value, tuple):
            yield key, value


def test_nine_languages_have_the_same_keys() -> None:
    assert list(languages()) == CODES
    # All keys are required and no other is known, so a file that loads has them; its order is that of the others, too.
    keys = {code: [line.partition(":")[0] for line in text(code) if line[:1].isalpha()] for code in CODES}
    assert {tuple(own) for own in keys.values()} == {tuple(key.rstrip("_") for key in Language.model_fields)}


def text(code: str) -> list[str]:
    return (FOLDER / f"{code}.yaml").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("code", CODES)
def test_no_list_has_a_word_twice(code: str) -> None:
    for key, words in lists(languages()[code]):
        assert [word for word, count in Counter(words).items() if count > 1] == [], key
        assert [word for word in words if '"' in word or "\n" in word or word != word.strip()] == [], key
        if key != "scripts":
            assert [word for word in words if word != unicodedata.normalize("NFC", word).lower()] == [], key


@pytest.mark.parametrize("code", CODES)
def test_keys_that_contradict_one_another_are_disjoint(code: str) -> None:
    language = languages()[code]
    denials = {*language.negations, *language.negated_endings, *language.not_done}
    for one, other in (
        (language.yes, language.no),
        ({*language.yes, *language.no}, language.undecided),
        (language.harmless, denials),
        (language.maybe, denials),
        (language.or_, language.and_),
        (language.but, language.and_),
        (language.range.start, language.range.end),
    ):
        assert set(one).isdisjoint(other)


@pytest.mark.parametrize("code", CODES)
def test_numbers_and_intervals_are_complete(code: str) -> None:
    language = languages()[code]
    assert {*range(21), *range(30, 101, 10), 1000} <= set(language.numbers)
    values = [word for words in language.numbers.values() for word in words]
    assert [word for word, count in Counter(values).items() if count > 1] == []
    assert [span for span in language.range.spans if span.count("..") != 2] == []


@pytest.mark.parametrize("code", ["ar", "de", "en", "es", "fr", "ja", "pt_BR"])
def test_number_words_are_those_of_num2words(code: str) -> None:
    numbers = languages()[code[:2]].numbers
    spelled = {value: num2words(value, lang=code) for value in numbers}
    assert {value: word for value, word in spelled.items() if word not in numbers[value]} == {}


SENTENCES = {
    "ar": "يرن الجرس {} مرة.",
    "de": "Die Glocke läutet hier {} Mal.",
    "es": "La campana suena {} veces.",
    "fr": "La cloche sonne {} fois.",
    "ja": "鐘が{}回鳴ります。",
    "ko": "종이 {} 번 울립니다.",
    "pt_BR": "O sino toca {} vezes.",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_numbers_of_several_words_are_one_number(code: str) -> None:
    numbers = {value: num2words(value, lang=code) for value in range(3, 100)}
    counts = {value: parse_label({"kind": "count", "value": value}) for value in numbers}
    answers = {value: SENTENCES[code].format(word) for value, word in numbers.items()}
    assert [answer for value, answer in answers.items() if not counts[value].judge(answer).accepted] == []


@pytest.mark.parametrize(
    ("answer", "english"),
    [
        ("不是A，而是B。", "not A, but B."),
        ("AではなくBです。", "not A , B."),
        ("정답은 A가 아니라 B입니다.", "not answer is A 가 , B."),
        ("La respuesta es, por lo tanto, la B.", "answer is B."),
        ("Je ne vois aucun chien.", "Je vois no chien."),
        ("No aparece ningún perro.", "aparece no perro."),
        ("Das Video zeigt einundzwanzig Personen.", "Das Video zeigt 21 people ."),
        ("من الثانية ٥ إلى الثانية ١٢.", "from 5 seconds to 12 seconds ."),
        ("20秒に始まり、35秒に終わります。", "start at 20 seconds , end at 35 seconds ."),
        ("The answer is not B.", "The answer is not B."),
        ("Ответ: Б.", "Ответ: Б."),
    ],
)
def test_function_words_are_put_into_english(answer: str, english: str) -> None:
    assert " ".join(translate(answer).split()) == english


def test_names_of_labels_stay_as_they_are() -> None:
    assert "no parar" in translate("La acción es no parar.", ("no parar",))
    assert "不倒翁" in translate("他没有玩不倒翁。", ("不倒翁",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("yes: sí", "yess: sí", "yes: is missing"),
        ("yes: sí", "yess: sí", "unknown key 'yess'; did you mean 'yes'?"),
        ("or: o, u", "ore: o, u", "unknown key 'ore'; did you mean 'or'?"),
        ("  minute: m", "  minutes: m", "unknown key 'units.minutes'; did you mean 'minute'?"),
        ("  0: cero", "  zero: cero", "numbers.zero"),
        ("scripts: Latin", "scripts: ','", "scripts"),
        ("name: Spanish", "name: [", "cannot be read as YAML"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    lines = "\n".join(text("es"))
    assert old in lines
    path = tmp_path / "xx.yaml"
    path.write_text(lines.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_language(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_words_that_yaml_takes_for_values_are_words() -> None:
    assert "no" in languages()["es"].no
    assert languages()["de"].numbers[0] == ("null",)


@pytest.mark.parametrize(
    ("label", "script"),
    [
        ("кошка прыгает", "Cyrillic"),
        ("no, it is not true that кошка прыгает", "Cyrillic"),
        ("बिल्ली कूद रही है", "Devanagari"),
        ("แมวกระโดด", "Thai"),
        ("γάτα", "Greek"),
        ("חתול", "Hebrew"),
        ("opening a door", None),
        ("abrir la puerta, señor", None),
        ("开门", None),
        ("ドアを開ける", None),
        ("문 열기", None),
        ("فتح الباب", None),
        ("ＡＢＣ ｶﾒﾗ", None),
        ("angle α, 5 µs, 20 Ω", None),  # lone letters are symbols
        ("𝐛𝐨𝐥𝐝, ﬁne, №5, 5ª", None),
        ("👋🏽 → 3½", None),
        ("", None),
    ],
)
def test_the_script_that_no_language_has(label: str, script: str | None) -> None:
    assert uncovered_script(label) == script


def test_the_scripts_of_all_languages() -> None:
    assert covered_scripts() == {"Arabic", "Han", "Hangul", "Hiragana", "Katakana", "Latin"}


@given(st.text(st.characters()))  # surrogates too
def test_any_text_has_a_script_and_languages(text: str) -> None:
    script = uncovered_script(text)
    assert script is None or script not in covered_scripts()
    assert all(language in languages().values() for language in languages_of(text))


PIECES = [
    "La respuesta es ",
    "Die Antwort ist ",
    "La réponse est ",
    "A resposta é ",
    "不",
    "ではない",
    " 않다 ",
    " لا ",
]


@given(
    st.sampled_from(PIECES), st.text(st.characters()), st.lists(st.sampled_from(["ſeis", "ıki", "五", "5 ", *PIECES]))
)
def test_any_text_is_put_into_english(start: str, text: str, rest: list[str]) -> None:
    assert isinstance(translate(start + text + "".join(rest)), str)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ("The man runs fast.", set()),
        ("x1: 5, y1: 10", set()),
        ("5 s", set()),
        ("Action: squats", set()),
        ("La respuesta es una casa.", {"Spanish"}),
        ("Nein, das ist nicht der Fall.", {"German"}),
        ("Non, il ne saute pas.", {"French"}),
        ("Não, ele não pula.", {"Portuguese"}),
        ("لا، الرجل في البيت", {"Arabic"}),
        ("答案是B。", {"Chinese"}),
        ("はい、そうです。", {"Japanese"}),
        ("네", {"Korean"}),
        ("O gol acontece no minuto 1:04.", {"Portuguese"}),
        ("El gol llega en el minuto 1:04.", {"Spanish"}),
        ("開始：1:02、終了：1:15", {"Japanese"}),
        ("答案是“はい”", {"Japanese"}),
        ("No.", set()),
        ("正解", {"Chinese"}),
        ("Да.", set()),
        ("3:05", set()),
    ],
)
def test_the_languages_of_an_answer(answer: str, names: set[str]) -> None:
    assert {language.name for language in languages_of(answer)} == names


def test_check_warns_of_labels_in_a_script_that_is_not_covered(videostar: Command, clips: Path) -> None:
    labels = [
        "кошка прыгает",
        "кошка прыгает",
        "собака бежит",
        "หมาวิ่ง",
        "开门",
        "opening a door",
        "abre la puerta",
        "走る",
    ]
    write_rows(clips / "rows.csv", "video,label", *(f"{k:04}.mp4,{label}" for k, label in enumerate(labels)))
    report = rows_of(videostar, clips / "rows.csv")
    problems = {problem["what"]: problem for problem in report["problems"] if "labels are in" in problem["what"]}
    assert {what: problem["count"] for what, problem in problems.items()} == {
        "labels are in Cyrillic": 3,
        "labels are in Thai": 1,
    }
    (example,) = problems["labels are in Cyrillic"]["examples"]
    assert example == (
        "кошка прыгает, собака бежит: found word for word, but yes and no, denials and units are read in these "
        "languages only: Arabic, Chinese, English, French, German, Japanese, Korean, Portuguese, Spanish"
    )
    assert not problems["labels are in Cyrillic"]["loses_data"]
    assert report["usable"] == 8


def test_check_has_nothing_to_warn_of(videostar: Command, clips: Path) -> None:
    labels = ["开门", "ドアを開ける", "문 열기", "فتح الباب", "señal", "öffnen", "ação", "angle α"]
    write_rows(clips / "rows.csv", "video,label", *(f"{k:04}.mp4,{label}" for k, label in enumerate(labels)))
    assert not [p for p in rows_of(videostar, clips / "rows.csv")["problems"] if "labels are in" in p["what"]]


def test_check_shortens_long_labels(videostar: Command, clips: Path) -> None:
    write_rows(clips / "rows.csv", "video,label", f"0000.mp4,{'кошка ' * 30}")
    (problem,) = [p for p in rows_of(videostar, clips / "rows.csv")["problems"] if "labels are in" in p["what"]]
    assert problem["examples"][0].startswith(f"{'кошка ' * 6}кошк...: found")
