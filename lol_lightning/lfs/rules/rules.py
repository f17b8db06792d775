"""Makers of labeling functions that consist of ordered rules: keywords, tokens, regular expressions and lengths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from snorkel.preprocess import BasePreprocessor

from lol_lightning.exceptions import LabelingFunctionError, renamed_arguments
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules.rule_types import (
    RegexRule,
    Rule,
    RuleFunction,
    SubstringRule,
    TokenRule,
    check_words,
    parse_rule,
)

__all__ = ["keyword_lf", "regex_lf", "rules_lf"]


@renamed_arguments(column="text_column")
def keyword_lf(
    name: str,
    words: str | Iterable[str],
    label: int,
    match: Literal["substring", "token"] = "substring",
    text_column: str = "text",
    pre: Sequence[BasePreprocessor] | None = None,
) -> GradientLabelingFunction:
    """Make an LF that votes where any of the words occurs, whatever its case.

    Args:
        name: name of the LF.
        words: the words; they are lowered, as the text is.
        label: the class voted for.
        match: "substring" looks anywhere in ``text.lower()``, "token" in ``text.lower().split(" ")``.
        text_column: the attribute, column or key of a data point that holds the text.
        pre: preprocessors that run before.

    Raises:
        LabelingFunctionError: if there is no word, a word is empty or ``match`` is unknown.

    Example:
        >>> from types import SimpleNamespace
        >>> keyword_lf("asks", ["please", "plz"], label=1)(SimpleNamespace(text="PLZ call"))
        1
    """
    kinds = {"substring": SubstringRule, "token": TokenRule}
    if match not in kinds:
        raise LabelingFunctionError(f"match {match!r} of LF {name!r} is not one of {tuple(kinds)}.")
    lowered = tuple(word.lower() for word in check_words(words))
    if not lowered:
        raise LabelingFunctionError(f"LF {name!r} has no words, so that it would never vote.")
    return rules_lf(name, [kinds[match](label, lowered)], text_column, pre)


@renamed_arguments(column="text_column")
def regex_lf(
    name: str,
    pattern: str | re.Pattern[str],
    label: int,
    flags: int | str = 0,
    text_column: str = "text",
    pre: Sequence[BasePreprocessor] | None = None,
) -> GradientLabelingFunction:
    """Make an LF that votes where ``re.search`` finds the pattern.

    Args:
        name: name of the LF.
        pattern: a regular expression, compiled or not; a compiled one brings its own flags.
        label: the class voted for.
        flags: flags of ``re``, or their letters, such as "i".
        text_column: the attribute, column or key of a data point that holds the text.
        pre: preprocessors that run before.

    Raises:
        LabelingFunctionError: if the pattern does not compile.

    Example:
        >>> lf = regex_lf("check_out", "check.*out", label=1, flags="i")
        >>> [feature.term for feature in lf.record.features]
        ['check', 'out']
    """
    text, flags = (pattern.pattern, pattern.flags) if isinstance(pattern, re.Pattern) else (pattern, flags)
    return rules_lf(name, [RegexRule(label, text, flags)], text_column, pre)


@renamed_arguments(column="text_column")
def rules_lf(
    name: str,
    rules: Iterable[Rule | Mapping[str, Any]],
    text_column: str = "text",
    pre: Sequence[BasePreprocessor] | None = None,
) -> GradientLabelingFunction:
    """Make an LF from ordered rules; the first one that hits votes.

    Rules of one class are alternatives, as the words of one rule are: a word is asked for the less strongly, the more
    often another rule brings the vote.

    Args:
        name: name of the LF.
        rules: rules, or dicts with a ``label`` and one of ``substring``, ``token``, ``regex`` (with ``flags``) and
            ``max_words``, as in an ``lfs.json``.
        text_column: the attribute, column or key of a data point that holds the text.
        pre: preprocessors that run before.

    Raises:
        LabelingFunctionError: if there is no rule or one is ill-defined.

    Example:
        >>> lf = rules_lf("mood", [{"label": 0, "token": ["sad"]}, {"label": 1, "substring": ["happ"]}])
        >>> [(feature.term, feature.label) for feature in lf.record.features]
        [('sad', 0), ('happ', 1)]
    """
    if not rules:
        raise LabelingFunctionError(f"LF {name!r} has no rules ({rules!r}); take its votes from the file instead.")
    parsed = [rule if isinstance(rule, Rule) else parse_rule(rule) for rule in rules]
    features: list[InspectedFeature] = []
    for rule in parsed:
        clause = features[-1].clause + 1 if features else 0
        features += [replace(feature, column=text_column) for feature in rule.features(clause)]
    record = LFRecord(name, tuple(features), columns=(text_column,))
    return GradientLabelingFunction(name, RuleFunction(tuple(parsed), text_column), pre=pre, record=record)
