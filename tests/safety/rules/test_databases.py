"""Databases: data lost, changed, or read."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("psql -c 'DROP DATABASE shop'", CRITICAL),
        ("psql shop -c 'drop  schema public cascade;'", CRITICAL),
        ('sudo -u postgres psql -c "drop database shop;"', CRITICAL),
        ("psql -c 'SELECT 1; DROP/**/DATABASE shop'", CRITICAL),
        ("mysql -u root -p -e 'drop database shop'", CRITICAL),
        ("mysql -e'DROP DATABASE shop'", CRITICAL),
        ("echo 'DROP DATABASE shop;' | mysql", CRITICAL),
        ("mysql <<< 'drop database shop'", CRITICAL),
        ("psql <<'EOF'\nBEGIN;\nDROP DATABASE shop;\nEOF", CRITICAL),
        ("docker exec db psql -U postgres -c 'DROP DATABASE shop'", CRITICAL),
        ("dropdb shop", CRITICAL),
        ("mysqladmin -f drop shop", CRITICAL),
        ("psql -c 'DROP TABLE users'", DANGEROUS),
        ("sqlite3 app.db 'DROP TABLE users'", DANGEROUS),
        ("psql -c 'TRUNCATE users'", DANGEROUS),
        ("psql -c 'DELETE FROM users'", DANGEROUS),
        ("psql -c 'DELETE FROM users WHERE 1=1'", DANGEROUS),
        ("psql -c 'DELETE FROM users WHERE id = 3'", CAUTION),
        ("mysql -e 'UPDATE users SET admin = 1'", DANGEROUS),
        ("mysql -e 'UPDATE users SET admin = 1 WHERE id = 3'", CAUTION),
        ("psql -c 'ALTER TABLE users DROP COLUMN name'", DANGEROUS),
        ("psql -c 'INSERT INTO t VALUES (1)'", CAUTION),
        ("psql -f migrate.sql", CAUTION),
        ("mysql shop < dump.sql", CAUTION),
        ("psql -c 'SELECT * FROM users'", SAFE),
        ("psql -c \"SELECT * FROM log WHERE what = 'drop database x'\"", SAFE),
        ("psql -c 'SELECT * FROM deleted_users -- drop database'", SAFE),
        ("sqlite3 app.db 'SELECT count(*) FROM users'", SAFE),
        ("sqlite3 app.db .tables", SAFE),
        ("mysqldump shop > dump.sql", SAFE),
        ("pg_dump shop", SAFE),
        ("redis-cli FLUSHALL", CRITICAL),
        ("redis-cli -h cache -p 6380 flushall async", CRITICAL),
        ("echo flushall | redis-cli", CRITICAL),
        ("redis-cli flushdb", CRITICAL),
        ("redis-cli keys '*' | xargs redis-cli del", DANGEROUS),
        ("redis-cli del key", DANGEROUS),
        ("redis-cli get key", SAFE),
        ("mongosh --eval 'db.dropDatabase()'", CRITICAL),
        ("mongosh shop --eval 'db.users.drop()'", DANGEROUS),
        ("mongosh --eval 'db.users.deleteMany({})'", DANGEROUS),
        ("mongosh --eval 'db.users.find()'", SAFE),
        ("bin/rails db:drop", DANGEROUS),
        ("python manage.py flush", DANGEROUS),
        ("python manage.py runserver", SAFE),
        ("npx prisma migrate reset", DANGEROUS),
        ("mysql --execute='DROP DATABASE shop'", CRITICAL),
        ("mysqladmin -u root drop shop -f", CRITICAL),
        ("wp db reset --yes", DANGEROUS),
        ("heroku pg:psql -c 'DROP TABLE x'", DANGEROUS),
    ],
)
def test_databases(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
