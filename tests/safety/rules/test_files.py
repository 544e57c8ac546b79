"""Deleting, overwriting, moving, re-owning files."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("rm -rf /", CRITICAL),
        ("rm -rf /*", CRITICAL),
        ("rm -rf ~", CRITICAL),
        ('rm -rf "$HOME"', CRITICAL),
        ("rm -rf $UNSET/*", CRITICAL),
        ("rm -rf /etc", CRITICAL),
        ("cd / && rm -rf *", CRITICAL),
        ('rm -rf "$dir"', DANGEROUS),
        ("rm -rf .", DANGEROUS),
        ("rm -rf *", DANGEROUS),
        ("rm -rf .git", DANGEROUS),
        ("rm -rf src", DANGEROUS),
        ("rm -rf ~/projects/*", DANGEROUS),
        ("rm -rf ./build", CAUTION),
        ("rm -rf node_modules dist target", CAUTION),
        ("rm -rf /tmp/cache", CAUTION),
        ("rm -rf *.log", CAUTION),
        ("rm .env", CAUTION),
        ("rm ~/foo.txt", CAUTION),
        ("rm --help", SAFE),
        ("rm /etc/passwd", CRITICAL),
        ("cd /etc && sudo rm passwd", CRITICAL),
        ("cd /etc; chmod 666 shadow", CRITICAL),
        ("rm -rf a src b", DANGEROUS),
        ("rm /etc/systemd/system/old.service", DANGEROUS),
        ("find / -delete", CRITICAL),
        ("find / -type f -exec rm {} +", CRITICAL),
        ("find . -name '*.pyc' -delete", CAUTION),
        ("find . -type f -delete", DANGEROUS),
        ("mv /* /dev/null", CRITICAL),
        ("mv a b", CAUTION),
        ("cp a b", SAFE),
        ("cp x /etc/passwd", CRITICAL),
        ("sudo cp x.service /etc/systemd/system/", DANGEROUS),
        ("truncate -s 0 /etc/passwd", CRITICAL),
        ("truncate -s 0 app.log", CAUTION),
        ("tee /etc/passwd", CRITICAL),
        ("echo '10.0.0.1 x' | sudo tee -a /etc/hosts", DANGEROUS),
        ("sudo sed -i s/a/b/ /etc/ssh/sshd_config", DANGEROUS),
        ("sed -i s/a/b/ notes.txt", CAUTION),
        ("sed -n 1,5p notes.txt", SAFE),
        ("> /dev/sda", CRITICAL),
        ("ls > /dev/null 2>&1", SAFE),
        ("echo x > out.txt", SAFE),
        ("chmod -R 777 /", CRITICAL),
        ("chmod -R 777 .", DANGEROUS),
        ("chmod +x run.sh", CAUTION),
        ("chmod -R 755 /var/www", CAUTION),
        ("chown -R nobody /", CRITICAL),
        ("sudo chown -R www-data:www-data /var/www/app", CAUTION),
        ("rsync -a --delete empty/ /", CRITICAL),
        ("rsync -a --delete a/ b/", DANGEROUS),
        ("rsync -av a/ b/", SAFE),
        ("tar czf a.tgz a", SAFE),
        ("tar cf /dev/sda a", CRITICAL),
        ("tar cf a.tar --to-command='rm -rf /' a", CRITICAL),
        ("sed '1e rm -rf /' x", CRITICAL),
        ("vim -c '!rm -rf /'", CRITICAL),
        ("vim notes.txt", SAFE),
        ("ln -sf a b", SAFE),
        ("install -m 4755 sh /tmp/sh", CRITICAL),
        ("install -m 755 tool ~/bin/tool", SAFE),
        ("echo 3 | sudo tee /proc/sys/vm/drop_caches", CAUTION),
        ("cat ~/.ssh/id_rsa.pub | ssh u@h 'cat >> ~/.ssh/authorized_keys'", CAUTION),
        ("cat k | ssh u@h 'cat >> ~/.ssh/authorized_keys'", CRITICAL),
        ("sudo cp ~/passwd /etc/", CRITICAL),
        ("sudo cp ~/passwd /etc", CRITICAL),
        ("cp notes.txt docs/", SAFE),
        ("cp -t /etc passwd", CRITICAL),
        ("rsync -an --delete a/ b/", SAFE),
        ("cp *.txt ~/", SAFE),
        ("cp a /tmp/", SAFE),
        ("find ~/Downloads -name '*.dmg' -delete", CAUTION),
        ("mv ~/Downloads/*.pdf ~/Documents/", CAUTION),
        ("sudo cp /etc/hosts /etc/hosts.bak", CAUTION),
        ("sudo install -m 755 x /usr/local/bin/x", CAUTION),
        ("cp key ~/.ssh/id_rsa", DANGEROUS),
        ("find . -mtime +1 -exec rm -r {} \\;", DANGEROUS),
        ("find . -mtime +1 -type f -exec rm {} +", CAUTION),
        ("find . -name __pycache__ -exec rm -rf {} +", CAUTION),
        ("xargs -a list -I % sh -c 'rm -rf /%'", CRITICAL),
        ("find . -name '*.py' -exec truncate -s 0 {} +", DANGEROUS),
    ],
)
def test_files(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk


@pytest.mark.parametrize(
    ("command", "safer"),
    [
        ("rm -rf '/home/u/my files/..'", "ls -la -- '/home/u/my files/..'"),
        ("rm -rf ~/'my projects'/src", "ls -la -- ~/'my projects/src'"),
        ('rm -rf "$dir"', ""),
        ('mv "$a" b', ""),
        ("mv 'a b' c", "mv -i -- 'a b' c"),
        ("find . -delete", "find ."),
    ],
)
def test_what_is_offered_instead_can_be_run_as_it_stands(command: str, safer: str) -> None:
    assert assess(command).safer == safer
