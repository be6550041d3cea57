"""The template played against moto, which answers as AWS does, inside this process.

botocore checks each call against AWS's own description of its services: a property that ECS, RDS
or ElastiCache does not know, or of another type, fails here.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws

from scripts.cloud.template import Rendered, load, task_definition
from scripts.containers.engine import expect, say

REGION, STACK, HOST = "us-east-1", "fintech", "money.example.org"
NOT_IN_MOTO = (
    "AWS::SecretsManager::Secret",
    "AWS::CertificateManager::Certificate",
    "AWS::ElastiCache::SubnetGroup",
    "AWS::ElastiCache::ParameterGroup",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::RDS::DBParameterGroup",
    "AWS::RDS::DBInstance",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::S3::BucketPolicy",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Route53::RecordSet",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
    "AWS::SNS::TopicPolicy",
    "AWS::CloudWatch::Alarm",
)
"""Types that moto's CloudFormation cannot make, or makes wrongly. Secrets, certificate, servers,
ranges, firewall, alarms and policies are made by calls of their own; the others are cfn-lint's
alone."""


@contextmanager
def account() -> Iterator[None]:
    """Enter an AWS account of our own, from which nothing reaches a real one."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": REGION,
    }  # fmt: skip
    with mock_aws():
        yield


def parameters(zone: str) -> dict[str, str]:
    """Return the template's parameters, for a stack that serves."""
    return {
        "HostName": HOST, "HostedZoneId": zone, "Serving": "yes", "ImageTag": "1",
        "MigrationTag": "1", "OpenAI": "yes", "Mail": "yes", "Firewall": "yes",
        "FurtherPort": "4318", "AlarmEmail": "ada@example.org",
    }  # fmt: skip


def make_zone() -> str:
    """Make the zone that the operator has already."""
    made = boto3.client("route53").create_hosted_zone(Name="example.org", CallerReference="1")
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]


def make_secrets(rendered: Rendered) -> dict[str, str]:
    """Make the secrets as the template says, and as `deploy.sh secrets` does; return their ARNs."""
    client = boto3.client("secretsmanager")
    found = {}
    for name, each in rendered.of_type("AWS::SecretsManager::Secret").items():
        arn = client.create_secret(Name=each["Name"])["ARN"]
        how = each.get("GenerateSecretString")
        value = client.get_random_password(**how)["RandomPassword"] if how else "given"
        client.put_secret_value(SecretId=arn, SecretString=each.get("SecretString", value))
        found[name] = arn
    return found


def make_servers(rendered: Rendered) -> None:
    """Make PostgreSQL and Redis by calls that take the template's properties."""
    database = {
        key: each
        for key, each in rendered.resource("Database").items()
        if key not in ("VPCSecurityGroups", "DBSubnetGroupName", "DBParameterGroupName")
    }
    database |= {key: int(database[key]) for key in ("AllocatedStorage", "MaxAllocatedStorage")}
    database["MultiAZ"] = database["MultiAZ"] == "true"
    made = boto3.client("rds").create_db_instance(DBInstanceIdentifier=STACK, **database)
    expect(made["DBInstance"]["StorageEncrypted"], "the database is not encrypted")
    expect(made["DBInstance"]["MultiAZ"], "the database has no standby")

    broker = {
        key: each == "true" if key in ("MultiAZEnabled", "AutomaticFailoverEnabled") else each
        for key, each in rendered.resource("Broker").items()
        if key not in ("CacheSubnetGroupName", "CacheParameterGroupName", "SecurityGroupIds")
    }
    group = boto3.client("elasticache").create_replication_group(ReplicationGroupId=STACK, **broker)
    expect(group["ReplicationGroup"]["TransitEncryptionEnabled"], "Redis speaks without TLS")
    say("database and broker are taken")


def register_tasks(rendered: Rendered) -> None:
    """Register each task definition as `deploy/ecs/task-definition.json` would be."""
    client = boto3.client("ecs")
    secrets = {each["ARN"] for each in boto3.client("secretsmanager").list_secrets()["SecretList"]}
    for name in rendered.of_type("AWS::ECS::TaskDefinition"):
        made = client.register_task_definition(**task_definition(rendered, name))
        for container in made["taskDefinition"]["containerDefinitions"]:
            asked = {each["valueFrom"] for each in container.get("secrets", ())}
            expect(asked <= secrets, f"{name} asks for secrets that are not there")
        say(f"{name} is registered as {made['taskDefinition']['family']}:1")


def create_stack(names: dict[str, str], given: dict[str, str]) -> None:
    """Let moto's CloudFormation make what it can, beside what the calls above made."""
    template = load()
    resources = template["Resources"].items()
    without = {name for name, each in resources if each["Type"] in NOT_IN_MOTO}
    template = _with_names(template, without, names)
    for name in without:
        del template["Resources"][name]
    client = boto3.client("cloudformation")
    client.create_stack(
        StackName=STACK, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )  # fmt: skip
    made = client.list_stack_resources(StackName=STACK)["StackResourceSummaries"]
    missing = set(template["Resources"]) - {each["LogicalResourceId"] for each in made}
    expect(not missing, f"not made: {sorted(missing)}")
    say(f"the stack is made: {len(made)} resources; moto knows not how to make {len(without)}")


def _with_names(raw: Any, without: set[str], names: dict[str, str]) -> Any:  # noqa: ANN401 - any part of a template
    """Return part of a template with references to what is left out replaced by names."""
    if isinstance(raw, list):
        return [_with_names(each, without, names) for each in raw]
    if not isinstance(raw, dict):
        return raw
    for function in ("Ref", "Fn::GetAtt"):
        if function in raw:
            name = ".".join(raw[function]) if function == "Fn::GetAtt" else raw[function]
            resource = name.partition(".")[0]
            return names.get(name, f"left-out-{resource}") if resource in without else raw
    return {key: _with_names(each, without, names) for key, each in raw.items()}


def add_what_moto_leaves_out(rendered: Rendered) -> None:
    """Set the bucket's policy and the ranges of the services by calls of their own."""
    [bucket] = [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]]
    policy = rendered.resource("BackupsPolicy")["PolicyDocument"]
    boto3.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    client = boto3.client("application-autoscaling")
    for name in ("Web", "Sync"):
        target = rendered.resource(f"{name}Range")
        client.register_scalable_target(**target)
        scaling = rendered.resource(f"{name}Scaling")
        del scaling["ScalingTargetId"]
        where = {
            key: target[key] for key in ("ServiceNamespace", "ScalableDimension", "ResourceId")
        }
        client.put_scaling_policy(**scaling, **where)
    found = client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    expect(len(found) == 2, f"{len(found)} services scale")
    say("web servers and sync workers scale")


def put_firewall_before_balancer(rendered: Rendered) -> None:
    """Make the firewall by a call of its own, whose shapes boto3 compares, and let it stand."""
    client = boto3.client("wafv2")
    wanted = rendered.resource("WebFirewall")
    _in_bytes(wanted)
    made = client.create_web_acl(Name=STACK, **wanted)["Summary"]
    [balancer] = boto3.client("elbv2").describe_load_balancers()["LoadBalancers"]
    arn = balancer["LoadBalancerArn"]
    client.associate_web_acl(WebACLArn=made["ARN"], ResourceArn=arn)
    found = client.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["Rules"]
    expect(len(found) == len(wanted["Rules"]), f"the firewall has {len(found)} rules")
    say(f"a firewall of {len(found)} rules stands before the balancer")


def set_alarms(rendered: Rendered) -> None:
    """Set the alarms by calls of their own, and let the services that ring write to the topic."""
    topics = boto3.client("sns")
    [topic] = [each["TopicArn"] for each in topics.list_topics()["Topics"]]
    policy = json.dumps(rendered.resource("AlarmsPolicy")["PolicyDocument"])
    topics.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    [mail] = topics.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    expect(mail["Endpoint"] == "ada@example.org", f"alarms go to {mail['Endpoint']}")
    client = boto3.client("cloudwatch")
    wanted = rendered.of_type("AWS::CloudWatch::Alarm")
    for name, each in wanted.items():
        client.put_metric_alarm(AlarmName=name, **each)
    found = client.describe_alarms(AlarmNames=list(wanted))["MetricAlarms"]
    expect(len(found) == len(wanted), f"there are {len(found)} alarms")
    rules = boto3.client("events").list_rules()["Rules"]
    ringing = [each for each in rules if "EventPattern" in each]
    expect(len(ringing) == 2, f"{len(ringing)} rules watch what ends")
    say(f"{len(found)} alarms and {len(ringing)} rules ring")


def _in_bytes(part: Any) -> None:  # noqa: ANN401 - any part of a template
    """Write what the API takes as bytes, and a template as text, as bytes."""
    if isinstance(part, list):
        for each in part:
            _in_bytes(each)
    elif isinstance(part, dict):
        if "SearchString" in part:
            part["SearchString"] = part["SearchString"].encode()
        for each in part.values():
            _in_bytes(each)


def check_edge() -> None:
    """Plain HTTP leads to HTTPS, metrics stay inside, health is asked for."""
    client = boto3.client("elbv2")
    [balancer] = client.describe_load_balancers()["LoadBalancers"]
    listeners = client.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    by_port = {each["Port"]: each for each in listeners}
    expect(set(by_port) == {80, 443}, f"the balancer listens on {sorted(by_port)}")
    expect(by_port[80]["DefaultActions"][0]["Type"] == "redirect", "port 80 does not redirect")
    expect(by_port[443]["Certificates"], "port 443 has no certificate")
    rules = client.describe_rules(ListenerArn=by_port[443]["ListenerArn"])["Rules"]
    [metrics] = [rule for rule in rules if not rule["IsDefault"]]
    expect(metrics["Actions"][0]["Type"] == "fixed-response", "/metrics is reached from outside")
    [group] = client.describe_target_groups()["TargetGroups"]
    expect(group["HealthCheckPath"] == "/health", f"health is {group['HealthCheckPath']}")
    say("the balancer redirects to https, hides /metrics and asks for /health")


def check_services() -> None:
    """Each service runs its task; the scheduler is one and never two."""
    client = boto3.client("ecs")
    arns = client.list_services(cluster=STACK)["serviceArns"]
    found = client.describe_services(cluster=STACK, services=arns)["services"]
    by_name = {each["serviceName"]: each for each in found}
    expect(
        set(by_name) == {"fintech-app", "celery", "celery-sync", "celery-beat"},
        f"the services are {sorted(by_name)}",
    )
    expect(by_name["fintech-app"]["desiredCount"] == 2, "not two web servers")
    expect(by_name["celery-beat"]["desiredCount"] == 1, "not one scheduler")
    say("four services run, one of them the scheduler, once")


def check_bucket(rendered: Rendered) -> None:
    """Backups are private, versioned, encrypted, and asked for by TLS only."""
    client = boto3.client("s3")
    [bucket] = [each["Name"] for each in client.list_buckets()["Buckets"]]
    # moto's CloudFormation makes the bucket without these.
    wanted = rendered.resource("Backups")
    closed = wanted["PublicAccessBlockConfiguration"]
    client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed)
    rules = [
        {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        for rule in wanted["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ]
    client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    client.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration=wanted["VersioningConfiguration"]
    )
    found = client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    expect(len(found) == 4 and all(found.values()), f"the bucket is open: {found}")
    versions = client.get_bucket_versioning(Bucket=bucket)
    expect(versions.get("Status") == "Enabled", "the bucket keeps no versions")
    policy = json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])
    [statement] = policy["Statement"]
    expect(statement["Effect"] == "Deny", "the policy allows something")
    is_plain = statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    expect(is_plain, "plain http is let in")
    say("the bucket is private, versioned, encrypted, and speaks TLS only")


def play() -> None:
    """Make everything in an account of our own, and look at what was made."""
    with account():
        given = parameters(make_zone())
        before = Rendered(load(), given, {"AWS::StackName": STACK, "AWS::Region": REGION})
        names = make_secrets(before)
        names["Certificate"] = boto3.client("acm").request_certificate(DomainName=HOST)[
            "CertificateArn"
        ]
        rendered = Rendered(
            load(),
            given,
            {
                **before.names, **names, "Logs": f"/ecs/{STACK}",
                "ExecutionRole.Arn": "arn:aws:iam::123456789012:role/execution",
                "BackupRole.Arn": "arn:aws:iam::123456789012:role/backup",
                "Cluster": STACK, "Web.Name": "fintech-app", "Sync.Name": "celery-sync",
                "Backups.Arn": f"arn:aws:s3:::{STACK}-backups-123456789012-{REGION}",
            },
        )  # fmt: skip
        make_servers(rendered)
        register_tasks(rendered)
        create_stack(names, given)
        add_what_moto_leaves_out(rendered)
        check_services()
        put_firewall_before_balancer(rendered)
        set_alarms(rendered)
        check_edge()
        check_bucket(rendered)
