"""Parsers that say in one line what is wrong with an option, without pages of usage."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from lol_lightning.exceptions import ConfigurationError, did_you_mean

__all__ = ["BriefParser", "brief", "call", "config_values", "underscored"]

_UNKNOWN = re.compile(
    r"Option '([\w.]+)' is not accepted|does not accept option '([\w.]+)'|[Uu]nrecognized arguments: (\S+)"
)
# Lightning calls jsonargparse by names that are deprecated there; whoever runs a command cannot mend that.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

_KEY = re.compile(r'Parser key "([\w.]+)"')
_TYPE = re.compile(r"<class '(?:\w+\.)*(\w+)'>")
_UNION = re.compile(r"any of the Union subtypes.*Given value: (.*)", re.DOTALL)
_EXPECTED = re.compile(r"- Expected an? ([^\n]+)")
_FEW_KINDS = 3
_REQUIRED = re.compile(r"the following arguments are required: (.+)")
_CLASS = re.compile(r"class_path '([\w.]+)'")
_REASON = re.compile(r"(Expected a <class '[\w.]+'>\. Got value: .*|File does not exist: .*|No module named .*)")
_NESTED = re.compile(r"- --([\w.]+)(:? .*?[.?]) See [^\n]*--help\.")
"""What the parser of a class path says, below that of the section."""
_LONGEST = 300
_SECTIONS = {"penalty": "lol_lightning.losses.GradientPenalty"}
"""Options that are mappings, and the class whose arguments they hold."""


class BriefParser(ArgumentParser):
    """A parser whose errors are ``ConfigurationError`` with one line."""

    _configs: tuple[str, ...] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        # The beginning of an option's name is a misspelt name, of which the error says what was meant.
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def parse_args(self, args: Any = None, *positional: Any, **options: Any) -> Any:
        """Parse options, and remember the files that they name, for errors."""
        self._configs = tuple(value for _, _, value in config_values(args or ()))
        return super().parse_args(args, *positional, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what is wrong."""
        prog = self.prog.replace("[options] ", "")
        said = f"{brief(message, _options(self))} See {prog} --help."
        if others := [name for name in self._configs if name not in said]:
            said += f" Options were read from {', '.join(others)}, too."
        raise ConfigurationError(said) from ex


def call(function: Callable[..., None], options: Iterable[str], name: str, as_positional: bool = False) -> None:
    """Call a function with options of the command line that are its arguments.

    Args:
        function: a command.
        options: of the command line.
        name: of the command.
        as_positional: whether arguments without a default stand without a name.

    Raises:
        ConfigurationError: if an option is wrong.
    """
    parser = BriefParser(prog=f"lol-lightning {name}", description=str(function.__doc__).partition("\n")[0])
    parser.add_function_arguments(function, as_positional=as_positional)
    arguments = parser.parse_args([underscored(option) for option in options])
    function(**arguments.as_dict())


def config_values(options: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the word in which each value of ``--config`` stands, what precedes the value in that word, and the value.

    Example:
        >>> list(config_values(["--config=a.yaml", "--seeds", "3", "-c", "b.yaml"]))
        [(0, '--config=', 'a.yaml'), (4, '', 'b.yaml')]
    """
    for place, option in enumerate(options):
        name, equals, value = option.partition("=")
        if name not in ("--config", "-c"):
            continue
        if equals:
            yield place, name + equals, value
        elif place + 1 < len(options):
            yield place + 1, "", options[place + 1]


def underscored(option: str) -> str:
    """Spell the name of an option as jsonargparse does.

    Example:
        >>> underscored("--select-by=mcc-1")
        '--select_by=mcc-1'
    """
    name, equals, value = option.partition("=")
    return name[:2] + name[2:].replace("-", "_") + equals + value if name.startswith("--") else option


def brief(message: str, options: Iterable[str] = ()) -> str:
    r"""Shorten a message of jsonargparse to what is wrong, with the name that was probably meant.

    Example:
        >>> brief("unrecognized arguments: --seds 3", ["seeds", "jobs"])
        '--seds is no option; did you mean --seeds?'
        >>> print(brief('Parser key "seeds":\n  Expected a <class \'int\'>. Got value: x'))
        --seeds: Expected a int. Got value: x.
        >>> brief("the following arguments are required: fit.data", ["config", "data"])
        'give --data, or a file of options: --config FILE.'
        >>> brief("Does not validate against any of the Union subtypes\n  Errors:\n    - Expected a <class 'float'>\n"
        ...     "    - Expected a <class 'NoneType'>\n  Given value: x")
        'Expected a float or a null. Got value: x.'
    """
    if match := _REQUIRED.search(message):
        # Lightning puts the command in front.
        names = [name.rpartition(".")[2] for name in match[1].replace(",", " ").split()]
        options = list(options)
        shown = [f"--{name}" if any(o.partition(".")[0] == name for o in options) else name.upper() for name in names]
        config = ", or a file of options: --config FILE" if "config" in options else ""
        return f"give {', '.join(shown)}{config}."
    keys = list(dict.fromkeys(_KEY.findall(message)))
    if match := _NESTED.search(message):
        section = f"--{keys[0]}." if keys else "--"
        return f"{section}{match[1]}{match[2].replace('--', section)}"
    if match := _UNKNOWN.search(message):
        name = next(group for group in match.groups() if group).lstrip("-").partition("=")[0]
        section = f"{keys[0]}." if keys else ""
        known = [f"{section}{argument}" for argument in _arguments(_CLASS.findall(message))] or list(options)
        known += [f"{one}.{part}" for one, cls in _SECTIONS.items() if one in known for part in _arguments([cls])]
        unknown = name if name.startswith(section) else section + name
        return f"--{unknown} is no option{did_you_mean(unknown, known, '--')}"
    if match := _UNION.search(message):
        kinds = [_TYPE.sub(r"\1", kind).replace("NoneType", "null") for kind in _EXPECTED.findall(message)]
        if kinds and len(kinds) <= _FEW_KINDS:
            message = f"Expected a {' or a '.join(kinds)}. Got value: {match[1]}"
    path = ".".join(key for i, key in enumerate(keys) if i == 0 or not key.startswith(keys[0]))
    reasons = _REASON.findall(message)
    text = _TYPE.sub(r"\1", reasons[0] if reasons else _without_keys(message))
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    return f"--{path}: {text}." if path else f"{text}."


def _options(parser: Any) -> list[str]:
    options: list[str] = []
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for subparser in action.choices.values():
                options += _options(subparser)
        options += [option.lstrip("-") for option in action.option_strings if option.startswith("--")]
    return options


def _arguments(class_paths: list[str]) -> list[str]:
    """Return the names of a class's arguments, those of its base classes included."""
    names: list[str] = []
    for path in class_paths[-1:]:
        module, _, name = path.rpartition(".")
        try:
            cls = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            continue
        for base in inspect.getmro(cls):
            if "__init__" in vars(base):
                arguments = inspect.signature(vars(base)["__init__"]).parameters
                names += [name for name in arguments if name not in ("self", "kwargs")]
    return names


def _without_keys(message: str) -> str:
    return " ".join(_KEY.sub("", message).replace(":\n", "\n", 1).split()).strip(" :.")
