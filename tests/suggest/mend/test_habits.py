"""How single programs are called."""

from __future__ import annotations

import json

import pytest

FILES = {
    "src/main.py": "",
    "a.txt": "",
    "x.tar": "",
    "x.tar.bz2": "",
    "x.tar.gz": "",
    "x.zip": "",
    "requirements.txt": "",
    ".venv/bin/activate": "",
    ".venv/bin/activate.fish": "",
    "go.mod": "",
    "/home/ada/lib/y.py": "",
    "Makefile": "build: a b\n\techo\nVAR := 1\ntest-all:\n",
    "package.json": json.dumps({"scripts": {"dev": "x", "build:prod": "y"}}),
    "/lib/systemd/system/nginx.service": "",
    "/lib/systemd/system/ssh.socket": "",
}


@pytest.mark.parametrize(
    ("typed", "status", "meant"),
    [
        # archives
        ("tar -xfz x.tar.gz", 2, "tar -xzf x.tar.gz"),
        ("tar -czf src out.tgz", 2, "tar -czf out.tgz src"),
        ("tar -czf src", 2, "tar -czf src.tar.gz src"),
        ("tar -xzf x.tar.bz2", 2, "tar -xjf x.tar.bz2"),
        ("tar -xzf x.zip", 2, "unzip x.zip"),
        ("unzip x.tar.gz", 9, "tar -xf x.tar.gz"),
        ("tar -xf x.tar -C new", 2, "mkdir -p new && tar -xf x.tar -C new"),
        # containers
        ("docker run nginx -d -p 80:80", 127, "docker run -d -p 80:80 nginx"),
        ("docker run -d nginx --name=web sh", 125, "docker run -d --name=web nginx sh"),
        ("docker build -t web", 1, "docker build -t web ."),
        ("docker build", 1, "docker build ."),
        ("docker exec -it web", 1, "docker exec -it web sh"),
        ("kubectl apply app.yaml", 1, "kubectl apply -f app.yaml"),
        ("kubectl exec -it web bash", 1, "kubectl exec -it web -- bash"),
        ("kubectl get pdos", 1, "kubectl get pods"),
        ("docker comopse up", 1, "docker compose up"),
        ("docker compose pu -d", 1, "docker compose up -d"),
        # the network
        ("ssh -P 2222 me@host", 255, "ssh -p 2222 me@host"),
        ("scp -p 2222 a.txt host:", 1, "scp -P 2222 a.txt host:"),
        ("ssh me@host:2222", 255, "ssh -p 2222 me@host"),
        ("scp host:x.log", 1, "scp host:x.log ."),
        ("ping https://example.com/x", 2, "ping example.com"),
        ("curl htps://example.com", 1, "curl https://example.com"),
        ("curl 'http:/example.com/a b'", 3, "curl 'http://example.com/a b'"),
        # small tools
        ("head 20 a.txt", 1, "head -n 20 a.txt"),
        ("chmod a.txt 755", 1, "chmod 755 a.txt"),
        ("chmod x a.txt", 1, "chmod +x a.txt"),
        ("kill -9 firefox", 1, "pkill -9 firefox"),
        ("cp ../lib/y.py", 1, "cp ../lib/y.py ."),
        ("find . -name *.py", 1, "find . -name '*.py'"),
        ("find -name '*.py' src", 1, "find src -name '*.py'"),
        ("sed -i '' 's/a/b/' a.txt", 2, "sed -i 's/a/b/' a.txt"),
        ("awk {print $1} a.txt", 2, "awk '{print $1}' a.txt"),
        ("awk '{print $1' a.txt", 2, "awk '{print $1}' a.txt"),
        ("grep 'a[0' a.txt", 2, "grep -F 'a[0' a.txt"),
        ("python3 -m src/main.py -v", 1, "python3 src/main.py -v"),
        ("source .venv", 1, "source .venv/bin/activate"),
        ("source .venv/activate", 1, "source .venv/bin/activate"),
        ("pip3 install requirements.txt", 1, "pip3 install -r requirements.txt"),
        ("go run", 1, "go run ."),
        ("go test ./..", 1, "go test ./..."),
        ("journalctl ssh", 1, "journalctl -u ssh"),
        ("mkdir src && cd src", 1, "mkdir -p src && cd src"),
        # names a file lists
        ("make biuld", 2, "make build"),
        ("make tset-all VAR=2", 2, "make test-all VAR=2"),
        ("npm run dve", 1, "npm run dev"),
        ("npm dev", 1, "npm run dev"),
        ("systemctl restart ngnix", 5, "systemctl restart nginx"),
        ("systemctl nginx restart", 1, "systemctl restart nginx"),
        ("systemctl restrat nginx", 1, "systemctl restart nginx"),
        ("helm isntall x y", 1, "helm install x y"),
        ("cargo biuld --relase", 101, "cargo build --release"),
        ("apt isntall jq", 100, "apt install jq"),
    ],
)
def test_habits(fix, typed, status, meant):
    assert fix(typed, status, files=FILES, root=True)[0] == meant


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("tar -xzf x.tar.gz", 2),
        ("tar czf out.tgz src", 2),
        ("docker run nginx ls -la", 1),
        ("docker run -d nginx", 125),
        ("docker build -t web .", 1),
        ("docker exec web ls", 1),
        ("kubectl apply -f app.yaml", 1),
        ("ssh host", 255),
        ("scp -P 22 a.txt host:", 1),
        ("curl https://example.com", 6),
        ("head -n 20 a.txt", 1),
        ("kill -9 1234", 1),
        ("kill %1", 1),
        ("chmod 755 a.txt", 1),
        ("find src -name '*.py'", 1),
        ("make build", 2),
        ("npm run dev", 1),
        ("mkdir src", 1),
        ("source .venv/bin/activate", 1),
        ("grep nothing a.txt", 1),
        ("diff a.txt x.zip", 1),
        ("systemctl status nginx", 3),
        ("python3 src/main.py", 1),
        ("false", 1),
        ("test -f x", 1),
        ("git diff --exit-code", 1),
    ],
)
def test_what_fails_for_other_reasons_is_left_alone(fix, typed, status):
    assert fix(typed, status, files=FILES, root=True) == ()


def test_sed_on_a_mac(fix):
    found = fix("sed -i 's/a/b/' a.txt", files=FILES, userland="BSD")
    assert found == ("sed -i '' 's/a/b/' a.txt",)


def test_the_environment_for_fish(fix):
    found = fix("source .venv/bin/activate", files=FILES, shell="fish")
    assert found == ("source .venv/bin/activate.fish",)
