"""Options, rows, and the words of an offered command."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess
from cmdai_shell.safety.rules.rule import Options, Row, from_rows, line, quoted
from cmdai_shell.safety.script import HOME, MAYBE, Call, Word


def call(text: str) -> Call:
    return Call(tuple(Word(part) for part in text.split()))


@pytest.mark.parametrize(
    ("text", "name", "given"),
    [
        ("rm -rf x", "r", True),
        ("rm -rf x", "f", True),
        ("rm -rf x", "i", False),
        ("rm --recursive x", "recursive", True),
        ("rm --recurs x", "recursive", True),
        ("rm --re x", "recursive", False),
        ("find . -delete", "delete", True),
        ("terraform apply -auto-approve=true", "auto-approve", True),
        ("git push --force-with-lease", "force", False),
        ("rm -- -r", "r", False),
    ],
)
def test_options_are_found_however_they_are_written(text: str, name: str, given: bool) -> None:
    assert Options(call(text)).has(name) is given


def test_operands_are_what_no_option_takes():
    assert Options(call("git -C repo push -f origin main")).texts == ["push", "origin", "main"]
    assert Options(call("rm -f -- -a b")).texts == ["-a", "b"]
    assert Options(call("git checkout main -- .")).dashed == [Word(".")]
    assert not Options(call("git checkout .")).dashed


@pytest.mark.parametrize(
    ("row", "text", "matches"),
    [
        (Row("system prune", Risk.DANGEROUS, "r", "a|all"), "docker system prune -af", True),
        (Row("system prune", Risk.DANGEROUS, "r", "a|all"), "docker system prune", False),
        (Row("volume rm|prune", Risk.DANGEROUS, "r"), "docker volume prune", True),
        (Row("volume rm|prune", Risk.DANGEROUS, "r"), "docker volume ls", False),
        (Row("* delete", Risk.DANGEROUS, "r"), "gcloud anything delete x", True),
        (Row("", Risk.DANGEROUS, "r", "f|force a|all"), "x -f", False),
        (Row("", Risk.DANGEROUS, "r", "f|force a|all"), "x -fa", True),
        (Row("a", Risk.DANGEROUS, "r", unless="n|dry-run"), "x a", True),
        (Row("a", Risk.DANGEROUS, "r", unless="n|dry-run"), "x a --dry-run", False),
    ],
)
def test_a_row_needs_its_words_and_one_flag_of_every_group(
    row: Row, text: str, matches: bool
) -> None:
    assert bool(list(from_rows(row)(call(text)))) is matches


def test_a_row_offers_the_rest_of_the_words_only_when_all_are_known():
    check = from_rows(Row("destroy", Risk.CRITICAL, "r", safer="zfs destroy -nv {rest}"))
    known = Call((Word("zfs"), Word("destroy"), Word("tank/my data")))
    unknown = Call((Word("zfs"), Word("destroy"), Word(MAYBE)))
    assert [finding.safer for finding in check(known)] == ["zfs destroy -nv 'tank/my data'"]
    assert [finding.safer for finding in check(unknown)] == [""]


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        (Word("a b"), "'a b'"),
        (Word("*.log", glob=True), "*.log"),
        (Word("my file*", glob=True), "my\\ file*"),
        (Word("a;rm*", glob=True), "a\\;rm*"),
        (Word(HOME), "~"),
        (Word(HOME + "/my file"), "~/'my file'"),
        (Word("$(x)"), "'$(x)'"),
    ],
)
def test_words_are_typed_so_that_they_mean_the_same(word: Word, typed: str) -> None:
    assert quoted([word]) == typed


def test_no_command_is_made_of_unknown_words():
    assert line("ls --", [Word("a"), Word(f"{MAYBE}/b")]) == ""
    assert line("ls --", []) == ""


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "rm -rf ~/'a b'/src",
        "git push --force origin main",
        "git push origin +main",
        "git reset --hard",
        "git clean -fdx",
        "git branch -D topic",
        "aws s3 rm s3://b --recursive",
        "rclone purge remote:",
        "terraform destroy",
        "kubectl delete ns prod",
        "kubectl drain n1",
        "zfs destroy tank",
        "docker system prune -af",
        "docker compose down -v",
        "iptables -F",
        "rsync -a --delete a/ /",
        "find . -delete",
        "setenforce 0",
        "crontab -r",
    ],
)
def test_what_is_offered_instead_does_less_harm(command: str) -> None:
    verdict = assess(command)
    assert verdict.safer
    assert assess(verdict.safer).risk < verdict.risk
