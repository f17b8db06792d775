"""Labeling functions made of rules: what they inspect is read off, and they vote on a whole corpus at once."""

from lol_lightning.lfs.rules.rule_types import MaxWordsRule, RegexRule, Rule, SubstringRule, TokenRule
from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf, rules_lf

__all__ = [
    "MaxWordsRule",
    "RegexRule",
    "Rule",
    "SubstringRule",
    "TokenRule",
    "keyword_lf",
    "regex_lf",
    "rules_lf",
]
