"""Checks manifests against the schemas of Kubernetes: the names of fields and types of values."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jsonschema_rs
import yaml

from deploy.k8s.checks.rendering import CHECKERS, Manifest

# The oldest version that has all fields in use, and the newest version with schemas.
VERSIONS = ("1.29", "1.37")

# Kubernetes has no schemas for kinds of the Prometheus operator. The schemas below cover the fields
# that Wharf uses.
_SELECTOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["matchLabels"],
    "properties": {
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_DURATION = {"type": "string", "pattern": r"^(\d+(ms|s|m|h|d|w|y))+$"}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_ENDPOINT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["port", "path"],
    "properties": {
        "port": {"type": "string"},
        "path": {"type": "string", "pattern": "^/"},
        "interval": _DURATION,
        "scrapeTimeout": _DURATION,
        "relabelings": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "action": {"enum": ["replace"]},
                    "targetLabel": {"type": "string"},
                    "replacement": {"type": "string"},
                },
            },
        },
    },
}
_RULE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["expr"],
    "oneOf": [{"required": ["record"]}, {"required": ["alert"]}],
    "properties": {
        "record": {"type": "string", "pattern": "^[a-zA-Z_:][a-zA-Z0-9_:]*$"},
        "alert": {"type": "string"},
        "expr": {"type": ["string", "integer"]},
        "for": _DURATION,
        "keep_firing_for": _DURATION,
        "labels": _TEXTS,
        "annotations": _TEXTS,
    },
}
_SPECS = {
    "ServiceMonitor": {
        "type": "object",
        "additionalProperties": False,
        "required": ["selector", "endpoints"],
        "properties": {
            "selector": _SELECTOR,
            "endpoints": {"type": "array", "minItems": 1, "items": _ENDPOINT},
            "jobLabel": {"type": "string"},
            "targetLabels": {"type": "array", "items": {"type": "string"}},
        },
    },
    "PrometheusRule": {
        "type": "object",
        "additionalProperties": False,
        "required": ["groups"],
        "properties": {
            "groups": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["name", "rules"],
                    "properties": {
                        "name": {"type": "string"},
                        "interval": _DURATION,
                        "rules": {"type": "array", "minItems": 1, "items": _RULE},
                    },
                },
            }
        },
    },
}


def _is_operators(manifest: Manifest) -> bool:
    return str(manifest["apiVersion"]).startswith("monitoring.coreos.com/")


def _operators_faults(manifest: Manifest) -> list[str]:
    schema = _SPECS.get(manifest["kind"])
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    if schema is None:
        return [f"{name}: no schema for this kind; add one to deploy/k8s/checks/schemas.py"]
    found = jsonschema_rs.validator_for(schema).iter_errors(manifest["spec"])
    return [f"{name}: {'/'.join(map(str, one.instance_path))}: {one.message}" for one in found]


def faults(manifests: list[Manifest], scratch: Path) -> list[str]:
    """Return lines about the manifests that violate their schemas, an empty list for none.

    The function writes a file into the folder `scratch`.
    """
    lines = [line for one in manifests if _is_operators(one) for line in _operators_faults(one)]
    own = [one for one in manifests if not _is_operators(one)]
    file = scratch / "own.yaml"
    file.write_text(yaml.safe_dump_all(own))
    versions = (word for version in VERSIONS for word in ("-k", version))
    done = subprocess.run(
        [CHECKERS / "kubernetes-validate", "--strict", "--quiet", *versions, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines += (done.stdout + done.stderr).splitlines()
    return lines
