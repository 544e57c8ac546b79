"""Infrastructure of others: clouds, buckets, whole environments."""

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
from cmdai_shell.safety.script import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_ALL = "destroys everything this configuration has set up"
_BUCKET = "deletes everything in a bucket"
_ROWS = from_rows(
    Row("destroy", CRITICAL, _ALL, safer="terraform plan -destroy"),
    Row("run-all|run destroy", CRITICAL, _ALL, safer="terragrunt run-all plan -destroy"),
    Row("apply", CRITICAL, _ALL, "destroy", "terraform plan -destroy"),
    Row(
        "apply",
        DANGEROUS,
        "changes infrastructure without asking",
        "auto-approve",
        "terraform plan",
    ),
    Row("run-all apply", DANGEROUS, "changes infrastructure in many places at once"),
    Row("apply", CAUTION, "changes infrastructure", safer="terraform plan"),
    Row(
        "state rm|push|replace-provider",
        DANGEROUS,
        "forgets what has been set up",
        safer="terraform state list",
    ),
    Row(
        "workspace delete",
        DANGEROUS,
        "forgets what has been set up",
        safer="terraform workspace list",
    ),
    Row("state mv", CAUTION, "changes what is known to be set up"),
    Row("taint|untaint|import|force-unlock", CAUTION, "changes what is known to be set up"),
)

_AWS_VITAL = (
    "db-",
    "table",
    "bucket",
    "stack",
    "cluster",
    "volume",
    "snapshot",
    "file-system",
    "vpc",
    "user",
    "role",
    "hosted-zone",
    "key",
    "repository",
    "user-pool",
    "domain",
    "vault",
    "global-cluster",
    "replication-group",
)


def _aws(call: Call) -> Iterator[Finding]:
    options = Options(call)
    service, verb, *_ = [*options.texts, "", ""]
    if options.has("dryrun", "dry-run"):
        return
    if service == "s3":
        yield from _s3(options, verb)
    elif verb.startswith("terminate-") or verb == "schedule-key-deletion":
        yield Finding(CRITICAL, "ends machines with the data on them, or deletes keys")
    elif verb.startswith(("delete-", "batch-delete-", "purge-", "remove-", "deregister-")):
        thing = verb.partition("-")[2]
        vital = verb.startswith("delete-") and thing.startswith(_AWS_VITAL)
        yield Finding(
            CRITICAL if vital else DANGEROUS, f"deletes something in the cloud ({service} {thing})"
        )
    elif verb.startswith(
        (
            "stop-",
            "reboot-",
            "modify-",
            "update-",
            "put-",
            "create-",
            "run-",
            "start-",
            "attach-",
            "detach-",
            "authorize-",
            "revoke-",
            "associate-",
        )
    ):
        texts = " ".join(word.text for word in call.args)
        opens = any(part in texts for part in ("0.0.0.0/0", "public-read", "AdministratorAccess"))
        yield Finding(
            DANGEROUS if opens else CAUTION,
            "opens it to everybody" if opens else "changes something in the cloud",
        )


def _s3(options: Options, verb: str) -> Iterator[Finding]:
    rest = options.operands[2:]
    if verb == "rm":
        if options.has("recursive"):
            yield Finding(CRITICAL, _BUCKET, line("aws s3 rm --recursive --dryrun", rest))
        else:
            yield Finding(CAUTION, "deletes a file in a bucket")
    elif verb == "rb":
        risk = CRITICAL if options.has("force") else DANGEROUS
        yield Finding(risk, "deletes a bucket with all that is in it", line("aws s3 ls", rest))
    elif verb in ("sync", "mv", "cp"):
        if options.has("delete"):
            yield Finding(
                DANGEROUS,
                "deletes what is only at the goal",
                line("aws s3 sync --delete --dryrun", rest),
            )
        yield Finding(CAUTION, "copies files to or from a bucket")


_VITAL = names(
    "projects instances clusters databases disks buckets group vm aks sql server db "
    "cosmosdb keyvault storage disk account droplet cluster kubernetes database volume "
    "project app apps folders organizations vmss webapp"
)
_DELETES = names("delete destroy purge rm remove terminate del rmi")


def _cloud(call: Call) -> Iterator[Finding]:
    """``gcloud compute instances delete x``: a noun and a verb somewhere among the operands."""
    options = Options(call)
    texts = options.texts
    verbs = [at for at, text in enumerate(texts) if text in _DELETES and at]
    colon = [t for t in texts if t.partition(":")[2] in ("destroy", "delete", "reset", "remove")]
    if "storage" in texts and "rm" in texts:
        risk = CRITICAL if options.has("r", "R", "recursive") else CAUTION
        yield Finding(risk, _BUCKET if risk is CRITICAL else "deletes a file in a bucket")
    elif verbs:
        vital = _VITAL & set(texts[: verbs[0]])
        yield Finding(CRITICAL if vital else DANGEROUS, "deletes something in the cloud")
    elif texts[:1] and texts[0] in ("destroy", "delete", "remove", "rm"):
        yield Finding(
            CRITICAL if texts[0] == "destroy" else DANGEROUS, "deletes something in the cloud"
        )
    elif colon:
        yield Finding(CRITICAL, "deletes something in the cloud")
    elif {"stop", "start", "restart", "create", "update", "deploy", "set"} & set(texts):
        yield Finding(CAUTION, "changes something in the cloud")


def _rclone(call: Call) -> Iterator[Finding]:
    options = Options(call)
    verb = options.texts[0] if options.texts else ""
    rest = options.operands[1:]
    if options.has("n", "dry-run"):
        return
    if verb in ("purge", "delete"):
        yield Finding(CRITICAL, "deletes everything there", line(f"rclone {verb} --dry-run", rest))
    elif verb == "sync":
        yield Finding(
            DANGEROUS, "deletes what is only at the goal", line("rclone sync --dry-run", rest)
        )
    elif verb in ("move", "moveto", "deletefile", "rmdirs", "cleanup", "dedupe"):
        yield Finding(CAUTION, "moves or deletes files there")


def _hadoop(call: Call) -> Iterator[Finding]:
    texts = [word.text for word in call.args]
    if "-rmr" in texts or ("-rm" in texts and {"-r", "-R"} & set(texts)):
        whole = any(text in ("/", "/*", "/user", "/data") for text in texts)
        yield Finding(CRITICAL if whole else DANGEROUS, "deletes folders of the whole cluster")


_CLOUDS = (
    "gcloud",
    "az",
    "doctl",
    "heroku",
    "fly",
    "flyctl",
    "vercel",
    "netlify",
    "hcloud",
    "linode-cli",
    "oci",
    "scw",
    "ibmcloud",
    "firebase",
    "railway",
    "wrangler",
    "openstack",
    "exo",
    "vultr-cli",
    "civo",
    "supabase",
    "aliyun",
    "bq",
    "databricks",
    "nomad",
    "consul",
    "vault",
    "cf",
    "eb",
    "copilot",
    "amplify",
)

CHECKS: dict[str, Check] = {
    **dict.fromkeys(("terraform", "tofu", "terragrunt", "opentofu"), _ROWS),
    **dict.fromkeys(_CLOUDS, _cloud),
    "aws": _aws,
    "rclone": _rclone,
    "gsutil": from_rows(
        Row("rm", CRITICAL, _BUCKET, "r|R|a", "gsutil ls"),
        Row("rb", CRITICAL, "deletes a bucket", safer="gsutil ls"),
        Row("rm", CAUTION, "deletes a file in a bucket"),
        Row("rsync", DANGEROUS, "deletes what is only at the goal", "d"),
    ),
    "s3cmd": from_rows(
        Row("del|rm", CRITICAL, _BUCKET, "r|recursive", "s3cmd ls"),
        Row("rb", CRITICAL, "deletes a bucket"),
        Row("del|rm", CAUTION, "deletes a file in a bucket"),
        Row("sync", DANGEROUS, "deletes what is only at the goal", "delete-removed"),
    ),
    "mc": from_rows(
        Row("rm", CRITICAL, _BUCKET, "r|recursive"), Row("rb", CRITICAL, "deletes a bucket")
    ),
    "vault": from_rows(Row("secrets|auth disable", CRITICAL, "deletes all secrets kept there")),
    "ceph": from_rows(
        Row("osd pool delete|rm", CRITICAL, "deletes a pool with all its data"),
        Row("osd|fs rm|purge|destroy|out", DANGEROUS, "takes storage out of the cluster"),
    ),
    "gluster": from_rows(Row("volume delete|stop|reset", DANGEROUS, "removes or stops a volume")),
    "hdfs": _hadoop,
    "hadoop": _hadoop,
    "pulumi": from_rows(
        Row("destroy|down", CRITICAL, _ALL, safer="pulumi preview"),
        Row("stack rm", CRITICAL, _ALL, "f|force"),
        Row("stack rm", DANGEROUS, "forgets what has been set up"),
        Row("up|update", DANGEROUS, "changes infrastructure without asking", "y|yes"),
        Row("up|update", CAUTION, "changes infrastructure", safer="pulumi preview"),
    ),
    "cdk": from_rows(
        Row("destroy", CRITICAL, _ALL, safer="cdk diff"),
        Row("deploy", CAUTION, "changes infrastructure"),
    ),
    "sam": from_rows(Row("delete", CRITICAL, _ALL)),
    "serverless": from_rows(Row("remove", CRITICAL, _ALL)),
    "sls": from_rows(Row("remove", CRITICAL, _ALL)),
    "ansible-playbook": from_rows(Row("*", CAUTION, "changes other machines")),
    "cloudflared": from_rows(Row("tunnel delete", DANGEROUS, "deletes a tunnel")),
}
