"""README and docs: what they mention exists, and examples behave as a reader expects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from plumbline.cli.command_group import app
from plumbline.settings import PREFIX, Settings
from plumbline_client.errors import TextRefused
from scoring.score import Decision
from scoring.scorer import Scorer
from tests.paths import CHECKOUT, DOCS, SHIPPED

PAGES = sorted(
    [*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md"), *(CHECKOUT / "clients").glob("*/*.md")]
)
EXAMPLE_MESSAGES = DOCS / "message-v1.schema.json"

# What a reader expects of each example text; None: it is rejected.
EXPECTED: dict[str, Decision | None] = {
    "WINNER!! Claim your 500 prize now, text CLAIM to 80082": Decision.POSITIVE,
    "WINNER!! Claim your prize now, text CLAIM to 80082": Decision.POSITIVE,
    "WIN a prize now: text WIN to 80082": Decision.POSITIVE,
    "FREE entry: text WIN to 80082": Decision.POSITIVE,
    "Running ten minutes late, order me a tea?": Decision.NEGATIVE,
    "Your invoice is ready": Decision.NEGATIVE,
    "See you at six": Decision.NEGATIVE,
    "": None,
}

DOUBLE_QUOTED = r'"((?:[^"\\]|\\.)*)"'
SINGLE_QUOTED = r"'((?:[^']|'')*)'"
EXAMPLE_TEXTS = [
    re.compile(pattern)
    for pattern in (
        rf"Submission\(\s*{DOUBLE_QUOTED}",
        rf"\.submit\(\s*{DOUBLE_QUOTED}",
        rf'"text":\s*{DOUBLE_QUOTED}',
        rf"plumbline score {DOUBLE_QUOTED}",
        rf"submit_v1\(\s*{SINGLE_QUOTED}",
        rf"INSERT INTO mails [^;]*?VALUES \([^;]*?{SINGLE_QUOTED}",
    )
]
CODE_BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
SOURCE_PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]+\.(?:py|toml|yml|json|svg|md|txt)")
PACKAGES = ("plumbline_client", "storage", "scoring", "worker", "monitoring", "training")
DOTTED_NAME = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.(?!py\b)\w+)+")
COMMAND = re.compile(r"(?:^|bin/|`)plumbline ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", re.MULTILINE)


def page_name(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def example_texts(code: str) -> set[str]:
    return {match.replace("''", "'") for text in EXAMPLE_TEXTS for match in text.findall(code)}


def all_example_texts() -> Iterator[tuple[str, str]]:
    """Yield each example text with the name of its page."""
    for page in PAGES:
        for block in CODE_BLOCK.findall(page.read_text(encoding="utf-8")):
            yield from ((text, page_name(page)) for text in example_texts(block))
    messages = json.loads(EXAMPLE_MESSAGES.read_text(encoding="utf-8"))["examples"]
    for job in (job for message in messages for job in message["jobs"] if "text" in job):
        yield job["text"], page_name(EXAMPLE_MESSAGES)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load(SHIPPED)


def test_every_setting_is_on_the_operations_page_as_defined() -> None:
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        assert f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |" in page, name


@pytest.mark.parametrize(
    "code",
    [
        'client.submit_many([Submission("a b", key="1")])',
        'client.submit("a b", key="1")',
        'jobs = [{"text": "a b", "key": "1"}]',
        '.venv/bin/plumbline score "a b" --json',
        "SELECT plumbline.submit_v1('a b', key => '1');",
        "INSERT INTO mails (id, body) VALUES (1, 'a b');",
    ],
)
def test_example_texts_are_recognized_in_every_notation(code: str) -> None:
    assert example_texts(code) == {"a b"}


def test_every_example_text_has_an_expected_decision() -> None:
    pages: dict[str, str] = dict(all_example_texts())
    unexpected = {text: page for text, page in pages.items() if text not in EXPECTED}
    assert not unexpected, "add these texts to EXPECTED, or use one that is there"
    assert set(EXPECTED) == set(pages), "remove texts from EXPECTED that no page contains"


@pytest.mark.parametrize(("text", "decision"), EXPECTED.items())
def test_shipped_model_decides_on_example_text_as_a_reader_expects(
    scorer: Scorer, text: str, decision: Decision | None
) -> None:
    if decision is None:
        with pytest.raises(TextRefused):
            scorer.score(text)
    else:
        assert scorer.score(text).decision is decision


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_no_page_installs_the_unrelated_package_named_plumbline(page: Path) -> None:
    # Neither distribution of this project is on PyPI, so no name beginning like this is ours.
    foreign = re.findall(
        r"pip3? install (?:-\S+ )*['\"]?plumbline.*", page.read_text(encoding="utf-8")
    )
    assert not foreign


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_leads_to_a_file_and_heading(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if path.startswith(("http://", "https://")):
            continue
        target = (page.parent / path) if path else page
        assert target.exists(), path
        if anchor:
            headings = HEADING.findall(target.read_text(encoding="utf-8"))
            assert anchor in map(heading_anchor, headings), f"{path}#{anchor}"


def heading_anchor(heading: str) -> str:
    """Return the anchor that GitHub derives from a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_index_of_decisions_lists_every_page_with_its_title() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    for page in sorted((DOCS / "decisions").glob("0*.md")):
        number, _, title = page.read_text(encoding="utf-8").splitlines()[0][2:].partition(". ")
        assert f"{number}. [{title}]({page.name})" in index


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_source_file_and_name_that_a_page_mentions_exists(page: Path) -> None:
    for span in CODE_SPAN.findall(page.read_text(encoding="utf-8")):
        if SOURCE_PATH.fullmatch(span):
            roots = (CHECKOUT, CHECKOUT / "clients" / "python", page.parent)
            assert any((root / span).exists() for root in roots), span
        elif DOTTED_NAME.fullmatch(span):
            assert is_defined(span), span


def is_defined(dotted_name: str) -> bool:
    """Return whether the name is a module, or occurs in the module it is qualified with.

    Nothing is imported: `training` would bring TensorFlow.
    """
    first, *rest = dotted_name.split(".")
    path = CHECKOUT / ("clients/python" if first == "plumbline_client" else "") / first
    for position, part in enumerate(rest):
        if (path / part).is_dir():
            path /= part
            continue
        module = path / f"{part}.py"
        if module.is_file():
            path, rest = module, rest[position + 1 :]
        else:
            path, rest = path / "__init__.py", rest[position:]
        source = path.read_text(encoding="utf-8")
        return all(re.search(rf"\b{name}\b", source) for name in rest)
    return True


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_that_a_page_mentions_exists(page: Path) -> None:
    commands = typer.main.get_command(app)
    assert isinstance(commands, TyperGroup)
    context = commands.make_context("plumbline", [], resilient_parsing=True)
    for name, subcommand in COMMAND.findall(page.read_text(encoding="utf-8")):
        _, command, _ = commands.resolve_command(context, [name])
        assert command is not None, name
        if subcommand and isinstance(command, TyperGroup):
            assert command.get_command(context, subcommand) is not None, f"{name} {subcommand}"
