"""Containers, clusters, virtual machines: data and services lost, and daily work."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("docker system prune -af", DANGEROUS),
        ("docker system prune -a --volumes -f", DANGEROUS),
        ("docker system prune", CAUTION),
        ("docker volume prune -f", DANGEROUS),
        ("docker volume rm data", DANGEROUS),
        ("docker volume ls", SAFE),
        ("docker rm -f $(docker ps -aq)", DANGEROUS),
        ("docker ps -aq | xargs docker rm -f", DANGEROUS),
        ("docker rmi -f $(docker images -q)", DANGEROUS),
        ("docker rm web", CAUTION),
        ("docker rm -f web", CAUTION),
        ("docker rmi app:old", CAUTION),
        ("docker stop web", CAUTION),
        ("docker image prune", CAUTION),
        ("docker image prune -a", DANGEROUS),
        ("docker compose down", CAUTION),
        ("docker compose down -v", DANGEROUS),
        ("docker compose -f dev.yaml down --volumes", DANGEROUS),
        ("docker-compose down -v", DANGEROUS),
        ("docker compose up -d", SAFE),
        ("docker compose logs -f", SAFE),
        ("docker run --rm -it ubuntu bash", SAFE),
        ('docker run -v "$PWD":/src app make', SAFE),
        ("docker run --privileged ubuntu", DANGEROUS),
        ("docker run -v /:/host ubuntu ls /host", DANGEROUS),
        ("docker run -v /:/host ubuntu chroot /host", CRITICAL),
        ("docker run --mount type=bind,source=/,target=/host ubuntu", DANGEROUS),
        ("docker run -v /:/host:ro ubuntu", SAFE),
        ("docker exec web rm -rf /", CRITICAL),
        ("docker exec web ls /", SAFE),
        ("docker ps -a", SAFE),
        ("docker build -t app .", SAFE),
        ("podman system reset", DANGEROUS),
        ("kubectl delete ns prod", CRITICAL),
        ("kubectl delete namespace/prod", CRITICAL),
        ("kubectl --context prod delete namespaces web", CRITICAL),
        ("kubectl -n prod delete pvc --all", CRITICAL),
        ("kubectl delete node n1", CRITICAL),
        ("kubectl delete pods --all", DANGEROUS),
        ("kubectl delete all --all -A", CRITICAL),
        ("kubectl delete deployment web", DANGEROUS),
        ("kubectl delete -f web.yaml", DANGEROUS),
        ("kubectl delete pod web-1", CAUTION),
        ("kubectl delete ns prod --dry-run=client", SAFE),
        ("kubectl drain n1 --ignore-daemonsets", DANGEROUS),
        ("kubectl scale deploy web --replicas=0", DANGEROUS),
        ("kubectl scale deploy web --replicas=3", CAUTION),
        ("kubectl apply -f web.yaml", CAUTION),
        ("kubectl rollout restart deploy/web", CAUTION),
        ("kubectl get pods -A", SAFE),
        ("kubectl logs -f deploy/web", SAFE),
        ("kubectl exec -it web -- sh -c 'rm -rf /'", CRITICAL),
        ("helm uninstall web", DANGEROUS),
        ("helm upgrade web ./chart", CAUTION),
        ("helm list", SAFE),
        ("vagrant destroy -f", DANGEROUS),
        ("vagrant up", SAFE),
        ("docker rm $(docker ps -q -f status=exited)", CAUTION),
        ("docker kill $(docker ps -q)", DANGEROUS),
        ("kubectl delete ns prod --dry-run=none", CRITICAL),
        ("kubectl delete all --all -n prod", CRITICAL),
    ],
)
def test_containers(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
