"""Clouds and infrastructure: destroyed, changed, or only looked at."""

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@pytest.mark.parametrize(
    ("command", "risk"),
    [
        ("terraform destroy", CRITICAL),
        ("terraform -chdir=infra destroy -auto-approve", CRITICAL),
        ("tofu destroy", CRITICAL),
        ("terraform apply -destroy", CRITICAL),
        ("terraform apply -auto-approve", DANGEROUS),
        ("terraform apply", CAUTION),
        ("terraform state rm aws_instance.web", DANGEROUS),
        ("terraform plan", SAFE),
        ("terraform plan -destroy", SAFE),
        ("terraform state list", SAFE),
        ("pulumi destroy --yes", CRITICAL),
        ("cdk destroy", CRITICAL),
        ("aws s3 rm s3://bucket --recursive", CRITICAL),
        ("aws --profile prod s3 rm --recursive s3://bucket/a", CRITICAL),
        ("aws s3 rm s3://bucket --recursive --dryrun", SAFE),
        ("aws s3 rm s3://bucket/file.txt", CAUTION),
        ("aws s3 rb s3://bucket --force", CRITICAL),
        ("aws s3 sync . s3://bucket --delete", DANGEROUS),
        ("aws s3 sync . s3://bucket", CAUTION),
        ("aws s3 cp a.txt s3://bucket/", CAUTION),
        ("aws s3 ls", SAFE),
        ("aws ec2 terminate-instances --instance-ids i-1", CRITICAL),
        ("aws ec2 describe-instances", SAFE),
        ("aws ec2 stop-instances --instance-ids i-1", CAUTION),
        ("aws rds delete-db-instance --db-instance-identifier x", CRITICAL),
        ("aws dynamodb delete-table --table-name t", CRITICAL),
        ("aws cloudformation delete-stack --stack-name s", CRITICAL),
        ("aws sqs purge-queue --queue-url q", DANGEROUS),
        ("aws ec2 authorize-security-group-ingress --cidr 0.0.0.0/0", DANGEROUS),
        ("gcloud projects delete p", CRITICAL),
        ("gcloud compute instances delete vm-1 --quiet", CRITICAL),
        ("gcloud compute instances list", SAFE),
        ("gcloud storage rm -r gs://bucket", CRITICAL),
        ("gsutil -m rm -r gs://bucket", CRITICAL),
        ("gsutil ls", SAFE),
        ("az group delete -n rg --yes", CRITICAL),
        ("az vm list", SAFE),
        ("doctl compute droplet delete 1 -f", CRITICAL),
        ("heroku apps:destroy web", CRITICAL),
        ("heroku logs --tail", SAFE),
        ("rclone purge remote:path", CRITICAL),
        ("rclone sync a remote:a", DANGEROUS),
        ("rclone ls remote:", SAFE),
        ("ceph osd pool delete x x --yes-i-really-really-mean-it", CRITICAL),
        ("hdfs dfs -rm -r -skipTrash /", CRITICAL),
        ("hdfs dfs -ls /", SAFE),
        ("vault secrets disable kv", CRITICAL),
        ("vault kv get x", SAFE),
    ],
)
def test_cloud(command: str, risk: Risk) -> None:
    assert assess(command).risk is risk
