"""Nothing that looks like a credential is written."""

from __future__ import annotations

import pytest

from cmdai_shell.observe.redact import MARK, redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("curl -H 'Authorization: Bearer abcdef1234567890'", "abcdef1234567890"),
        ("export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("git push https://me:hunter22@example.com/x", "hunter22"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc"),
        ("sk-proj-abcdefghijklmnop", "sk-proj-abc"),
        ('{"api_key": "s3cr3tv4lue"}', "s3cr3tv4lue"),
        ("mysql --password=letmein now", "letmein"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIi"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ],
)
def test_a_secret_goes(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert MARK in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "ls -la /home/me/tokens",
        "risk-based disk usage",
        '{"event": "request", "op": "suggest", "elapsed_ms": 12.5}',
        "https://example.com:8080/path@2",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


FORMS = """
mysql -u root -phunter2 db
mysqldump -uroot -p'hunter2' db
curl -u bob:hunter2 http://x
curl --user "bob:hunter2" x
curl -ubob:hunter2 x
curl -s 'http://x?a=1;b=2' -u bob:hunter2
curl -H 'Authorization: Bearer hunter2'
curl -H 'Authorization: Token hunter2'
curl -H 'X-Api-Key: hunter2'
curl 'https://x/?token=hunter2'
wget --user=a --password=hunter2 u
wget --http-password hunter2 u
http -a bob:hunter2 x
lftp -u bob,hunter2 h
ftp://bob:hunter2@h/
git clone https://bob:hunter2@git.example.com/x
psql postgres://u:hunter2@h/db
PGPASSWORD=hunter2 psql
SSHPASS=hunter2 sshpass -e ssh h
sshpass -p hunter2 ssh h
sshpass -phunter2 ssh h
docker login -u a -p hunter2
docker run -e DB_PASS=hunter2 x
docker run -e "API_KEY=hunter2" x
echo hunter2 | sudo -S ls
printf '%s\\n' hunter2 | sudo -S ls
echo 'bob:hunter2' | chpasswd
echo hunter2 | docker login --password-stdin
chpasswd <<< bob:hunter2
cryptsetup <<< hunter2
htpasswd -b f bob hunter2
htpasswd -nb bob hunter2
openssl enc -k hunter2
openssl rsa -passin pass:hunter2
aws configure set aws_secret_access_key hunter2
AWS_SECRET_ACCESS_KEY=hunter2 aws s3 ls
ldapsearch -w hunter2
smbclient -U bob%hunter2 //x
redis-cli -a hunter2
mongo -u a -p hunter2
7z a -phunter2 x.7z y
zip -P hunter2 x y
unzip -P hunter2 x
gpg --passphrase hunter2
my password is hunter2 connect to mysql
login with password hunter2
net user bob hunter2
kubectl create secret generic x --from-literal=pw=hunter2
rclone obscure hunter2
xfreerdp /u:bob /p:hunter2 /v:h
ansible-vault --vault-password hunter2
mosquitto_pub -P hunter2
snmpwalk -c public -A hunter2
nmcli dev wifi connect X password hunter2
wpa_passphrase net hunter2
svn --password hunter2 co
sqlcmd -U sa -P hunter2
az login -p hunter2
vault kv put x pw=hunter2
passwd=hunter2 x
"""


@pytest.mark.parametrize("text", FORMS.strip().splitlines())
def test_what_programs_take_goes_and_nothing_else(text: str) -> None:
    kept = redact(text)
    assert "hunter2" not in kept
    assert MARK in kept
    assert kept.split()[0].partition("=")[0] == text.split()[0].partition("=")[0] or "://" in text


@pytest.mark.parametrize(
    "text",
    [
        "mysql -u root -p shop",
        "mysql -P 3306; ssh -p2222 host",
        "docker run -p 8080:80 -e LANG=C nginx",
        "unzip -p a.zip notes.txt | less",
        "curl -u bob https://example.org",
        "git log --author=alice",
        'docker run -v "$PWD":/app node',
        "getent passwd 1001",
        'mysql -p"$PASSWORD" && curl -u "bob:$TOKEN" x',
        "grep -r password src2/app1.py",
        "echo hello | sudo tee /etc/motd",
        "wget --ask-password https://example.org/a.zip",
        "openssl rsa -in key.pem -passin file:pass.txt",
    ],
)
def test_ordinary_commands_stay(text: str) -> None:
    assert redact(text) == text
