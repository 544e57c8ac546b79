"""Long options people spell wrong, of the programs they use most. Not all there are: an option is
only put right when the program rejected the line and one of these is near."""

from __future__ import annotations

from cmdai_shell.safety.script import names

_DIFF = (
    "cached staged stat name-only name-status color no-color word-diff patch unified numstat "
    "shortstat summary ignore-all-space ignore-space-change ignore-blank-lines no-index check "
    "binary full-index find-renames diff-filter pickaxe-regex relative exit-code quiet raw "
    "minimal ours theirs base merge-base no-patch output-indicator-new submodule text "
)
_LIST = "all quiet filter format no-trunc last latest size digests tree "

LONG: dict[str, frozenset[str]] = {
    "git add": names(
        "all update patch interactive force dry-run verbose intent-to-add edit renormalize "
        "chmod refresh ignore-errors no-all sparse pathspec-from-file"
    ),
    "git commit": names(
        "amend all message no-edit no-verify signoff patch allow-empty allow-empty-message "
        "author date fixup squash verbose quiet dry-run reset-author file template "
        "reuse-message reedit-message edit only include status no-status gpg-sign no-gpg-sign "
        "cleanup branch short porcelain long interactive untracked-files trailer "
        "no-post-rewrite"
    ),
    "git log": names(
        _DIFF + "oneline graph all decorate no-decorate author committer grep since until "
        "after before follow reverse merges no-merges first-parent pretty format "
        "abbrev-commit date max-count max-age min-age skip branches tags remotes "
        "left-right cherry-pick show-signature source simplify-by-decoration "
        "ancestry-path not invert-grep all-match walk-reflogs topo-order date-order "
        "author-date-order no-walk line-prefix notes regexp-ignore-case"
    ),
    "git diff": names(_DIFF),
    "git show": names(_DIFF + "oneline pretty format abbrev-commit date no-notes"),
    "git push": names(
        "force force-with-lease set-upstream tags all delete dry-run no-verify verbose quiet "
        "mirror follow-tags atomic prune porcelain progress repo push-option signed no-signed "
        "thin recurse-submodules force-if-includes branches ipv4 ipv6"
    ),
    "git pull": names(
        "rebase no-rebase ff-only ff no-ff all tags autostash no-autostash verbose quiet "
        "prune force depth unshallow squash no-commit commit edit no-edit strategy "
        "strategy-option stat no-stat allow-unrelated-histories recurse-submodules dry-run "
        "verify no-verify set-upstream jobs"
    ),
    "git fetch": names(
        "all prune tags no-tags depth unshallow force verbose quiet dry-run prune-tags "
        "multiple jobs append update-shallow shallow-since deepen set-upstream "
        "recurse-submodules progress"
    ),
    "git clone": names(
        "depth branch recursive recurse-submodules single-branch no-single-branch bare mirror "
        "quiet verbose no-checkout shallow-since filter sparse origin jobs shallow-submodules "
        "local shared reference dissociate progress config template separate-git-dir no-tags "
        "no-hardlinks"
    ),
    "git branch": names(
        "all remotes delete move copy list merged no-merged show-current set-upstream-to "
        "unset-upstream contains no-contains sort verbose force edit-description track "
        "no-track points-at format column color create-reflog quiet ignore-case"
    ),
    "git checkout": names(
        "force track no-track orphan detach ours theirs patch quiet merge conflict progress "
        "overwrite-ignore recurse-submodules guess no-guess pathspec-from-file"
    ),
    "git rebase": names(
        "interactive continue abort skip onto autosquash no-autosquash autostash no-autostash "
        "exec root quit edit-todo keep-empty no-verify verbose quiet force-rebase merge "
        "strategy stat signoff update-refs rebase-merges fork-point no-fork-point apply "
        "show-current-patch strategy-option committer-date-is-author-date reset-author-date"
    ),
    "git merge": names(
        "abort continue quit no-ff ff-only ff squash no-commit commit no-edit edit message "
        "strategy strategy-option stat no-stat verbose quiet autostash signoff no-verify log "
        "allow-unrelated-histories verify-signatures into-name progress file"
    ),
    "git reset": names("hard soft mixed merge keep patch quiet no-refresh pathspec-from-file"),
    "git stash": names(
        "include-untracked all keep-index patch staged index message quiet no-keep-index"
    ),
    "git status": names(
        "short branch porcelain long verbose ignored untracked-files show-stash ahead-behind "
        "no-ahead-behind renames no-renames column ignore-submodules find-renames"
    ),
    "git tag": names(
        "list delete annotate message force sort contains no-contains merged no-merged "
        "points-at sign verify format local-user file edit cleanup column create-reflog color "
        "ignore-case"
    ),
    "git cherry-pick": names(
        "continue abort skip quit no-commit edit mainline signoff strategy allow-empty ff "
        "keep-redundant-commits"
    ),
    "git restore": names(
        "staged source worktree patch ours theirs quiet merge conflict overlay no-overlay "
        "ignore-unmerged recurse-submodules"
    ),
    "docker run": names(
        "detach interactive tty rm name publish publish-all volume env env-file network "
        "entrypoint user workdir restart memory cpus gpus privileged mount link label "
        "hostname add-host cap-add cap-drop platform pull read-only init device dns expose ip "
        "ipc pid shm-size security-opt tmpfs ulimit log-driver log-opt health-cmd "
        "no-healthcheck network-alias cidfile attach stop-signal stop-timeout sysctl userns "
        "uts volumes-from runtime quiet"
    ),
    "docker exec": names("detach interactive tty env env-file user workdir privileged detach-keys"),
    "docker ps": names(_LIST),
    "docker images": names(_LIST),
    "docker image ls": names(_LIST),
    "docker container ls": names(_LIST),
    "docker build": names(
        "tag file no-cache build-arg target platform pull quiet network rm force-rm label "
        "secret ssh progress squash cache-from cache-to output push load iidfile add-host "
        "builder memory"
    ),
    "docker logs": names("follow tail timestamps since until details"),
    "docker rm": names("force volumes link"),
    "docker compose up": names(
        "detach build force-recreate no-deps no-build remove-orphans scale wait watch "
        "abort-on-container-exit no-recreate no-start pull quiet-pull timeout timestamps "
        "attach always-recreate-deps renew-anon-volumes exit-code-from no-color no-log-prefix "
        "menu"
    ),
    "docker compose down": names("volumes rmi remove-orphans timeout dry-run"),
    "docker compose logs": names("follow tail timestamps since until no-color no-log-prefix index"),
    "kubectl get": names(
        "all-namespaces namespace output selector watch watch-only show-labels sort-by "
        "field-selector no-headers label-columns filename recursive show-kind chunk-size "
        "ignore-not-found raw template allow-missing-template-keys kustomize subresource "
        "context kubeconfig cluster user server output-watch-events"
    ),
    "kubectl logs": names(
        "follow tail since since-time previous container all-containers timestamps selector "
        "prefix namespace max-log-requests limit-bytes ignore-errors context "
        "pod-running-timeout"
    ),
    "kubectl apply": names(
        "filename kustomize recursive dry-run force namespace output prune selector "
        "server-side validate wait record overwrite context force-conflicts field-manager all "
        "timeout cascade"
    ),
    "kubectl delete": names(
        "all force grace-period filename selector namespace now wait cascade dry-run timeout "
        "ignore-not-found field-selector kustomize output recursive context all-namespaces"
    ),
    "ls": names(
        "all almost-all human-readable recursive reverse color sort time size inode directory "
        "classify group-directories-first full-time time-style format author escape "
        "block-size ignore-backups file-type si indicator-style ignore hide no-group "
        "numeric-uid-gid quote-name literal quoting-style hyperlink dereference width zero "
        "context kibibytes"
    ),
    "grep": names(
        "recursive ignore-case line-number invert-match count files-with-matches include "
        "exclude exclude-dir color only-matching extended-regexp fixed-strings perl-regexp "
        "word-regexp line-regexp max-count quiet no-filename with-filename after-context "
        "before-context context files-without-match regexp file text binary-files "
        "basic-regexp byte-offset null no-messages dereference-recursive line-buffered "
        "null-data devices directories initial-tab label colour no-ignore-case exclude-from"
    ),
    "curl": names(
        "output remote-name location header data request user silent show-error verbose "
        "include head insecure fail form cookie cookie-jar user-agent referer compressed "
        "max-time connect-timeout retry data-binary data-raw data-urlencode upload-file get "
        "json proxy cacert cert key resolve write-out progress-bar remote-header-name "
        "continue-at range limit-rate http1.1 http2 ipv4 ipv6 fail-with-body create-dirs "
        "parallel oauth2-bearer unix-socket trace trace-ascii digest basic anyauth netrc url "
        "output-dir junk-session-cookies retry-delay"
    ),
    "tar": names(
        "extract create list file gzip bzip2 xz zstd verbose directory exclude "
        "strip-components append update wildcards exclude-from files-from keep-old-files "
        "overwrite to-stdout preserve-permissions transform auto-compress absolute-names "
        "no-recursion totals remove-files"
    ),
    "pip install": names(
        "upgrade requirement user editable no-deps no-cache-dir force-reinstall index-url "
        "extra-index-url pre target break-system-packages quiet verbose dry-run constraint "
        "find-links ignore-installed no-build-isolation no-binary only-binary prefix root "
        "proxy upgrade-strategy trusted-host timeout no-index src platform python-version "
        "retries use-pep517 prefer-binary require-hashes progress-bar config-settings report"
    ),
    "pip list": names("outdated uptodate editable local user format not-required exclude verbose"),
    "pip freeze": names("local user all requirement exclude-editable exclude path"),
    "cargo build": names(
        "release verbose workspace package features all-features no-default-features target "
        "jobs bin bins lib example examples tests benches all-targets profile quiet offline "
        "locked frozen manifest-path target-dir message-format keep-going timings exclude "
        "color all"
    ),
    "systemctl": names(
        "now user all type state no-pager failed force quiet full lines output system "
        "no-block property runtime global root host machine reverse after before value plain "
        "no-legend no-ask-password wait show-types recursive signal kill-who job-mode"
    ),
    "journalctl": names(
        "unit follow since until boot lines reverse no-pager output priority grep disk-usage "
        "vacuum-size vacuum-time dmesg user-unit list-boots identifier catalog all quiet full "
        "no-full pager-end system user merge directory file utc no-hostname facility rotate "
        "flush sync verify cursor after-cursor show-cursor vacuum-files no-tail field fields "
        "case-sensitive output-fields truncate-newline machine root"
    ),
    "apt": names(
        "yes assume-yes fix-broken no-install-recommends install-suggests reinstall "
        "only-upgrade purge upgradable installed all-versions dry-run simulate download-only "
        "quiet allow-downgrades allow-unauthenticated auto-remove fix-missing no-upgrade "
        "no-remove assume-no show-progress manual-installed verbose-versions full names-only "
        "option"
    ),
    "rsync": names(
        "archive verbose compress progress delete exclude include dry-run recursive "
        "human-readable partial rsh stats update exclude-from include-from files-from inplace "
        "checksum bwlimit delete-after delete-before delete-excluded ignore-existing existing "
        "links hard-links perms owner group times no-perms no-owner no-group rsync-path "
        "size-only itemize-changes max-size min-size backup backup-dir link-dest "
        "remove-source-files info numeric-ids chmod chown whole-file append partial-dir "
        "sparse xattrs acls one-file-system mkpath out-format log-file timeout port "
        "copy-links safe-links quiet relative filter no-relative devices append-verify "
        "compare-dest copy-dest"
    ),
    "mkdir": names("parents mode verbose context"),
    "cp": names(
        "recursive archive force interactive verbose update no-clobber parents link "
        "symbolic-link preserve backup dereference no-dereference target-directory "
        "no-target-directory reflink sparse one-file-system attributes-only "
        "remove-destination strip-trailing-slashes suffix"
    ),
    "rm": names(
        "recursive force interactive verbose dir one-file-system preserve-root no-preserve-root"
    ),
    "sort": names(
        "numeric-sort reverse unique key human-numeric-sort field-separator output "
        "version-sort month-sort general-numeric-sort random-sort ignore-case check merge "
        "stable parallel ignore-leading-blanks dictionary-order zero-terminated buffer-size "
        "temporary-directory debug"
    ),
    "du": names(
        "human-readable summarize max-depth all total exclude apparent-size bytes time "
        "threshold si separate-dirs one-file-system block-size count-links dereference "
        "exclude-from inodes null"
    ),
    "df": names(
        "human-readable inodes all type print-type exclude-type total output local "
        "portability si sync no-sync block-size"
    ),
}
"""Without their dashes."""

for _same, _as in (
    ("pip3 install", "pip install"),
    ("pip3 list", "pip list"),
    ("cargo run", "cargo build"),
    ("cargo test", "cargo build"),
    ("cargo check", "cargo build"),
    ("git switch", "git checkout"),
    ("apt-get", "apt"),
    ("egrep", "grep"),
    ("docker-compose up", "docker compose up"),
    ("kubectl describe", "kubectl get"),
):
    LONG[_same] = LONG[_as]

LONG["cargo test"] = LONG["cargo build"] | names("no-run no-fail-fast doc test nocapture")

FIND = names(
    "-name -iname -type -size -mtime -mmin -atime -amin -ctime -cmin -newer -newermt -exec "
    "-execdir -ok -okdir -delete -print -print0 -printf -ls -maxdepth -mindepth -path -ipath "
    "-wholename -regex -iregex -perm -user -group -nouser -nogroup -empty -prune -not -and "
    "-or -a -o -inum -links -readable -writable -executable -depth -xdev -mount -follow -quit "
    "-samefile -lname -fstype -true -false -used -uid -gid -daystart -regextype -anewer "
    "-cnewer -fprint -noleaf -L -H -P"
)

LETTERS: dict[str, str] = {
    "ls": "laAhtrRSd1Fi",
    "rm": "rfRvi",
    "cp": "rRapvfui",
    "mkdir": "pv",
    "grep": "rnivlcwoE",
    "df": "hTi",
    "du": "shacx",
    "tail": "fF",
    "free": "hmg",
    "uname": "amrs",
    "wc": "lwcm",
    "sort": "nruh",
    "chmod": "R",
    "chown": "R",
    "rsync": "avzPhn",
    "curl": "LOIsSkfv",
}
"""Letters that are forgotten to be given a dash."""
ALONE = names("ls df du free uname wc")
"""Programs of which such a word may be the only one."""
