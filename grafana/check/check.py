"""Holds dashboards against the types that Grafana publishes (grafana-foundation-sdk).

Its readers take what they know and pass over the rest, and look at no type. So each dashboard is read and written again, and what
does not come back is not known; then each value that was read is held against the type of its field.
"""

import copy
import enum
import json
import re
import sys
import types
import typing
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # Of the other kind of dashboard, which files cannot hold yet.

from grafana_foundation_sdk.cog import plugins, runtime, variants
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard, units

# A query of Postgres, whose type is published for TypeScript alone (SQLQuery of @grafana/sql).
SQL = "grafana-postgresql-datasource"
SQL_QUERY = {
    "refId": str,
    "hide": bool,
    "queryType": str,
    "datasource": dashboard.common.DataSourceRef,
    "editorMode": typing.Literal["builder", "code"],
    "format": typing.Literal["time_series", "table"],
    "rawQuery": bool,
    "rawSql": str,
    "dataset": str,
    "table": str,
}
UNITS = {unit for name, unit in vars(units).items() if isinstance(unit, str) and not name.startswith("_")}
# What an override is of, and how that is said.
MATCHERS = {"byName": str, "byRegexp": str, "byType": str, "byFrameRefID": str, "byNames": dict, "byValue": dict}
UNIT_FORMS = ("prefix:", "suffix:", "time:", "si:", "count:", "currency:", "bool:")


def written(of):
    return json.loads(JSONEncoder().encode(of))


def unknown(given, known, at):
    """What was given and did not come back."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key in known:
                yield from unknown(value, known[key], f"{at}.{key}")
            else:
                yield f"{at}.{key}: no such field"
    elif isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        for place, (one, other) in enumerate(zip(given, known)):
            yield from unknown(one, other, f"{at}[{place}]")
    elif given != known:
        yield f"{at}: {given!r} is read as {known!r}"


def held(kind, given, at):
    """JSON, held against a class of the published types."""
    if not isinstance(given, dict):
        yield f"{at}: {given!r} is no {kind.__name__}"
        return
    try:
        read = kind.from_json(copy.deepcopy(given))
        known = written(read)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"{at}: not to be read as {kind.__name__}: {error!r}"
        return
    yield from unknown(given, known, at)
    yield from fields(read, at)


def fields(read, at):
    """The fields of what was read, held against their types."""
    kind = type(read)
    if isinstance(read, dashboard.Panel):
        yield from panel(read, at)
    if isinstance(read, dashboard.FieldConfig) and read.unit is not None:
        if str(read.unit) not in UNITS and not str(read.unit).startswith(UNIT_FORMS):
            yield f"{at}.unit: {read.unit!r} is no unit"
    for name, hint in typing.get_type_hints(kind).items():
        value = getattr(read, name)
        if value is not None:
            # As it is in JSON.
            first, *others = name.removesuffix("_val").split("_")
            yield from typed(hint, value, f"{at}.{first}{''.join(map(str.title, others))}")


def typed(hint, value, at):
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        tried = [list(typed(part, value, at)) for part in parts if part is not type(None)]
        if all(tried):
            yield from min(tried, key=len)
    elif origin is typing.Literal:
        if value not in parts:
            yield f"{at}: {value!r} is none of {', '.join(map(str, parts))}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{at}: {value!r} is no list"
            return
        for place, one in enumerate(value):
            yield from typed(parts[0], one, f"{at}[{place}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is no object"
            return
        for key, one in value.items():
            yield from typed(parts[1], one, f"{at}.{key}")
    elif hint in (object, typing.Any):
        # Options of a panel, say, were read as what its type has.
        if type(value) in KINDS:
            yield from fields(value, at)
    elif hint in (str, bool):
        if not isinstance(value, hint):
            yield f"{at}: {value!r} is no {hint.__name__}"
    elif hint is int:
        if type(value) is not int:
            yield f"{at}: {value!r} is no whole number"
    elif hint is float:
        if type(value) not in (int, float):
            yield f"{at}: {value!r} is no number"
    elif issubclass(hint, enum.Enum):
        known = [one.value for one in hint]
        if type(value) is bool or value not in known:
            yield f"{at}: {value!r} is none of {', '.join(map(str, known))}"
    elif hint is variants.Dataquery:
        yield from query(value, at)
    elif isinstance(value, hint):
        yield from fields(value, at)
    else:
        # Some readers leave what is below them as it is.
        yield from held(hint, value, at)


def query(read, at):
    if not isinstance(read, runtime.UnknownDataquery):
        yield from fields(read, at)
        return
    kind = (read.data.get("datasource") or {}).get("type")
    if kind != SQL:
        yield f"{at}: nothing is known of queries of {kind!r}"
        return
    for name, value in read.data.items():
        if name in SQL_QUERY:
            yield from typed(SQL_QUERY[name], value, f"{at}.{name}")
        else:
            yield f"{at}.{name}: no such field"


def panel(read, at):
    """What the types leave open: the kind of the panel, the source of each query, and what an override changes."""
    if runtime.panelcfg_config(str(read.type_val)) is None:
        yield f"{at}.type: nothing is known of panels of the type {read.type_val!r}"
    source = written(read.datasource)
    for place, target in enumerate(written(read.targets or [])):
        if target.get("datasource") != source:
            yield f"{at}.targets[{place}].datasource: another one than that of the panel"
    for place, override in enumerate(written(read.field_config).get("overrides", []) if read.field_config else []):
        matcher = override["matcher"]
        if str(matcher["id"]) not in MATCHERS:
            yield f"{at}.fieldConfig.overrides[{place}].matcher.id: {matcher['id']!r} is none of {', '.join(MATCHERS)}"
        elif not isinstance(matcher.get("options"), MATCHERS[matcher["id"]]):
            yield f"{at}.fieldConfig.overrides[{place}].matcher.options: {matcher.get('options')!r} is not for {matcher['id']}"
        for number, changed in enumerate(override["properties"]):
            default = changed.get("value")
            for name in reversed(str(changed["id"]).split(".")):
                default = {name: default}
            alone = {"type": read.type_val, "fieldConfig": {"defaults": default, "overrides": []}, "datasource": source}
            for problem in held(dashboard.Panel, alone, ""):
                yield f"{at}.fieldConfig.overrides[{place}].properties[{number}]{problem.removeprefix('.fieldConfig.defaults')}"


KINDS = {
    found
    for name, module in list(sys.modules.items())
    if name.startswith("grafana_foundation_sdk.models.")
    for found in vars(module).values()
    if isinstance(found, type) and hasattr(found, "from_json") and found.__module__ == name
}


def problems(given):
    return sorted(set(held(dashboard.Dashboard, given, "")))


# Where anything may stand: what a source of data is asked for the values of a variable; a value that is shown as something else.
OPEN = re.compile(r"\.templating\.list\[\]\.query\..*|.*\.mappings\[\]\.options\.[^.]* misspelt")


def spoilt(given, at=""):
    """The same with one field misspelt or one value of another type, one after the other: where, and the whole."""
    for key in list(given) if isinstance(given, dict) else range(len(given)):
        value = given[key]
        where = f"{at}.{key}" if isinstance(given, dict) else f"{at}[]"
        if isinstance(given, dict):
            given[f"{key}x"] = given.pop(key)
            yield f"{where} misspelt"
            given[key] = given.pop(f"{key}x")
        if isinstance(value, (dict, list)):
            yield from spoilt(value, where)
        else:
            given[key] = [7] if not isinstance(value, bool) else "yes"
            yield f"{where} of another type"
            given[key] = value


def main(arguments):
    plugins.register_default_plugins()
    prove = arguments[:1] == ["--prove"]
    files = arguments[prove:]
    found = tried = 0
    for file in files:
        with open(file, encoding="utf-8") as opened:
            given = json.load(opened)
        complaints = problems(given)
        # What is spoilt in one panel changes nothing in another.
        rest = {**given, "panels": []}
        parts = [rest] + [{**rest, "panels": [panel]} for panel in given["panels"]] if prove and not complaints else []
        for number, part in enumerate(parts):
            below = part["panels"][0] if number else part
            for where in spoilt(below, ".panels[]" if number else ""):
                tried += 1
                if not problems(part) and not OPEN.fullmatch(where):
                    complaints.append(f"{where}: not found")
        for complaint in complaints:
            print(f"{file}: {complaint.removeprefix('.')}", file=sys.stderr)
        found += len(complaints)
    told = f", and {tried} spoilt ones that were found out" if prove and not found else ""
    print(f"grafana: {len(files)} dashboards, {found} problems{told}")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
