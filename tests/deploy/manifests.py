"""Checks manifests against Kubernetes' own schemas, and prints them as JSON.

usage: manifests.py CUSTOM VERSION... < manifests.yaml

Each document of standard input must be what each of these versions of
Kubernetes takes, down to the last field: a field that it does not know is an
error. Custom resources are those that files of the folder CUSTOM define. Prints one JSON object a document; what is wrong goes to standard error.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml


def strict(schema):
    """The schema of a custom resource, refusing fields that it does not name."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if "properties" in schema and "type" in schema:
        schema.setdefault("additionalProperties", False)
    if schema.pop("x-kubernetes-int-or-string", False):
        schema["type"] = ["integer", "string"]
    return schema


def custom(folder):
    """The schema of each version of all custom resources, by apiVersion and kind."""
    schemas = {}
    for path in pathlib.Path(folder).glob("*.yaml"):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in definition["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # What Kubernetes itself says of every object.
            schema["properties"]["metadata"] = {"type": "object"}
            name = f"{definition['group']}/{version['name']}", definition["names"]["kind"]
            schemas[name] = schema
    return schemas


def problems(document, schemas, versions):
    schema = schemas.get((document.get("apiVersion"), document.get("kind")))
    if schema:
        for error in jsonschema.Draft7Validator(schema).iter_errors(document):
            yield f"{error.json_path}: {error.message}"
        return
    for version in versions:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"


def main(folder, *versions):
    schemas = custom(folder)
    failed = False
    for document in yaml.safe_load_all(sys.stdin):
        if document is None:
            continue
        name = f"{document.get('kind')} {document.get('metadata', {}).get('name')}"
        for problem in problems(document, schemas, versions):
            print(f"{name}: {problem}", file=sys.stderr)
            failed = True
        print(json.dumps(document))
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
