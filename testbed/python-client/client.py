"""Obeys the commands on standard input with a genuine Nacos client, and tells what it sees as JSON lines."""

import asyncio
import json
import os
import sys
import time

from v2.nacos import (
    BatchRegisterInstanceParam,
    ClientConfigBuilder,
    DeregisterInstanceParam,
    ListInstanceParam,
    NacosNamingService,
    RegisterInstanceParam,
    SubscribeServiceParam,
)

OUT = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # whatever a library prints must not mix with the answers


def tell(event, **what):
    print(json.dumps({"event": event, **what}), file=OUT)


def show(event, service, group, instances):
    tell(
        event,
        service=service,
        group=group,
        at_ms=int(time.time() * 1000),
        instances=[
            {
                "ip": it.ip,
                "port": it.port,
                "weight": it.weight,
                "healthy": it.healthy,
                "enabled": it.enabled,
                "ephemeral": it.ephemeral,
                "cluster": it.clusterName,
                "metadata": it.metadata,
            }
            for it in instances
        ],
    )


class Client:
    def __init__(self, naming):
        self.naming = naming
        self.subscriptions = {}

    async def obey(self, command, service, group, *words):
        match command:
            case "register":
                ok = await self.naming.register_instance(instance(service, group, *words))
            case "batch":
                ok = await self.naming.batch_register_instances(batch(service, group, words))
            case "deregister":
                ok = await self.naming.deregister_instance(
                    DeregisterInstanceParam(
                        service_name=service,
                        group_name=group,
                        ip=words[0],
                        port=int(words[1]),
                        cluster_name=words[2] if len(words) > 2 else "DEFAULT",
                    )
                )
            case "subscribe":
                await self.naming.subscribe(self.subscription(service, group))
                ok = True
            case "unsubscribe":
                await self.naming.unsubscribe(self.subscriptions.pop((service, group)))
                ok = True
            case "list":
                wanted = ListInstanceParam(service_name=service, group_name=group, subscribe=False, healthy_only=None)
                show("list", service, group, await self.naming.list_instances(wanted))
                ok = True
            case _:
                raise ValueError(f"unknown command {command}")
        if not ok:
            raise RuntimeError("the client says false")

    def subscription(self, service, group):
        async def told(instances):
            show("instances", service, group, instances)

        param = SubscribeServiceParam(service_name=service, group_name=group, subscribe_callback=told)
        self.subscriptions[service, group] = param
        return param


def instance(service, group, ip, port, weight, pairs=""):
    metadata = dict(pair.split("=", 1) for pair in pairs.split(",") if pair)
    cluster = metadata.pop("@cluster", "DEFAULT")
    ephemeral = metadata.pop("@ephemeral", "true") != "false"
    return RegisterInstanceParam(
        service_name=service,
        group_name=group,
        ip=ip,
        port=int(port),
        weight=float(weight),
        metadata=metadata,
        cluster_name=cluster,
        ephemeral=ephemeral,
    )


def batch(service, group, words):
    instances = []
    for word in words:
        address, weight = word.split("*")
        instances.append(instance(service, group, *address.split(":"), weight))
    return BatchRegisterInstanceParam(service_name=service, group_name=group, instances=instances)


async def main(address, namespace):
    config = (
        ClientConfigBuilder()
        .server_address(address)
        .namespace_id(namespace)
        .username(os.environ.get("NACOS_USERNAME"))
        .password(os.environ.get("NACOS_PASSWORD"))
        .build()
    )
    config.set_load_cache_at_start(False)
    config.set_update_cache_when_empty(True)  # by default it keeps what it knew when told that there is nothing
    config.set_cache_dir("cache")
    config.set_log_dir("logs")
    naming = await NacosNamingService.create_naming_service(config)
    client = Client(naming)
    tell("ready")
    while (line := await asyncio.to_thread(sys.stdin.readline)) and line != "quit\n":
        command = line.rstrip("\n")
        try:
            await client.obey(*command.split(" "))
            tell("done", command=command)
        except Exception as error:  # whatever the client raises is its answer
            tell("failed", command=command, error=f"{type(error).__name__}: {error}")
    await naming.shutdown()


asyncio.run(main(sys.argv[1], sys.argv[2]))
