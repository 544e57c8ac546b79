"""The words that come after the name of a program with many of them."""

from __future__ import annotations

from cmdai_shell.safety.script import names

_COMPOSE = names(
    "attach build commit config cp create down events exec export images kill logs ls pause port "
    "ps publish pull push restart rm run scale start stats stop top unpause up version volumes "
    "wait watch"
)
_RESOURCES = names(
    "all bindings componentstatuses cs configmaps configmap cm endpoints ep events event ev "
    "limitranges limits namespaces namespace ns nodes node no persistentvolumeclaims "
    "persistentvolumeclaim pvc persistentvolumes persistentvolume pv pods pod po podtemplates "
    "replicationcontrollers rc resourcequotas quota secrets secret serviceaccounts serviceaccount "
    "sa services service svc customresourcedefinitions crd crds apiservices deployments deployment "
    "deploy daemonsets daemonset ds replicasets replicaset rs statefulsets statefulset sts "
    "horizontalpodautoscalers hpa cronjobs cronjob cj jobs job ingresses ingress ing "
    "networkpolicies networkpolicy netpol ingressclasses poddisruptionbudgets pdb clusterroles "
    "clusterrole clusterrolebindings clusterrolebinding roles role rolebindings rolebinding "
    "storageclasses storageclass sc certificatesigningrequests csr leases contexts"
)
_NPM = names(
    "access adduser audit author bin bugs build c cache ci clean-install completion config cit "
    "create ddp dedupe deprecate diff dist-tag docs doctor edit exec explain explore find-dupes "
    "fund get help help-search home hook i init innit install install-ci-test install-clean "
    "install-test issues it link list ll login logout la ls ln org outdated owner pack ping pkg "
    "prefix profile prune publish query r rb rebuild remove repo restart rm root rum run "
    "run-script s sbom se search set shrinkwrap star stars start stop t team test token tst un "
    "undeprecate uninstall unlink unpublish unstar up update upgrade urn v version versions view "
    "why whoami x add info find isntall"
)

SUBCOMMANDS: dict[str, frozenset[str]] = {
    "git": names(
        "add am annotate apply archive backfill bisect blame branch bundle bugreport cat-file "
        "check-attr check-ignore check-mailmap check-ref-format checkout checkout-index cherry "
        "cherry-pick citool clean clone column commit commit-graph commit-tree config "
        "count-objects credential daemon describe diagnose diff diff-files diff-index diff-tree "
        "difftool fast-export fast-import fetch fetch-pack filter-branch fmt-merge-msg "
        "for-each-ref for-each-repo format-patch fsck gc get-tar-commit-id grep gui gitk "
        "hash-object help hook http-backend init instaweb interpret-trailers lfs log ls-files "
        "ls-remote ls-tree mailinfo mailsplit maintenance merge merge-base merge-file merge-index "
        "merge-tree mergetool mktag mktree multi-pack-index mv name-rev notes pack-objects "
        "pack-redundant pack-refs prune prune-packed pull push quiltimport range-diff read-tree "
        "rebase receive-pack reflog refs remote repack replace replay request-pull rerere reset "
        "restore rev-list rev-parse revert rm send-email send-pack shortlog show show-branch "
        "show-index show-ref sparse-checkout stage stash status stripspace submodule subtree svn "
        "switch symbolic-ref tag unpack-file unpack-objects update-index update-ref "
        "update-server-info upload-pack var verify-commit verify-pack verify-tag version "
        "whatchanged worktree write-tree"
    ),
    "git stash": names("apply branch clear create drop list pop push save show store"),
    "git remote": names(
        "add get-url prune remove rename rm set-branches set-head set-url show update"
    ),
    "git submodule": names(
        "absorbgitdirs add deinit foreach init set-branch set-url status summary sync update"
    ),
    "git worktree": names("add list lock move prune remove repair unlock"),
    "git bisect": names(
        "bad good help log new next old replay reset run skip start terms view visualize"
    ),
    "docker": names(
        "attach build builder buildx checkpoint commit compose config container context cp create "
        "desktop diff events exec export extension help history image images import info init "
        "inspect kill load login logout logs manifest model network node pause plugin port ps pull "
        "push rename restart rm rmi run save scout search secret service stack start stats stop "
        "swarm system tag top trust unpause update version volume wait debug sandbox mcp ai"
    ),
    "docker compose": _COMPOSE,
    "docker-compose": _COMPOSE,
    "docker container": names(
        "attach commit cp create diff exec export inspect kill logs list ls pause port prune ps "
        "rename restart rm remove run start stats stop top unpause update wait"
    ),
    "docker image": names(
        "build history import inspect list load ls prune pull push remove rm save tag"
    ),
    "docker volume": names("create inspect list ls prune remove rm update"),
    "docker network": names("connect create disconnect inspect list ls prune remove rm"),
    "docker system": names("df dial-stdio events info prune"),
    "kubectl": names(
        "alpha annotate api-resources api-versions apply attach auth autoscale certificate "
        "cluster-info completion config cordon cp create debug delete describe diff drain edit "
        "events exec explain expose get help kustomize label logs options patch plugin "
        "port-forward proxy replace rollout run scale set taint top uncordon version wait"
    ),
    "kubectl get": _RESOURCES,
    "kubectl describe": _RESOURCES,
    "kubectl delete": _RESOURCES,
    "kubectl rollout": names("history pause restart resume status undo"),
    "kubectl config": names(
        "current-context delete-cluster delete-context delete-user get-clusters get-contexts "
        "get-users rename-context set set-cluster set-context set-credentials unset use "
        "use-context view"
    ),
    "systemctl": names(
        "add-requires add-wants bind cancel cat clean condrestart daemon-reexec daemon-reload "
        "default disable edit emergency enable exit force-reload freeze get-default halt help "
        "hibernate hybrid-sleep import-environment is-active is-enabled is-failed "
        "is-system-running isolate kexec kill link list-automounts list-dependencies list-jobs "
        "list-machines list-paths list-sockets list-timers list-unit-files list-units log-level "
        "log-target mask mount-image poweroff preset preset-all reboot reenable reload "
        "reload-or-restart rescue reset-failed restart revert service-watchdogs set-default "
        "set-environment set-property show show-environment sleep soft-reboot start status stop "
        "suspend suspend-then-hibernate switch-root thaw try-reload-or-restart try-restart unmask "
        "unset-environment whoami"
    ),
    "apt": names(
        "autoclean autopurge autoremove build-dep changelog clean depends download edit-sources "
        "full-upgrade help install list moo policy purge rdepends reinstall remove satisfy search "
        "show showsrc source update upgrade"
    ),
    "apt-get": names(
        "autoclean autopurge autoremove build-dep changelog check clean dist-upgrade download "
        "dselect-upgrade indextargets install purge reinstall remove satisfy source update upgrade"
    ),
    "apt-cache": names(
        "depends dotty dump dumpavail gencaches madison pkgnames policy rdepends search show "
        "showpkg showsrc stats unmet xvcg"
    ),
    "dnf": names(
        "alias autoremove check check-update clean config-manager copr deplist distro-sync "
        "downgrade download erase group help history info install list localinstall makecache mark "
        "module provides reinstall remove repolist repoquery search shell swap update updateinfo "
        "upgrade upgrade-minimal versionlock whatprovides"
    ),
    "npm": _NPM,
    "yarn": names(
        "add audit autoclean bin cache check config create dedupe dlx exec generate-lock-entry "
        "global help import info init install licenses link list login logout node outdated owner "
        "pack patch plugin policies publish remove run set tag team unlink unplug up upgrade "
        "upgrade-interactive version versions why workspace workspaces"
    ),
    "pip": names(
        "cache check completion config debug download freeze hash help index inspect install list "
        "lock search show uninstall wheel"
    ),
    "cargo": names(
        "add b bench build c check clean clippy config d doc expand fetch fix fmt "
        "generate-lockfile git-checkout help info init install locate-project login logout "
        "metadata miri new nextest outdated owner package pkgid publish r remove report rm run "
        "rustc rustdoc search t test tree uninstall update upgrade vendor verify-project version "
        "watch yank"
    ),
    "brew": names(
        "abv alias analytics audit autoremove bump bundle cask casks cat cleanup command commands "
        "completions config create deps desc developer dispatch-build-bot docs doctor dr edit "
        "extract fetch formula formulae gist-logs help home info install leaves link list ln "
        "livecheck log ls lsp migrate missing nodenv-sync options outdated pin postinstall "
        "readall reinstall remove rm search services setup-ruby sh shellenv style tap tap-info "
        "tap-new tests uninstall unlink unpin untap up update update-reset upgrade upgrade uses "
        "vendor-gems vendor-install which-formula"
    ),
    "helm": names(
        "completion create dependency dep diff env fetch get help history hist init install lint "
        "list ls package plugin pull push registry repo rollback search secrets show inspect "
        "status template test uninstall del delete un upgrade verify version"
    ),
    "helm repo": names("add index list ls remove rm update up"),
    "go": names(
        "bug build clean doc env fix fmt generate get help install list mod run telemetry test "
        "tool version vet work"
    ),
    "go mod": names("download edit graph init tidy vendor verify why"),
    "ip": names(
        "a ad add addr address addrlabel amt fou help ioam l l2tp li lin link m macsec maddr "
        "maddress monitor mptcp mroute mrule n ne nei neigh neighbor neighbour netconf netns "
        "nexthop ntable ntbl o r ro rou rout route ru rul rule sr stats t tap tcp_metrics "
        "tcpmetrics token tunnel tuntap vrf xfrm"
    ),
    "terraform": names(
        "apply console destroy env fmt force-unlock get graph import init login logout metadata "
        "modules output plan providers push refresh show stacks state taint test untaint validate "
        "version workspace"
    ),
    "gh": names(
        "accessibility agent-task alias api attestation auth browse cache co codespace completion "
        "config extension gist gpg-key help issue label org pr preview project release repo "
        "ruleset run search secret ssh-key status variable workflow"
    ),
    "poetry": names(
        "about add build cache check config debug env export help init install list lock new "
        "publish remove run search self shell show source sync update version"
    ),
    "conda": names(
        "activate clean commands compare config create deactivate doctor env export info init "
        "install list notices package remove rename repoquery run search tos uninstall update "
        "upgrade"
    ),
    "tmux": names(
        "a at attach attach-session detach detach-client has has-session kill-pane kill-server "
        "kill-session kill-window list-buffers list-clients list-commands list-keys list-panes "
        "list-sessions list-windows ls lsw lsp new new-session new-window neww rename "
        "rename-session rename-window select-pane select-window send send-keys set set-option show "
        "show-options source source-file split-window splitw start start-server switch-client info"
    ),
}
SUBCOMMANDS["pip3"] = SUBCOMMANDS["pip"]
SUBCOMMANDS["pnpm"] = _NPM | names("dlx store setup patch deploy fetch server env approve-builds")
SUBCOMMANDS["podman"] = SUBCOMMANDS["docker"] | names(
    "generate healthcheck kube machine mount play pod unmount unshare untag quadlet artifact farm"
)

GLOBAL_VALUES: dict[str, frozenset[str]] = {
    "git": names("-C -c --git-dir --work-tree --namespace"),
    "docker": names("-H --host -c --context --config -l --log-level"),
    "docker compose": names("-f --file -p --project-name --profile --env-file --project-directory"),
    "docker-compose": names("-f --file -p --project-name --profile --env-file"),
    "kubectl": names("-n --namespace --context --cluster --kubeconfig -s --server --user"),
    "systemctl": names("-H --host -M --machine -n -o -t --type -p --property"),
    "npm": names("--prefix -w --workspace --loglevel"),
    "pnpm": names("-C --dir --filter -F"),
    "yarn": names("--cwd"),
    "apt": names("-o -t -c"),
    "apt-get": names("-o -t -c"),
    "dnf": names("-c --releasever --setopt --repo"),
    "helm": names("-n --namespace --kube-context --kubeconfig"),
    "ip": names("-n -netns -f -family"),
    "pip": names("--python --log --proxy --timeout --retries"),
    "tmux": names("-L -S -f -c"),
    "go": names("-C"),
    "cargo": names("--config -Z -C --color"),
}
"""Options before the subcommand that take a value of their own."""

PLUGINS = names("git kubectl docker cargo gh")
"""A program on the PATH called ``git-lfs`` makes ``git lfs``."""
