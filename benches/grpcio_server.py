"""GetState on Python's grpcio, as a peer for the benchmarks: `grpcio_server.py PORT`."""

import sys
from concurrent import futures

import grpc

# The wrapper's answer, as raw bytes, so that no generated code is needed.
ANSWER = bytes.fromhex("0a160801" "109221" "1a05736c656570" "2208" "0880bbc5d506" "1001")


class Handler(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method != "/process_wrapper.v1.ProcessWrapper/GetState":
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: ANSWER)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), handlers=[Handler()])
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
