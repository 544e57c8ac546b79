"""Databases: SQL on the line, in a here-document or piped in, and the clients' own commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.folding import stdin_of
from cmdai_shell.safety.rules.rule import (
    CAUTION,
    CRITICAL,
    DANGEROUS,
    Finding,
    Options,
    Row,
    from_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.core import Risk
    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_NOISE = re.compile(r"/\*.*?\*/|--[^\n]*|'(?:[^']|'')*'", re.DOTALL)
_DROPS_TABLE = "deletes a table with all its rows"
_ROWS = "deletes every row of a table"
_STATEMENTS: tuple[tuple[str, Risk, str], ...] = (
    (
        r"\bdrop\s+(?:database|schema|keyspace|owned|catalog)\b",
        CRITICAL,
        "deletes a whole database",
    ),
    (r"\bdrop\s+(?:table|materialized|collection|measurement)\b", DANGEROUS, _DROPS_TABLE),
    (
        r"\bdrop\s+(?:user|role|login|tablespace|column|extension|view|function|type|sequence"
        r"|trigger|index|partition|constraint)\b",
        DANGEROUS,
        "removes a part of a database",
    ),
    (r"\btruncate\b(?!\s*\()", DANGEROUS, _ROWS),
    (
        r"\bto\s+program\b|\bxp_cmdshell\b|\bsys_exec\b",
        CRITICAL,
        "runs a program with the database's rights",
    ),
    (
        r"\b(?:superuser|createrole)\b|\bgrant\s+all\b",
        DANGEROUS,
        "gives somebody all rights over the database",
    ),
    (r"^\s*shutdown\b", DANGEROUS, "stops the database"),
    (
        r"^\s*(?:insert|create|alter|grant|revoke|replace|merge|copy|load|rename)\b",
        CAUTION,
        "changes the database",
    ),
)
_COMPILED = tuple(
    (re.compile(text, re.IGNORECASE), risk, reason) for text, risk, reason in _STATEMENTS
)
_DELETE = re.compile(r"\bdelete\s+from\b", re.IGNORECASE)
_UPDATE = re.compile(r"\bupdate\s+[\w.\"`\[\]]+(?:\s+\w+)?\s+set\b", re.IGNORECASE)
_WHERE = re.compile(r"\bwhere\b(?!\s+(?:true\b|1\s*=\s*1|1\s*$))", re.IGNORECASE)
"""A condition that leaves rows out."""


def _sql(call: Call) -> Iterator[Finding]:
    """Every argument is looked through: each client has another option for statements."""
    given = [re.sub(r"^(?:-[ceq](?=\w)|--[\w-]+=)", "", word.text) for word in call.args]
    for text in [*given, stdin_of(call) or ""]:
        for statement in _NOISE.sub(" ", text[:8192]).split(";"):
            yield from _statement(statement)
    if any(fed.program in ("curl", "wget") for fed in call.fed_by):
        yield Finding(DANGEROUS, "runs statements from the network that nobody has looked at")
    if any(r.operator == "<" for r in call.redirects) or Options(call).has("f", "file"):
        yield Finding(CAUTION, "runs the statements in a file")


def _statement(text: str) -> Iterator[Finding]:
    for pattern, risk, reason in _COMPILED:
        if pattern.search(text):
            yield Finding(risk, reason)
    some = _WHERE.search(text) is not None
    if _DELETE.search(text):
        yield Finding(CAUTION if some else DANGEROUS, "deletes rows of a table" if some else _ROWS)
    if _UPDATE.search(text):
        what = "changes rows of a table" if some else "changes every row of a table"
        yield Finding(CAUTION if some else DANGEROUS, what)


def _redis(call: Call) -> Iterator[Finding]:
    options = Options(call)
    words = " ".join([*options.texts, stdin_of(call) or ""]).lower().split()
    found = set(words)
    if found & {"flushall", "flushdb"}:
        yield Finding(CRITICAL, "deletes everything in the database", "redis-cli dbsize")
    if "shutdown" in found:
        yield Finding(DANGEROUS, "stops the database")
    if found & {"del", "unlink"}:
        yield Finding(DANGEROUS, "deletes data from the database")
    if {"config", "set"} <= found:
        risky = found & {"dir", "dbfilename", "requirepass", "save", "appendonly"}
        yield Finding(DANGEROUS if risky else CAUTION, "changes how the database runs")
    elif found & {"set", "rename", "expire", "eval", "lpush", "hset", "hdel", "migrate", "swapdb"}:
        yield Finding(CAUTION, "changes the database")
    if found & {"replicaof", "slaveof", "debug", "failover"}:
        yield Finding(DANGEROUS, "replaces what is in the database, or stops it")


def _mongo(call: Call) -> Iterator[Finding]:
    text = " ".join([*(word.text for word in call.args), stdin_of(call) or ""])
    if re.search(r"dropDatabase\s*\(|dropAllUsers", text):
        yield Finding(CRITICAL, "deletes a whole database")
    if re.search(r"\.drop\s*\(", text):
        yield Finding(DANGEROUS, _DROPS_TABLE)
    if re.search(r"\.(?:deleteMany|remove|updateMany)\s*\(\s*\{\s*\}", text):
        yield Finding(DANGEROUS, "deletes or changes everything in a collection")
    elif re.search(r"\.(?:delete|remove|update|insert|replace|create|rename)\w*\s*\(", text):
        yield Finding(CAUTION, "changes the database")
    if re.search(r"shutdownServer|dropUser|dropRole", text):
        yield Finding(DANGEROUS, "stops the database or removes its users")


def _tasks(call: Call) -> Iterator[Finding]:
    """Tasks of web frameworks that empty the project's database."""
    texts = [word.text for word in call.args]
    tasks = {
        "db:drop",
        "db:reset",
        "db:schema:load",
        "db:purge",
        "db:drop:all",
        "migrate:fresh",
        "migrate:reset",
        "db:wipe",
        "migrate:refresh",
        "ecto.drop",
        "ecto.reset",
        "db:migrate:reset",
    }
    manage = any(text.endswith("manage.py") for text in (call.words[0].text, *texts[:1]))
    if tasks & set(texts) or (manage and {"flush", "reset_db", "sqlflush"} & set(texts)):
        yield Finding(DANGEROUS, "deletes all data of this project's database")
    if "prisma" in (call.program, *texts[:2]) and (
        {"migrate", "reset"} <= set(texts) or "--force-reset" in texts
    ):
        yield Finding(DANGEROUS, "deletes all data of this project's database")


_SITE = from_rows(Row("db reset|drop|clean", DANGEROUS, "deletes all data of this site"))


def _site(call: Call) -> Iterator[Finding]:
    yield from _sql(call)
    yield from _SITE(call)


_CLIENTS = (
    "psql",
    "mysql",
    "mariadb",
    "sqlite3",
    "sqlite",
    "duckdb",
    "clickhouse-client",
    "clickhouse",
    "cockroach",
    "sqlcmd",
    "sqlplus",
    "bq",
    "mycli",
    "pgcli",
    "litecli",
    "usql",
    "isql",
    "db2",
    "snowsql",
    "hive",
    "beeline",
    "trino",
    "presto",
    "impala-shell",
    "cqlsh",
    "spark-sql",
    "influx",
    "surreal",
    "osql",
    "tsql",
    "mclient",
)
_WHOLE = "deletes a whole database"

_TOPICS = from_rows(Row("", DANGEROUS, "deletes a topic with all its messages", "delete"))

CHECKS: dict[str, Check] = {
    **dict.fromkeys(_CLIENTS, _sql),
    **dict.fromkeys(("redis-cli", "valkey-cli", "keydb-cli"), _redis),
    **dict.fromkeys(("mongo", "mongosh"), _mongo),
    **dict.fromkeys(
        (
            "rails",
            "rake",
            "php",
            "artisan",
            "mix",
            "python",
            "python3",
            "manage.py",
            "npx",
            "prisma",
            "bin/rails",
            "yarn",
            "pnpm",
            "sail",
        ),
        _tasks,
    ),
    "wp": _site,
    "drush": from_rows(Row("sql-drop|sql:drop", DANGEROUS, "deletes all data of this site")),
    "heroku": _sql,
    "dropdb": from_rows(Row("", CRITICAL, _WHOLE, safer="psql -l")),
    "dropuser": from_rows(Row("", DANGEROUS, "removes a user of the database")),
    "mysqladmin": from_rows(
        Row("drop", CRITICAL, _WHOLE),
        Row("shutdown", DANGEROUS, "stops the database"),
        Row("kill|flush-privileges|password", CAUTION, "changes how the database runs"),
    ),
    "pg_dropcluster": from_rows(
        Row("", CRITICAL, "deletes a database server with all its data", safer="pg_lsclusters")
    ),
    "pg_resetwal": from_rows(
        Row(
            "", CRITICAL, "throws away the database's log, data may be lost", safer="pg_controldata"
        )
    ),
    "pg_restore": from_rows(
        Row("", DANGEROUS, "replaces what is in the database", "c|clean"),
        Row("", CAUTION, "changes the database", "d|dbname"),
    ),
    "mongorestore": from_rows(
        Row("", DANGEROUS, "replaces what is in the database", "drop"),
        Row("", CAUTION, "changes the database"),
    ),
    "pg_ctl": from_rows(Row("stop|kill", DANGEROUS, "stops the database")),
    "alembic": from_rows(
        Row("downgrade base", DANGEROUS, "deletes all tables of this project"),
        Row("upgrade|downgrade|stamp", CAUTION, "changes the database"),
    ),
    "kafka-topics": _TOPICS,
    "kafka-topics.sh": _TOPICS,
    "rabbitmqctl": from_rows(
        Row(
            "reset|force_reset|delete_vhost|purge_queue|delete_queue|stop_app|stop|shutdown",
            DANGEROUS,
            "deletes queues, or stops what serves them",
        )
    ),
}
