"""The packages that a released binary contains. Owns the walk of cargo's tree; prints nothing."""

import json
import subprocess


def packages(target):
    """The packages of a binary for the target by their ids: no tools of the build, no tests."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    tree = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    nodes = {node["id"]: node for node in tree["resolve"]["nodes"]}
    by_id = {package["id"]: package for package in tree["packages"]}
    is_macro = {key: any("proc-macro" in part["kind"] for part in value["targets"]) for key, value in by_id.items()}
    found, todo = {}, [tree["resolve"]["root"]]
    while todo:
        key = todo.pop()
        if key in found or is_macro[key]:
            continue
        found[key] = by_id[key]
        todo += [each["pkg"] for each in nodes[key]["deps"] if any(kind["kind"] is None for kind in each["dep_kinds"])]
    del found[tree["resolve"]["root"]]
    return found
