"""`python -m reports` as it is typed."""

import subprocess
import sys
from pathlib import Path

import pytest

from reports.__main__ import COMMANDS, main
from tests.reports.conftest import END, Write, exercise, exercise_end, lab, run, whole

ROOT = Path(__file__).parents[2]


def test_it_renders_beside_the_record_and_prints_where(write: Write) -> None:
    record = write(*whole())
    done = subprocess.run(
        [sys.executable, "-m", "reports", str(record)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{record.parent / 'index.html'}\n"
    assert (record.parent / "uts.html").is_file()


def test_it_imports_neither_runtime_nor_pytest() -> None:
    code = "import sys, reports.__main__; print([m for m in sys.modules if m.split('.')[0] in ('runtime', 'pytest')])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "[]\n"


def test_several_records_and_another_directory(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        str(write(run(), lab(), exercise(name, title=name), exercise_end(name=name), END, name=f"record-{name}.jsonl"))
        for name in ("test_a", "test_b")
    ]
    assert main([*records, "--report-dir", str(tmp_path / "deep" / "site")]) == 0
    page = (tmp_path / "deep" / "site" / "uts.html").read_text()
    assert "test_a" in page
    assert "test_b" in page
    assert capsys.readouterr().out == f"{tmp_path / 'deep' / 'site' / 'index.html'}\n"


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    assert "pytest labs/" in told
    assert "exit codes:" in told


@pytest.mark.parametrize("command", list(COMMANDS))
def test_the_help_of_each_command_teaches_by_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    told = capsys.readouterr().out
    assert "examples:" in told
    assert f"python -m reports {'' if command == 'render' else command}" in told
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert f"    {command} " in capsys.readouterr().out


def test_render_may_be_said(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    record = write(*whole())
    assert main(["render", str(record)]) == 0
    assert capsys.readouterr().out == f"{record.parent / 'index.html'}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.jsonl"], "missing.jsonl: No such file or directory; give the record of a run"),
        (["."], "Is a directory"),
        (["broken.jsonl"], "broken.jsonl, line 2: no JSON object; the record is damaged, run the lab again."),
        (["record.jsonl", "--report-dir", "record.jsonl/site"], "name another directory with --report-dir"),
        (["record.jsonl", "--nonsense"], "--nonsense"),
        ([], "RECORD"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_4(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(write(*whole()).parent)
    write(run(), name="broken.jsonl", tail="no json\n{}\n")
    files = sorted(Path().iterdir())
    assert main(arguments) == 4
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.startswith("reports: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert sorted(Path().iterdir()) == files
