"""Read a run file, say clearly what is wrong with it, and write one to begin with."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from couloir.config import PRESETS, RunConfig
from couloir.errors import ConfigError

ENVIRONMENT_PREFIX = "COULOIR_"
Tree = dict[str, Any]


@dataclass
class _Sources:
    """Remember where each value came from: a line of the run file, a variable, an option."""

    places: dict[tuple[str, ...], str] = field(default_factory=dict)

    def of(self, path: Sequence[str]) -> str:
        for length in range(len(path), 0, -1):
            if place := self.places.get(tuple(path[:length])):
                return place
        return "run file"


def load(
    path: str | Path, *, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> RunConfig:
    """Read a run file.

    A value is taken from the command line, else from the environment, else from the file, else from the preset,
    else it is the default.

    Parameters
    ----------
    path : path
        The run file, YAML.
    overrides : sequence of str
        ``section.key=value``, as given on the command line.
    environment : mapping, optional
        ``COULOIR_SECTION__KEY`` sets ``section.key``; this process's environment when not given.

    Returns
    -------
    RunConfig

    Raises
    ------
    ConfigError
        Naming every wrong key or value, where it stands, what is allowed and the nearest valid name.
    """
    sources = _Sources()
    tree = _read_file(Path(path), sources)
    _merge(tree, _from_environment(os.environ if environment is None else environment, sources))
    for override in overrides:
        _merge(tree, _from_option(override, sources))
    return build(tree, sources=sources)


def build(tree: Tree, *, sources: _Sources | None = None) -> RunConfig:
    """Check a tree of values, put it over its preset, and make the run's settings.

    Raises
    ------
    ConfigError
        As `load` does.
    """
    sources = sources or _Sources()
    preset = tree.get("preset", "luhu")
    if not isinstance(preset, str) or preset not in PRESETS:
        near = _nearest(str(preset), PRESETS)
        raise ConfigError(
            f"{sources.of(['preset'])}: preset: {preset!r} is unknown{near}; there are: {', '.join(PRESETS)}"
        )
    whole: Tree = {}
    _merge(whole, PRESETS[preset])
    _merge(whole, tree)
    try:
        return RunConfig.model_validate(whole)
    except ValidationError as error:
        problems = [_explain(detail, sources) for detail in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def loads(text: str, *, name: str = "run file") -> RunConfig:
    """Read a run file's text, as `load` does, without environment and overrides."""
    sources = _Sources()
    return build(_parse(text, name, sources), sources=sources)


def dump(config: RunConfig, *, site: Literal["slurm", "kubernetes"] | None = None) -> str:
    """Write settings in full as YAML; of sites, which decide no result, those of one at most."""
    others = {name for name in ("slurm", "kubernetes") if name != site}
    tree = config.model_dump(mode="json", exclude={"compute": others})
    text: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    return text


def template(
    archive: str = "/path/to/sds",
    output: str = "couloir-output",
    *,
    select: str = "*.*.*.*",
    start: str = "2020-01-01",
    end: str = "2021-01-01",
) -> str:
    """Write a run file with every key, its default and what it means."""
    values: Tree = {
        "archive": {"url": archive, "select": select.replace(",", " ").split(), "start": start, "end": end},
        "output": {"url": output},
    }
    lines = [
        "# A run of Couloir. Keys that are commented out show their defaults: the published method.",
        "# See what it would do: couloir plan run.yaml    Do it: couloir run run.yaml",
        "",
        f"preset: luhu  # one of: {', '.join(PRESETS)}",
    ]
    for name, section in _sections():
        lines += [
            "",
            f"{name}:  # {_one_line(section.__doc__)}",
            *_section_lines(section, values.get(name, {}), "  "),
        ]
    return "\n".join(lines) + "\n"


def _section_lines(section: type[BaseModel], given: Tree, indent: str) -> Iterator[str]:
    """Write a section's keys: those given as they are, the others commented out with their defaults."""
    for key, info in section.model_fields.items():
        told = _one_line(info.description)
        if inner := _section_type(info.annotation):
            yield f"{indent}# {key}:  # {told}"
            yield from _section_lines(inner, {}, indent + "  ")
            continue
        value = given[key] if key in given else info.get_default(call_default_factory=True)
        shown = yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000).split("\n...")[0].strip()
        yield f"{indent}# {told}"
        yield f"{indent}{'' if key in given else '# '}{key}: {shown}"


def _sections(model: type[BaseModel] = RunConfig) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, info in model.model_fields.items():
        if section := _section_type(info.annotation):
            yield name, section


def _section_type(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _one_line(text: str | None) -> str:
    return re.sub(r"\s+", " ", (text or "").replace("`", "")).strip()


def _read_file(path: Path, sources: _Sources) -> Tree:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read the run file {path}: {error.strerror}. Make one: couloir init > run.yaml"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file: is it a run file?") from error
    return _parse(text, str(path), sources)


def _parse(text: str, name: str, sources: _Sources) -> Tree:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not valid YAML: {_one_line(str(error))}") from error
    if not isinstance(tree, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{name} holds no sections: it must begin with archive: and output:. See couloir init.")
    _note_lines(node, (), name, sources)
    return _without_empty_sections(tree, RunConfig)


def _without_empty_sections(tree: Tree, model: type[BaseModel]) -> Tree:
    """Leave out sections whose keys are all commented out."""
    kept = dict(tree)
    for name, section in _sections(model):
        if name in kept and kept[name] is None:
            del kept[name]
        elif isinstance(kept.get(name), dict):
            kept[name] = _without_empty_sections(kept[name], section)
    return kept


def _note_lines(node: yaml.MappingNode, path: tuple[str, ...], name: str, sources: _Sources) -> None:
    for key, value in node.value:
        here = (*path, str(key.value))
        if here in sources.places:
            raise ConfigError(f"{name}:{key.start_mark.line + 1}: {'.'.join(here)} is there twice")
        sources.places[here] = f"{name}:{key.start_mark.line + 1}"
        if isinstance(value, yaml.MappingNode):
            _note_lines(value, here, name, sources)


def _from_environment(environment: Mapping[str, str], sources: _Sources) -> Tree:
    tree: Tree = {}
    sections = dict(_sections())
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        path = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if path != ["preset"] and (path[0] not in sections or len(path) < 2):
            known = [f"{ENVIRONMENT_PREFIX}{name.upper()}__KEY" for name in sections]
            raise ConfigError(f"environment variable {variable} sets nothing; names are {', '.join(known)}")
        _put(tree, path, _value(text), f"environment variable {variable}", sources)
    return tree


def _from_option(text: str, sources: _Sources) -> Tree:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: expected section.key=value, like --set detect.on_factor=10")
    tree: Tree = {}
    _put(tree, key.strip().split("."), _value(value), f"--set {key.strip()}", sources)
    return tree


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _put(tree: Tree, path: Sequence[str], value: Any, place: str, sources: _Sources) -> None:
    sources.places[tuple(path)] = place
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def _merge(under: Tree, over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(under.get(key), dict):
            _merge(under[key], value)
        else:
            under[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(detail: ErrorDetails, sources: _Sources) -> str:
    path = [str(part) for part in detail["loc"]]
    where = f"{sources.of(path)}: {'.'.join(path)}: " if path else "run file: "
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        names = list(_fields_at(path[:-1]))
        return f"{where}unknown key{_nearest(path[-1], names)}; allowed here: {', '.join(names)}"
    if detail["type"] == "missing":
        return f"{where}is missing. See couloir init for what it means."
    if detail["type"] == "value_error":
        return f"{where}{message}"
    given = detail["input"]
    near = _nearest(given, re.findall(r"'(\w+)'", message)) if isinstance(given, str) else ""
    return f"{where}{message} (found {given!r}){near}"


def _fields_at(path: Sequence[str]) -> Iterator[str]:
    model: Any = RunConfig
    for name in path:
        info = model.model_fields.get(name)
        model = _section_type(info.annotation) if info else None
        if model is None:
            return iter(())
    return iter(model.model_fields)


def _nearest(name: str, names: Any) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""
