"""Tables of dataset versions, their differences, and answers. Text from runs has no power over the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from videostar.runs.diff import CHANGES, Diff, Response
from videostar.runs.explain import Explanation, LedgerAnswers, Outcome
from videostar.runs.history import Recorded
from videostar.stages.ledger import Answer
from videostar.util.terminal import printable

_ROWS = 20  # of a table, at most
_WIDE = 160  # columns, so that names of damaged files are not truncated


def print_versions(found: list[Recorded]) -> None:
    """One row per dataset version; the accuracy is that of the model that was trained on it."""
    if not found:
        Console().print("no dataset version yet")
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)  # fits 80 columns while nothing is damaged
    numbers = ["rows", "direct", "rational-\nised", "re-\njected", "skip-\nped", "labels", "accuracy\nafter"]
    if any(version.template for version in found):
        numbers.insert(3, "template")
    for column in ("round", "version", *numbers, "files"):
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for version in found:
        cells: list[object] = [version.rows, version.direct, version.rationalised]
        cells += [version.template] * ("template" in numbers) + [version.rejected, version.skipped, version.labels]
        cells.append("-" if version.accuracy is None else f"{version.accuracy:.1%}")
        files = f"damaged: {', '.join(version.damaged)}" if version.damaged else "ok"
        table.add_row(str(version.round), _plain(version.version), *map(str, cells), _plain(files))
    Console(width=_WIDE).print(table)


def print_diff(found: Diff) -> None:
    """Counts, labels, reasons and examples."""
    for word, side in (("from", found.before), ("to", found.after)):
        _line(f"{word:5}{side.version}  {side.rows} rows  {side.name}")
    _line("")
    _line(f"{', '.join(f'{count} {change}' for change, count in found.counts.items())} questions")
    labels = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("label", *CHANGES):
        labels.add_column(column, justify="left" if column == "label" else "right", overflow="fold")
    for label, counts in list(found.by_label.items())[:_ROWS]:
        labels.add_row(_plain(label), *(str(counts[change]) for change in CHANGES))
    if found.by_label:
        Console().print(labels)
    _rest(len(found.by_label), "labels")
    whys = {"gained": "why it was not kept before", "lost": "why it is not kept now"}
    for change, reasons in found.reasons.items():
        if reasons:
            table = Table(box=SIMPLE_HEAD, pad_edge=False)
            table.add_column(f"{change}: {whys[change]}", overflow="fold")
            table.add_column("questions", justify="right")
            for reason, count in list(reasons.items())[:_ROWS]:
                table.add_row(_plain(reason), str(count))
            Console().print(table)
            _rest(len(reasons), "reasons")
    for change, examples in found.examples.items():
        for example in examples:
            _line(f"{change}: {example.video}, {example.label}, question {example.question_id}: {example.question}")
            for when, answers in (("before", example.before), ("after", example.after)):
                _answers(when, answers)
            _line("")


def print_explanation(found: Explanation) -> None:
    """The facts of all answers, then one paragraph per round and ledger."""
    times = ", ".join(f"{time:.2f}" for time in found.frame_times)
    _line(found.video)
    _line(f"  video     sha256 {found.video_sha256 or 'not recorded'}")
    _line(f"  frames    {f'{len(found.frame_times)}, at {times} s' if times else 'not recorded'}")
    _line(f"  engine    {', '.join(found.engine.values())}")
    _line(f"  base      {found.model}")
    _line(f"  data      {found.data}")
    _line(f"  settings  {found.settings or 'not recorded'}")
    for ledger in found.ledgers:
        _line("")
        _line(f"round {ledger.round}, {ledger.ledger}")
        _line(f"  answered by {f'LoRA {ledger.lora}' if ledger.lora else 'the base model'}")
        question = None
        for outcome in ledger.answers:
            if outcome.answer.question_id != question:
                question = outcome.answer.question_id
                videos = ", ".join(shown.video for shown in outcome.answer.videos) if outcome.answer.more else ""
                _line(
                    f"  question {question}, {outcome.answer.task}, label: {outcome.answer.label}"
                    + (f", videos: {videos}" if videos else "")
                )
            _answer(outcome, ledger)


def _answer(outcome: Outcome, ledger: LedgerAnswers) -> None:
    answer = outcome.answer
    if answer.kind == "video":
        _line(f"    skipped: {answer.reason}")
        return
    drawn = "greedy" if answer.seed is None else f"seed {answer.seed}"
    _line(f"    {answer.kind}, try {answer.number + 1}, {drawn}, {answer.template or 'template not recorded'}")
    _line(f"      prompt   {answer.prompt}")
    _line(f"      answer   {answer.answer}")
    if answer.text != answer.answer:
        _line(f"      stored   {answer.text}")
    _line(f"      {_verdict(answer)}{_kept_in(outcome, ledger)}")


def _verdict(answer: Answer) -> str:
    parsed = "" if answer.parsed is None else f", read as {answer.parsed!r}"
    by = f", judged by {answer.judge}" if answer.judge else ""
    return f"{'kept    ' if answer.kept else 'rejected'} {answer.reason}, score {answer.score:g}{parsed}{by}"


def _kept_in(outcome: Outcome, ledger: LedgerAnswers) -> str:
    if not outcome.answer.kept or ledger.version is None:
        return ""
    place = {True: "in version", False: "not in version", None: "its files are gone: version"}[outcome.in_version]
    return f"; {place} {ledger.version}"


def _answers(when: str, answers: list[Response]) -> None:
    for response in answers:
        _line(f"  {when:6} {response.kind}, {response.verdict}: {response.text}")
    if not answers:
        _line(f"  {when:6} not asked")


def _rest(count: int, what: str) -> None:
    if count > _ROWS:
        _line(f"and {count - _ROWS} more {what}")


def _line(text: str) -> None:
    Console(soft_wrap=True).print(_plain(text))


def _plain(text: str) -> Text:
    return Text(printable(text))
