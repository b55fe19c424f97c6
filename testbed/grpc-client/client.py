"""A gRPC server that says its port, and a client that finds such servers by xDS."""

import json
import os
import sys
from concurrent import futures

import grpc

METHOD = "/syncline.Test/Port"


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(4))
    port = server.add_insecure_port("127.0.0.1:0")
    answer = lambda request, context: str(port).encode()
    handler = grpc.unary_unary_rpc_method_handler(answer)
    service, method = METHOD[1:].split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    server.start()
    print("ready", port, flush=True)
    sys.stdin.read()
    server.stop(None)


def call(plane, target):
    bootstrap = {
        "xds_servers": [
            {
                "server_uri": plane,
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
        "node": {"id": "grpc-client"},
    }
    with open(os.environ["GRPC_XDS_BOOTSTRAP"], "w") as file:
        json.dump(bootstrap, file)
    with grpc.insecure_channel(target) as channel:
        method = channel.unary_unary(METHOD)
        print("ready", flush=True)
        for _ in sys.stdin:
            try:
                print(method(b"", timeout=5).decode(), flush=True)
            except grpc.RpcError as error:
                print("failed:", error.details().replace("\n", " "), flush=True)


if __name__ == "__main__":
    {"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
