"""Version control: what throws away work or rewrites what others have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.rules.rule import (
    CAUTION,
    CRITICAL,
    DANGEROUS,
    Finding,
    Options,
    Row,
    from_rows,
    line,
)
from cmdai_shell.safety.script import Word, names, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_EVERYTHING = names(".. :/ . * : ./ -A")


def _git(call: Call) -> Iterator[Finding]:
    """The subcommand decides; what stands before it (``-C dir``, ``-c key=value``) does not."""
    options = Options(call)
    if not options.operands:
        return
    verb = options.operands[0].text
    if verb in _VERBS:
        yield from _VERBS[verb](options, options.operands[1:])
    else:
        for row in _ROWS:
            if row.matches(options):
                yield Finding(row.risk, row.reason, row.safer)
                return


def _push(options: Options, rest: list[Word]) -> Iterator[Finding]:
    targets = [word.text for word in rest[1:]]
    if options.has("mirror", "prune"):
        yield Finding(
            CRITICAL,
            "makes the server a copy of this folder, what is only there is lost",
            line("git push --dry-run --mirror", rest),
        )
    deletes = any(text.startswith(":") and text[1:] for text in targets)
    deletes = deletes or options.has("d", "delete")
    if deletes:
        yield Finding(CRITICAL, "deletes branches or tags on the server")
    if options.has("force-with-lease") and not options.has("f", "force"):
        yield Finding(DANGEROUS, "rewrites a branch on the server")
    elif options.has("f", "force") or any(text.startswith("+") for text in targets):
        plain = [Word(word.text.removeprefix("+")) if word.known else word for word in rest]
        safer = line("git push --force-with-lease", plain) or "git push --force-with-lease"
        reason = "overwrites a branch on the server, the work of others may be lost"
        yield Finding(CRITICAL, reason, "" if deletes or options.has("mirror", "prune") else safer)
    yield Finding(CAUTION, "sends commits to the server")


def _reset(options: Options, rest: list[Word]) -> Iterator[Finding]:
    if options.has("hard", "merge", "keep"):
        yield Finding(DANGEROUS, "throws away changes that are not committed", "git stash")
    else:
        yield Finding(CAUTION, "moves the branch or takes changes out of the next commit")


def _clean(options: Options, rest: list[Word]) -> Iterator[Finding]:
    if options.has("n", "dry-run"):
        return
    if options.has("f", "force", "x", "X", "d"):
        what = "ignored ones too" if options.has("x", "X") else "which git cannot bring back"
        yield Finding(DANGEROUS, f"deletes files that git does not track, {what}", "git clean -nd")
    else:
        yield Finding(CAUTION, "deletes files that git does not track", "git clean -nd")


def _folder(word: Word) -> bool:
    """As far as a name tells: ``src``, ``a/b/``; not ``a.txt``, ``Makefile``."""
    name = word.text.rstrip("/").rpartition("/")[2]
    return word.text.endswith("/") or (name.islower() and "." not in name) or word.glob


def _checkout(options: Options, rest: list[Word]) -> Iterator[Finding]:
    if options.has("f", "force", "discard-changes"):
        yield Finding(DANGEROUS, "throws away changes that are not committed", "git stash")
    elif _EVERYTHING & {word.text for word in rest}:
        yield Finding(DANGEROUS, "throws away all changes in this folder", "git stash")
    elif any(_folder(word) for word in options.dashed):
        yield Finding(DANGEROUS, "throws away all changes in a folder", "git stash")
    elif (options.dashed or len(rest) > 1) and not options.has("b", "B", "orphan", "track", "t"):
        yield Finding(CAUTION, "replaces files by their committed version")
    elif options.has("B", "C", "force-create"):
        yield Finding(CAUTION, "moves a branch")


def _restore(options: Options, rest: list[Word]) -> Iterator[Finding]:
    if options.has("S", "staged") and not options.has("W", "worktree"):
        yield Finding(CAUTION, "takes changes out of the next commit")
    elif _EVERYTHING & {word.text for word in rest}:
        yield Finding(DANGEROUS, "throws away all changes in this folder", "git stash")
    elif any(_folder(word) for word in rest):
        yield Finding(DANGEROUS, "throws away all changes in a folder", "git stash")
    else:
        yield Finding(CAUTION, "throws away changes in files")


def _branch(options: Options, rest: list[Word]) -> Iterator[Finding]:
    forced = options.has("force", "f")
    if options.has("D") or (options.has("d", "delete") and forced):
        yield Finding(
            DANGEROUS,
            "deletes a branch although its commits are nowhere else",
            line("git branch -d", rest),
        )
    elif options.has("d", "delete"):
        yield Finding(CAUTION, "deletes a branch that is merged")
    elif forced or options.has("M", "C"):
        yield Finding(DANGEROUS, "overwrites a branch")
    elif options.has("m", "move"):
        yield Finding(CAUTION, "renames a branch")


def _stash(options: Options, rest: list[Word]) -> Iterator[Finding]:
    verb = rest[0].text if rest else "push"
    if verb in ("drop", "clear"):
        yield Finding(DANGEROUS, "throws away stashed work", "git stash list")
    elif verb in ("push", "save", "pop", "apply", "branch"):
        yield Finding(CAUTION, "takes changes out of the folder, or brings them back")


def _remove(options: Options, rest: list[Word]) -> Iterator[Finding]:
    if options.has("n", "dry-run"):
        return
    if options.has("cached"):
        yield Finding(CAUTION, "stops tracking files")
    elif _EVERYTHING & {word.text for word in rest}:
        yield Finding(DANGEROUS, "deletes everything in this folder", "git rm -rn .")
    else:
        yield Finding(CAUTION, f"deletes {', '.join(spoken(word.text) for word in rest[:3])}")


def _tag(options: Options, rest: list[Word]) -> Iterator[Finding]:
    if options.has("d", "delete", "f", "force"):
        yield Finding(CAUTION, "deletes or moves a tag")


_VERBS: dict[str, Callable[[Options, list[Word]], Iterator[Finding]]] = {
    "push": _push,
    "reset": _reset,
    "clean": _clean,
    "checkout": _checkout,
    "switch": _checkout,
    "restore": _restore,
    "branch": _branch,
    "stash": _stash,
    "rm": _remove,
    "tag": _tag,
}

_REWRITES = "rewrites the history of the whole repository"
_ABORTS = "throws away what was done to resolve conflicts"
_ROWS = (
    Row("filter-branch|filter-repo", DANGEROUS, _REWRITES),
    Row("reflog expire|delete", DANGEROUS, "forgets where lost commits could be found again"),
    Row("gc", DANGEROUS, "deletes commits that nothing points to, for good", "prune"),
    Row(
        "prune", DANGEROUS, "deletes commits that nothing points to, for good", safer="git prune -n"
    ),
    Row("update-ref", DANGEROUS, "deletes a branch or tag", "d"),
    Row("update-ref", CAUTION, "moves a branch or tag"),
    Row(
        "worktree remove",
        DANGEROUS,
        "deletes a folder with changes that are not committed",
        "f|force",
        "git worktree list",
    ),
    Row("worktree remove|prune", CAUTION, "removes a working folder"),
    Row(
        "submodule deinit",
        DANGEROUS,
        "deletes a submodule's folder with its changes",
        "f|force|all",
    ),
    Row("submodule foreach|update", CAUTION, "changes the submodules"),
    Row("rebase|merge|cherry-pick|am|revert", CAUTION, _ABORTS, "abort|quit|skip"),
    Row("rebase", CAUTION, "rewrites commits of this branch"),
    Row("commit", CAUTION, "replaces the last commit", "amend"),
    Row("merge|pull|revert|cherry-pick|am|apply", CAUTION, "brings changes into this branch"),
    Row("read-tree", DANGEROUS, "throws away changes that are not committed", "u|reset"),
    Row("checkout-index", DANGEROUS, "throws away changes that are not committed", "f|force a|all"),
    Row("remote remove|rm|prune|set-url", CAUTION, "changes where this repository is kept"),
    Row("notes|replace remove|prune|delete", CAUTION, "removes notes"),
    Row("mv", CAUTION, "moves files"),
    Row(
        "config",
        CAUTION,
        "changes git's settings for every repository",
        "global|system unset|unset-all|remove-section",
    ),
    Row("lfs prune", CAUTION, "removes old large files from this machine"),
)

_REPO = "deletes a repository with all that is in it"
CHECKS: dict[str, Check] = {
    "git": _git,
    "hub": _git,
    "gh": from_rows(
        Row("repo delete", CRITICAL, _REPO, safer="gh repo view {rest}"),
        Row("repo archive|rename", DANGEROUS, "changes a repository for everybody"),
        Row(
            "release|secret|variable|ssh-key|gpg-key|cache|run|label|codespace delete",
            DANGEROUS,
            "deletes it on the server",
        ),
        Row("repo edit", DANGEROUS, "shows the repository to everybody", "visibility"),
        Row("gist|issue delete", DANGEROUS, "deletes it on the server"),
        Row("api", CAUTION, "may change something on the server", "X|method"),
        Row("pr|issue merge|close", CAUTION, "merges or closes it for everybody"),
    ),
    "glab": from_rows(Row("repo|project delete", CRITICAL, _REPO)),
    "svn": from_rows(
        Row("revert", DANGEROUS, "throws away changes that are not committed", "R|recursive|depth"),
        Row("revert", CAUTION, "throws away changes in files"),
        Row(
            "cleanup",
            DANGEROUS,
            "deletes files that are not tracked",
            "remove-unversioned|remove-ignored",
        ),
        Row("delete|rm|remove", CAUTION, "deletes files"),
    ),
    "hg": from_rows(
        Row(
            "update|up|checkout|co",
            DANGEROUS,
            "throws away changes that are not committed",
            "C|clean",
        ),
        Row("revert", DANGEROUS, "throws away all changes", "a|all"),
        Row("strip", DANGEROUS, "removes commits"),
        Row("purge", DANGEROUS, "deletes untracked files"),
        Row("push", CRITICAL, "overwrites a branch on the server", "f|force"),
    ),
}
