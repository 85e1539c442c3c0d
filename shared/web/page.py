"""The documentation page: plain HTML written from the OpenAPI document on this machine, with nothing fetched from elsewhere."""

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment

from shared.web.problems import MEDIA_TYPE

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

_TEMPLATE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ info.title }} {{ info.version }}</title>
<style>
:root { color-scheme: light dark; font: 16px/1.6 system-ui, "Noto Sans CJK SC", "PingFang SC", sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 3rem; border-bottom: 1px solid; }
code, pre { font: .9rem/1.5 ui-monospace, monospace; } pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .4rem; }
details { margin: .5rem 0; border: 1px solid #8886; border-radius: .4rem; padding: .5rem .75rem; } summary { cursor: pointer; min-height: 1.75rem; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid #8884; } .lead { white-space: pre-line; }
</style></head><body>
<h1>{{ info.title }} <small>{{ info.version }}</small></h1>
<p class="lead">{{ info.description }}</p>
<p><a href="openapi.json">openapi.json</a></p>
{% for tag in tags %}<h2 id="{{ tag.name }}">{{ tag.name }}</h2><p class="lead">{{ tag.description }}</p>
{% for one in tag.operations %}<details id="{{ one.id }}"><summary><span class="method">{{ one.method }}</span> <code>{{ one.path }}</code> {{ one.summary }}</summary>
<p class="lead">{{ one.description }}</p>
{% if one.parameters %}<table><tr><th>参数 Parameter</th><th>在 In</th><th>说明 Meaning</th></tr>
{% for p in one.parameters %}<tr><td><code>{{ p.name }}</code>{% if p.required %} *{% endif %}</td><td>{{ p["in"] }}</td><td>{{ p.description }} <code>{{ p.shape }}</code></td></tr>
{% endfor %}</table>{% endif %}
{% if one.body %}<h3>请求 Request</h3><pre>{{ one.body }}</pre>{% endif %}
{% for answer in one.answers %}<details{% if answer.status < "300" %} open{% endif %}><summary><strong>{{ answer.status }}</strong> {{ answer.description }}</summary>
{% for example in answer.examples %}<pre>{{ example }}</pre>{% endfor %}</details>
{% endfor %}</details>
{% endfor %}{% endfor %}
<h2 id="schemas">schemas</h2>
{% for name, schema in schemas %}<details id="{{ name }}"><summary><code>{{ name }}</code></summary><pre>{{ schema }}</pre></details>
{% endfor %}</body></html>
"""
_page = Environment(autoescape=True, trim_blocks=True).from_string(_TEMPLATE)


def render(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    schemas = document.get("components", {}).get("schemas", {})
    tags = [
        {
            "name": tag["name"],
            "description": tag.get("description", ""),
            "operations": [one for one in _operations(document, schemas) if tag["name"] in one["tags"]],
        }
        for tag in document.get("tags", ())
    ]
    written = [(name, _json(schema)) for name, schema in sorted(schemas.items())]
    return _page.render(info=document["info"], tags=tags, schemas=written)


def _operations(document: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": operation.get("operationId", ""),
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "tags": operation.get("tags", ()),
            "parameters": [_parameter(one) for one in operation.get("parameters", ())],
            "body": _body(operation.get("requestBody", {}), schemas),
            "answers": [_answer(status, one, schemas) for status, one in sorted(operation["responses"].items())],
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    shape = {name: value for name, value in parameter.get("schema", {}).items() if name not in {"title", "examples"}}
    return {"description": "", **parameter, "shape": json.dumps(shape, ensure_ascii=False)}


def _body(body: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    content = body.get("content", {}).get("application/json")
    return "" if content is None else "\n".join(_examples(content, schemas))


def _answer(status: str, answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    examples = [
        text
        for media_type, content in answer.get("content", {}).items()
        if media_type in {"application/json", MEDIA_TYPE}
        for text in _examples(content, schemas)
    ]
    return {"status": status, "description": answer.get("description", ""), "examples": examples}


def _examples(content: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """Return the examples of a body: its own, else its model's, else the model itself."""
    if "example" in content:
        return [_json(content["example"])]
    if content.get("examples"):
        return [_json(one.get("value")) for one in content["examples"].values()]
    schema = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    model = schemas.get(name, schema)
    return [_json(one) for one in model.get("examples", ())] or [_json(model)]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
