"""The vendor's OpenAPI description of X, as a judge of requests and answers."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4
from werkzeug import Request, Response

URI = "urn:x"
OLDER_NAMES = {"tweet.fields"}  # asked for beside the new names while X renames them

Json = dict[str, Any]


class Description:
    def __init__(self, path: Path) -> None:
        self._all: Json = json.loads(path.read_text())
        self._registry = Registry().with_resource(URI, DRAFT4.create_resource(self._all))

    def faults(self, request: Request, response: Response) -> list[str]:
        """What is wrong with a request and its answer, in words."""
        path, operation = self._operation(request)
        found = [*self._parameters(operation, request), *self._body(operation, request)]
        content = operation["responses"].get(str(response.status_code), operation["responses"]["default"])["content"]
        if response.status_code < 400:
            found += self._schema_faults(content["application/json"]["schema"], response.get_json())
        return [f"{request.method} {path}: {fault}" for fault in found]

    def _operation(self, request: Request) -> tuple[str, Json]:
        for path, operations in self._all["paths"].items():
            if request.method.lower() in operations and re.fullmatch(re.sub(r"{\w+}", "[0-9]+", path), request.path):
                return path, operations[request.method.lower()]
        raise AssertionError(f"X has no {request.method} {request.path}")

    def _parameters(self, operation: Json, request: Request) -> list[str]:
        known = {each["name"]: each for each in map(self._resolved, operation.get("parameters", []))}
        found = [f"no parameter {name}" for name in request.args if name not in known and name not in OLDER_NAMES]
        for name, value in request.args.items():
            if name in known:
                schema = known[name]["schema"]
                found += self._schema_faults(schema, _typed(self._resolved(schema), value))
        return found

    def _body(self, operation: Json, request: Request) -> list[str]:
        if "requestBody" not in operation:
            return ["takes no body"] if request.content_length else []
        content = operation["requestBody"]["content"]
        if request.mimetype not in content:
            return [f"takes no {request.mimetype}"]
        body = request.get_json() if request.is_json else _form(request)
        return self._schema_faults(content[request.mimetype]["schema"], body)

    def _schema_faults(self, schema: Json, value: Any) -> list[str]:
        validator = _validator(self, json.dumps(_absolute(schema)))
        return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]

    def _resolved(self, schema: Json) -> Json:
        if "$ref" not in schema:
            return schema
        found: Any = self._all
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found

    def validator(self, schema: Json) -> OAS30Validator:
        return OAS30Validator(schema, registry=self._registry)


@cache
def _validator(description: Description, schema: str) -> OAS30Validator:
    return description.validator(json.loads(schema))


def _absolute(schema: Any) -> Any:
    """The same schema, readable from outside the file."""
    return json.loads(json.dumps(schema).replace('"#/', f'"{URI}#/'))


def _typed(schema: Json, value: str) -> Any:
    match schema["type"]:
        case "integer":
            return int(value)
        case "array":
            return value.split(",")
    return value


def _form(request: Request) -> Json:
    files = {name: file.read().decode("latin-1") for name, file in request.files.items()}
    for file in request.files.values():
        file.seek(0)
    return {**{name: int(value) for name, value in request.form.items()}, **files}
