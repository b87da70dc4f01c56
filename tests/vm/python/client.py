"""A client of the API as others write it: Python, with what protoc makes of the shipped proto files, and nothing of ours.

    client.py SOCKET FILE

Lists who pins FILE, forbids to truncate it, watches, truncates it, and hears of that. Prints a line of JSON for each step.
"""

import errno
import json
import os
import sys

import grpc
from google.protobuf.json_format import MessageToDict
from pinwarden.v1 import pinwarden_pb2, pinwarden_pb2_grpc, policy_pb2

PATIENCE = 60  # seconds; an emulated machine is slow


def tell(step, answer):
    print(json.dumps({step: answer}), flush=True)


def refusal(call, *arguments):
    """What the daemon answers to a call that it refuses."""
    try:
        call(*arguments, timeout=PATIENCE)
    except grpc.RpcError as error:
        return {"code": error.code().name, "message": error.details()}
    raise SystemExit("it was not refused")


def truncated(path):
    """How truncating it ends: the errno's name, or that it did."""
    try:
        os.truncate(path, 0)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def main(socket, path):
    with grpc.insecure_channel("unix:" + socket) as channel:
        pins = pinwarden_pb2_grpc.PinServiceStub(channel)
        policies = pinwarden_pb2_grpc.PolicyServiceStub(channel)

        listed = pins.ListPins(pinwarden_pb2.ListPinsRequest(include_stack=True), timeout=PATIENCE)
        tell("pins", [MessageToDict(pin) for pin in listed.pins if any(r.file.path == path for r in pin.ranges)])

        policy = policy_pb2.Policy(
            name="from-python",
            mode=policy_pb2.MODE_ENFORCE,
            match=policy_pb2.Match(operations=[policy_pb2.OPERATION_TRUNCATE]),
            action=policy_pb2.Action(deny=policy_pb2.Deny(error="EPERM")),
        )
        policy.match.file.path_prefixes.append(path)
        wrong = policy_pb2.Policy(name="wrong", mode=policy_pb2.MODE_ENFORCE)
        request = pinwarden_pb2.ApplyPolicyRequest(policies=[policy, wrong])
        tell("refused", refusal(policies.ApplyPolicy, request))
        applied = policies.ApplyPolicy(pinwarden_pb2.ApplyPolicyRequest(policies=[policy]), timeout=PATIENCE)
        tell("applied", MessageToDict(applied))

        watch = pins.WatchEvents(
            pinwarden_pb2.WatchEventsRequest(kinds=[pinwarden_pb2.EVENT_KIND_CONFLICT]), timeout=PATIENCE
        )
        watch.initial_metadata()  # from here on nothing is missed
        tell("truncate", truncated(path))
        event = next(event for event in watch if event.conflict.file.path == path)
        tell("conflict", MessageToDict(event.conflict))
        watch.cancel()

        policies.DeletePolicy(pinwarden_pb2.DeletePolicyRequest(name=policy.name), timeout=PATIENCE)
        tell("truncate", truncated(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
