"""Version control: what loses work or rewrites what others have, and the daily rest."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("git push --force", CRITICAL),
        ("git push -f origin main", CRITICAL),
        ("git push -fu origin main", CRITICAL),
        ("git push origin +main", CRITICAL),
        ("git -C repo push --force", CRITICAL),
        ("git -c user.name=x push --force origin", CRITICAL),
        ("git push origin HEAD --force", CRITICAL),
        ("git push --mirror", CRITICAL),
        ("git push origin --delete main", CRITICAL),
        ("git push origin :main", CRITICAL),
        ("cd repo && git push --force", CRITICAL),
        ("git push --force-with-lease", DANGEROUS),
        ("git push", CAUTION),
        ("git push -u origin topic", CAUTION),
        ("git push --tags", CAUTION),
        ("git push --dry-run", CAUTION),
        ("git reset --hard", DANGEROUS),
        ("git reset --hard HEAD~3", DANGEROUS),
        ("git reset --soft HEAD~1", CAUTION),
        ("git reset HEAD file.txt", CAUTION),
        ("git clean -fdx", DANGEROUS),
        ("git clean -f", DANGEROUS),
        ("git clean -nd", SAFE),
        ("git checkout -- .", DANGEROUS),
        ("git checkout .", DANGEROUS),
        ("git checkout HEAD -- .", DANGEROUS),
        ("git checkout -f main", DANGEROUS),
        ("git checkout -- file.txt", CAUTION),
        ("git checkout main", SAFE),
        ("git checkout -b topic", SAFE),
        ("git switch -c topic", SAFE),
        ("git restore .", DANGEROUS),
        ("git restore file.txt", CAUTION),
        ("git restore --staged .", CAUTION),
        ("git branch -D topic", DANGEROUS),
        ("git branch -d topic", CAUTION),
        ("git branch -a", SAFE),
        ("git stash drop", DANGEROUS),
        ("git stash clear", DANGEROUS),
        ("git stash", CAUTION),
        ("git stash list", SAFE),
        ("git filter-branch --tree-filter 'rm -f secret' HEAD", DANGEROUS),
        ("git filter-branch --tree-filter 'rm -rf /' HEAD", CRITICAL),
        ("git filter-repo --path x --invert-paths", DANGEROUS),
        ("git reflog expire --expire=now --all", DANGEROUS),
        ("git gc --prune=now", DANGEROUS),
        ("git gc", SAFE),
        ("git rebase main", CAUTION),
        ("git commit --amend", CAUTION),
        ("git commit -m 'push --force'", SAFE),
        ("git rm -r .", DANGEROUS),
        ("git rm old.txt", CAUTION),
        ("git worktree remove --force ../x", DANGEROUS),
        ("git status", SAFE),
        ("git log --oneline --all", SAFE),
        ("git fetch --all --prune", SAFE),
        ("gh repo delete me/x --yes", CRITICAL),
        ("gh pr list", SAFE),
        ("git config --global alias.st '!rm -rf /'", CRITICAL),
    ],
)
def test_git(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
