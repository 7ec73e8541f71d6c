#!/usr/bin/env python3
"""Prints what the module is made of, as a software bill of materials in CycloneDX 1.5: scripts/sbom.py <module>

What is linked into the module is required; what runs only while it is built (procedural macros, build scripts and what they use) is there as
excluded. The hashes of the crates are those of Cargo.lock. The same sources and the same module give the same bytes: no
time and no random number is in it.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def metadata():
    """The packages of this build, and which needs which."""
    host = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    target = next(line.removeprefix("host: ") for line in host.splitlines() if line.startswith("host: "))
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)


def needed(package, nodes, packages):
    """Of the packages that this one needs: those that are linked, and those that run while it is built."""
    linked, built = set(), set()
    for needs in nodes[package]["deps"]:
        kinds = {kind["kind"] for kind in needs["dep_kinds"]}
        macro = any("proc-macro" in target["kind"] for target in packages[needs["pkg"]]["targets"])
        if None in kinds and not macro:
            linked.add(needs["pkg"])
        elif "build" in kinds or (None in kinds and macro):
            built.add(needs["pkg"])
    return linked, built


def closure(roots, step):
    found, left = set(), list(roots)
    while left:
        package = left.pop()
        if package not in found:
            found.add(package)
            left.extend(step(package))
    return found


def component(package, checksums, scope):
    purl = f"pkg:cargo/{package['name']}@{package['version']}"
    found = {"type": "library", "bom-ref": purl, "name": package["name"], "version": package["version"], "scope": scope}
    if package["description"]:
        found["description"] = " ".join(package["description"].split())
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["license"]:
        # Some old crates write a slash for OR.
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ").replace("  ", " ")}]
    return found | {"purl": purl}


def main():
    module = Path(sys.argv[1]).read_bytes()
    meta = metadata()
    packages = {package["id"]: package for package in meta["packages"]}
    nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
    root = meta["resolve"]["root"]
    linked = closure([root], lambda package: needed(package, nodes, packages)[0])
    tools = {tool for package in linked for tool in needed(package, nodes, packages)[1]}
    built = closure(tools, lambda package: set().union(*needed(package, nodes, packages))) - linked
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}

    ref = {package: f"pkg:cargo/{packages[package]['name']}@{packages[package]['version']}" for package in linked | built}
    subject = component(packages[root], checksums, "required")
    digest = hashlib.sha256(module).hexdigest()
    subject["hashes"] = [{"alg": "SHA-256", "content": digest}]
    components = [component(packages[package], checksums, "required") for package in linked - {root}]
    components += [component(packages[package], checksums, "excluded") for package in built]
    dependencies = [
        {"ref": ref[package], "dependsOn": sorted(ref[other] for other in set().union(*needed(package, nodes, packages)))}
        for package in linked | built
    ]
    print(json.dumps({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {"component": subject},
        "components": sorted(components, key=lambda found: found["bom-ref"]),
        "dependencies": sorted(dependencies, key=lambda found: found["ref"]),
    }, indent=2, ensure_ascii=False))


main()
