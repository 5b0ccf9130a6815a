"""Words and numbers for people: a sentence is a code with arguments until the edge; a language turns it into words."""

from churnml.language.catalogue import Catalogue, Language, catalogue, languages, using
from churnml.language.faults import error_fields, error_lines, error_record, error_text, one_of, said_text
from churnml.language.numbers import day, month, number, percent
from churnml.language.phrases import (
    Phrases,
    Section,
    amount,
    argument,
    has_words,
    in_every_language,
    in_words,
    phrases,
    render,
)
from churnml.language.text import Argument, Day, Quantity, Several, Text, Words, words
from churnml.language.validation import WrongValueError, validation_fault

__all__ = [
    "Argument",
    "Catalogue",
    "Day",
    "Language",
    "Phrases",
    "Quantity",
    "Section",
    "Several",
    "Text",
    "Words",
    "WrongValueError",
    "amount",
    "argument",
    "catalogue",
    "day",
    "error_fields",
    "error_lines",
    "error_record",
    "error_text",
    "has_words",
    "in_every_language",
    "in_words",
    "languages",
    "month",
    "number",
    "one_of",
    "percent",
    "phrases",
    "render",
    "said_text",
    "using",
    "validation_fault",
    "words",
]
