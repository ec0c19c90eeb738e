"""Two answers, field by field: what differs, in words."""

# Values of these fields differ between any two workers.
VALUES = {
    "commit", "kafka_cluster_id", "last_modified", "message", "trace", "version", "worker_id",
    # Transactions take offsets of their own; what is logged is a setting.
    "kafka_offset", "level",
    # Follow from the options that a connector has of its own.
    "error_count", "groups",
}
# Options of the connectors themselves, and of what they plan.
OWN_OPTIONS = {
    "file", "path", "tail", "task.assignment", "task.class", "task.name", "batch.size",
}


def differences(step, ours, theirs):
    """`ours` and `theirs` are (status, path of the location, body)."""
    found = []
    if ours[0] != theirs[0]:
        found.append(f"status {ours[0]}, not {theirs[0]}")
    if ours[1] != theirs[1]:
        found.append(f"Location {ours[1]!r}, not {theirs[1]!r}")
    compare("", ours[2], theirs[2], found)
    for option in step.judged:
        faults = [bool(errors_of(answer[2], option)) for answer in (ours, theirs)]
        if faults[0] != faults[1]:
            found.append(f"{option} has {'no ' if faults[1] else ''}errors here only")
    return found


def errors_of(infos, option):
    for config in infos["configs"]:
        if config["value"]["name"] == option:
            return config["value"]["errors"]
    return None


def kind(value):
    return {bool: "boolean", int: "number", float: "number", str: "string", list: "list",
            dict: "object", type(None): "null"}[type(value)]


def compare(path, ours, theirs, found):
    field = path.rsplit(".", 1)[-1]
    if kind(ours) != kind(theirs):
        if not (field in VALUES and "null" in (kind(ours), kind(theirs))):
            found.append(f"{path or 'the body'} is {kind(ours)}, not {kind(theirs)}")
    elif isinstance(ours, dict):
        objects(path, ours, theirs, found)
    elif isinstance(ours, list):
        lists(path, ours, theirs, found)
    elif ours != theirs and field not in VALUES and not path.startswith("<"):
        found.append(f"{path or 'the body'} is {ours!r}, not {theirs!r}")


def objects(path, ours, theirs, found):
    if path.endswith("config") or "connector.class" in theirs:
        ours, theirs = ({key: value for key, value in it.items() if key not in OWN_OPTIONS}
                        for it in (ours, theirs))
    # A source's own partition and offset are opaque.
    if path.endswith(("].partition", "].offset")) and not any(key.startswith("kafka_") for key in theirs):
        return
    if is_loggers(theirs):
        # Each has its own names.
        items(path, list(ours.values()), list(theirs.values()), found)
        return
    for key in sorted(set(ours) ^ set(theirs)):
        found.append(f"{path}.{key} is only {'here' if key in ours else 'there'}".lstrip("."))
    for key in sorted(set(ours) & set(theirs)):
        compare(f"{path}.{key}".lstrip("."), ours[key], theirs[key], found)


def is_loggers(value):
    return bool(value) and all(
        isinstance(it, dict) and set(it) == {"level", "last_modified"} for it in value.values()
    )


def lists(path, ours, theirs, found):
    described = theirs and isinstance(theirs[0], dict) and (
        "definition" in theirs[0] or "class" in theirs[0] or "display_name" in theirs[0]
    )
    if described:
        # Each has its own options and plugins: they are alike one by one.
        items(path, ours, theirs, found)
        return
    field = path.rsplit(".", 1)[-1]
    if field in VALUES:
        return
    if len(ours) != len(theirs):
        found.append(f"{path or 'the body'} has {len(ours)} items, not {len(theirs)}")
    if all(isinstance(it, str) for it in ours + theirs):
        ours, theirs = sorted(ours), sorted(theirs)
    for index, pair in enumerate(zip(ours, theirs)):
        compare(f"{path}[{index}]", *pair, found)


def items(path, ours, theirs, found):
    """Every item of ours has the fields that theirs have, of the same types."""
    known = shapes(theirs)
    for field, kinds in shapes(ours).items():
        if field not in known:
            found.append(f"{path}[].{field} is only here")
        elif not kinds <= known[field] | {"null"}:
            found.append(f"{path}[].{field} is {sorted(kinds)}, not {sorted(known[field])}")
    for field in known.keys() - shapes(ours).keys():
        found.append(f"{path}[].{field} is only there")


def shapes(values, prefix=""):
    all_of = {}
    for value in values:
        for key, inner in (value or {}).items():
            all_of.setdefault(prefix + key, set()).add(kind(inner))
            if isinstance(inner, dict):
                for name, kinds in shapes([inner], f"{prefix}{key}.").items():
                    all_of.setdefault(name, set()).update(kinds)
    return all_of
