"""The report as a reader uses it, in a real browser, and what it must not do with the text of a model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from commands import Command
from playwright import sync_api as playwright

from videostar.report.page import write_report
from videostar.runs.manifest import read_manifest, write_manifest
from videostar.stages.ledger import Answer, read_answers

pytestmark = pytest.mark.chromium

_HOSTILE = {
    "script": "hostile </script><script>window.hacked = 1</script>",
    "image": "hostile <img src=x onerror='window.hacked = 2'>",
    "link": "hostile javascript:window.hacked=3 [x](javascript:window.hacked=4)",
    "turned": "hostile \u202eevil\u202c \u2066text\u2069",
    "half": "hostile HIGH and LOW and a whole \U0001f600",  # surrogates, which no ledger can have, are put in below
    "template": "hostile {{ 7 * 7 }} ${7 * 7} <!-- ]]> &lt;b&gt; \u2028",
    "long": "hostile " + "a very long answer <b>" * 50_000,
}
_CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Opened(NamedTuple):
    """A page, and what it did that it should not."""

    page: Any
    problems: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=_CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def run(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in whose first round every training question also has a hostile answer."""
    folder = Path(shutil.copytree(finished[0], tmp_path_factory.mktemp("report") / "run", symlinks=True))
    ledger = folder / "rounds" / "01" / "answers.jsonl"
    lines = ledger.read_text().splitlines()
    for number, (name, text) in enumerate(_HOSTILE.items()):
        line = json.loads(lines[number])
        line |= {"answer": text, "kept": False, "accepted": False, "number": 9, "reason": f"<i>{name}</i>"}
        lines.append(json.dumps(line))
    ledger.write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def report(run: Path) -> Path:
    def with_halves(path: Path) -> Iterator[Answer]:
        for answer in read_answers(path):
            yield replace(answer, answer=answer.answer.replace("HIGH", "\ud83d").replace("LOW", "\udc00"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videostar.report.examples.read_answers", with_halves)
        return write_report([run])


def _open(browser: Any, address: str, **options: Any) -> Opened:
    page = browser.new_page(**options)
    opened = Opened(page, [], [])
    page.on("console", lambda message: opened.problems.append(message.text))
    page.on("pageerror", lambda error: opened.problems.append(str(error)))
    page.on("requestfailed", lambda request: opened.problems.append(f"failed: {request.url}"))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.log('blocked', e.violatedDirective))"
    )
    page.goto(address)
    _settle(page)
    return opened


def _until(page: Any, condition: str) -> None:
    """Wait for a condition in the page, which may not evaluate texts itself."""
    deadline = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def _settle(page: Any) -> None:
    """Wait until the examples that were asked for are shown."""
    page.wait_for_selector("#items[aria-busy=false]", state="attached")


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    """The report, opened from disk; in the end it must have done nothing wrong."""
    found = _open(browser, report.as_uri())
    yield found
    assert found.problems == []
    assert {url for url in found.requests if not url.startswith(report.parent.as_uri() + "/")} == set()
    assert found.page.evaluate("window.hacked") is None
    found.page.close()


def _counted(page: Any) -> int:
    _settle(page)
    return int(re.match(r"[\d,]+", page.inner_text("#count"))[0].replace(",", ""))


def _choose(page: Any, **choices: str) -> int:
    """The number of questions that are left by these filters alone."""
    page.click(".pager .reset")
    for name, label in choices.items():
        page.select_option(f"select[name={name}]", label=label)
    return _counted(page)


def _questions(run: Path, wanted: Any, *ledgers: str) -> int:
    paths = [
        path
        for name in ledgers or ("answers", "validation", "evaluation")
        for path in run.glob(f"rounds/*/{name}.jsonl")
    ]
    return len({answer.question_id for path in paths for answer in read_answers(path) if wanted(path, answer)})


def test_filters_leave_the_questions_with_such_an_answer(opened: Opened, run: Path) -> None:
    page = opened.page
    assert _counted(page) == _questions(run, lambda path, answer: True)
    kept = _questions(run, lambda path, answer: answer.kept, "answers")
    assert _choose(page, split="train", verdict="kept") == kept > 0
    second = _questions(run, lambda path, answer: path.parent.name == "02" and answer.kind == "rationalised", "answers")
    assert _choose(page, round="round 2", kind="rationalised") == second > 0
    some = next(read_answers(run / "rounds/01/answers.jsonl")).label
    assert _choose(page, label=some) == _questions(run, lambda path, answer: answer.label == some) > 0
    page.click(".pager .reset")
    page.fill("input[name=text]", "MOVES LEFT")
    _until(page, "location.hash.includes('MOVES')")
    assert _counted(page) == _questions(run, lambda path, answer: "moves left" in answer.answer.lower()) > 0


def test_the_most_doubtful_answers_come_first(
    finished: tuple[Path, str], tmp_path: Path, browser: Any, opened: Opened
) -> None:
    assert opened.page.is_hidden("input[name=doubt]"), "this run has no evidence"
    run = Path(shutil.copytree(finished[0], tmp_path / "run", symlinks=True))
    ledger = run / "rounds" / "01" / "answers.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    for number, line in enumerate(lines[1:]):  # the first has none
        line["evidence"] = number * 7 % 10 / 10
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = write_report([run])
    page = _open(browser, report.as_uri()).page
    page.select_option("select[name=round]", label="round 1")
    page.check("input[name=doubt]")
    _until(page, "location.hash.includes('doubt=1')")
    _until(page, "document.querySelector('.item .answers').textContent.includes('evidence 0.00')")
    shown = page.locator(".item").all_inner_texts()
    least = [min(map(float, re.findall(r"evidence (\d\.\d\d)", text)), default=2.0) for text in shown]
    assert len(least) > 5
    assert least == sorted(least)
    assert least[0] == 0
    page.close()


def test_tables_are_sorted_by_a_click_on_their_heads(opened: Opened) -> None:
    page = opened.page
    accuracies = "[...document.querySelectorAll('#run-0 table.sortable tbody tr')].map(row => row.cells[1].textContent)"
    shares = [float(text.rstrip("%")) for text in page.evaluate(accuracies)]
    assert shares == sorted(shares)  # the worst first
    page.click("table.sortable th button:text('accuracy')")
    assert [float(text.rstrip("%")) for text in page.evaluate(accuracies)] == sorted(shares, reverse=True)
    page.click("table.sortable th button:text('label')")
    assert page.get_attribute("table.sortable th:has(button:text('label'))", "aria-sort") == "ascending"
    assert page.get_attribute("table.sortable th:has(button:text('accuracy'))", "aria-sort") is None
    names = page.evaluate(accuracies.replace("cells[1]", "cells[0]"))
    assert [name.strip() for name in names] == sorted(name.strip() for name in names)


def test_a_link_leads_to_one_question_and_to_a_view(opened: Opened, browser: Any, report: Path) -> None:
    page = opened.page
    page.click(".item:nth-child(3) .permalink")
    _until(page, "document.querySelectorAll('.item').length === 1")
    alone = page.inner_text(".item")
    again = _open(browser, page.url)
    assert again.page.inner_text(".item") == alone
    again.page.close()
    page.click("table.sortable tbody tr:first-child a")  # the worst label
    _until(page, "document.querySelectorAll('.item').length > 1")
    label = page.inner_text("table.sortable tbody tr:first-child a")
    assert set(page.locator(".item h3 span:first-child").all_inner_texts()) == {label}
    view = _open(browser, page.url)
    assert view.page.inner_text("#count") == page.inner_text("#count")
    view.page.close()
    wrong = _open(browser, f"{report.as_uri()}#q=no-such-question")
    assert "no question with that link" in wrong.page.inner_text("#count")
    wrong.page.close()


def test_frames_and_video_of_an_example_are_shown(opened: Opened, run: Path) -> None:
    page = opened.page
    answer = next(read_answers(run / "rounds/01/answers.jsonl"))
    page.goto(page.url.partition("#")[0] + f"#q={answer.question_id}")
    _until(page, "document.querySelectorAll('.item').length === 1")
    assert page.locator(".frames li").all_inner_texts() == [f"{time:.2f} s" for time in answer.frame_times]
    assert page.evaluate("[...document.querySelectorAll('.frames img')].every(image => image.alt)")
    _until(page, "[...document.querySelectorAll('.frames img')].every(image => image.naturalWidth > 0)")
    page.evaluate("document.querySelector('.item video').play()")
    _until(page, "document.querySelector('.item video').currentTime > 0.2")


def test_the_label_is_marked_where_it_was_found(opened: Opened) -> None:
    page = opened.page
    assert _choose(page, verdict="kept")
    marked = page.locator(".item:first-child li:has(.good) mark").first.inner_text()
    assert marked == page.locator(".item:first-child h3 span").first.inner_text()


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_answers_are_text(opened: Opened, run: Path, name: str) -> None:
    page = opened.page
    _choose(page, reason=f"<i>{name}</i>")
    shown = page.locator(".item li:not(.other) .text").first
    text = re.sub(r"[\u202a-\u202e\u2066-\u2069]|HIGH|LOW", "", _HOSTILE[name])
    if name == "long":
        assert len(shown.inner_text()) < 5_000
        shown.locator("button").click()
        assert len(shown.inner_text()) > 1_000_000
    else:
        assert re.sub(r"U\+[0-9A-F]{4}", "", shown.inner_text()).split() == text.split()
    assert (
        page.evaluate("document.querySelectorAll('#items :is(script, iframe, i, b), .text img, .text a').length") == 0
    )
    if name in ("turned", "half"):
        assert ("U+202E" if name == "turned" else "U+D83D and U+DC00 and a whole") in shown.inner_text()


def test_reports_of_a_phone_and_of_the_dark_fit(browser: Any, report: Path) -> None:
    phone = _open(browser, report.as_uri(), viewport={"width": 390, "height": 800}, color_scheme="dark")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    unnamed = """[...document.querySelectorAll('select, input, button, video, svg, [role=region]')].filter(
        e => !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.ariaHidden)).length"""
    assert phone.page.evaluate(unnamed) == 0
    assert phone.problems == []
    phone.page.close()


def test_several_runs_stand_in_a_single_file_within_its_budget(
    browser: Any, run: Path, finished: tuple[Path, str], tmp_path: Path, videostar: Command
) -> None:
    told = videostar("report", finished[0], run, "--out", "both", "--single-file", "--megabytes", 3)
    assert told.returncode == 0, told.stderr
    page = tmp_path / told.stdout.strip()
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    pictures = re.findall(r'"data:[^"]*"', page.read_text())
    assert sum(map(len, pictures)) > 200_000
    assert page.stat().st_size < 3.2e6
    both = _open(browser, page.as_uri())
    assert both.requests[0] == page.as_uri()
    assert all(url.startswith(("data:", page.as_uri())) for url in both.requests)
    assert both.page.locator("#together table.sortable tbody tr").count() == 2
    whole = _counted(both.page)
    both.page.select_option("select[name=run]", index=2)
    assert _counted(both.page) == whole  # the same questions
    assert both.problems == []
    both.page.close()


def test_the_cycle_leaves_a_report(finished: tuple[Path, str]) -> None:
    folder, told = finished
    assert (folder / "report" / "index.html").is_file()
    assert f"report: {folder.name}/report/index.html" in told


def test_a_report_that_was_cut_off_is_written_by_the_same_command(
    finished: tuple[Path, str], quick: Path, tmp_path: Path, videostar: Command
) -> None:
    run = Path(shutil.copytree(finished[0], tmp_path / "run", symlinks=True))
    (run / "report").rename(run / ".partial-report")
    told = videostar("cycle", "--pipeline", quick, "--out", "run")
    assert told.returncode == 0, told.stderr
    assert (run / "report" / "index.html").is_file()
    assert not (run / ".partial-report").exists()


def test_watching_a_run_writes_a_page_that_loads_itself_again(finished: tuple[Path, str], tmp_path: Path) -> None:
    manifest = read_manifest(finished[0] / "manifest.json")
    late = ("02/train", "02/evaluate")
    stages = {name: stage for name, stage in manifest.stages.items() if name not in late}
    shutil.copytree(finished[0] / "rounds", tmp_path / "run" / "rounds")
    write_manifest(tmp_path / "run" / "manifest.json", manifest.model_copy(update={"stages": stages}))
    command = [sys.executable, "-m", "videostar.cli.app", "report", str(tmp_path / "run"), "--watch"]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        page = Path(watching.stdout.readline().partition(" (")[0])
        live = page.read_text()
    finally:
        watching.terminate()
        watching.communicate()
    assert '<meta http-equiv="refresh"' in live
    assert "not finished: round 2, train" in live
    write_manifest(tmp_path / "run" / "manifest.json", manifest)  # the run has ended
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0
    assert '<meta http-equiv="refresh"' not in page.read_text()


def test_wrong_uses_are_one_line(videostar: Command, run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    damaged = Path(shutil.copytree(run, tmp_path / "damaged", symlinks=True))
    (damaged / "skipped.jsonl").write_text('{"reason": ')
    for arguments, words in (
        ((run, "--out", "mine"), "mine: has other files than those of a report"),
        ((tmp_path / "none",), "no manifest.json there"),
        ((damaged,), "skipped.jsonl: is not as a run writes it"),
    ):
        told = videostar("report", *arguments)
        assert told.returncode == 2
        assert "Traceback" not in told.stderr
        (line,) = [line for line in told.stderr.splitlines() if "report: answers" not in line]  # its bar
        assert words in line
