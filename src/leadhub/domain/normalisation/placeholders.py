"""What people type into a required field to get past it."""

import re

from leadhub.domain.normalisation.text import fold

_WORDS = frozenset(
    """
    n/a na n.a n.a. none no nil null undefined nan unknown unbekannt tbd tba test tests testing test1 test123 testtest
    asd asdf asdfg asdfgh asdfghj asdfghjkl asdasd qwe qwer qwert qwerty qwertz azerty sdf sdfg dfg fgh jkl ghj hjk
    zxc zxcv zxcvb xyz abc abcd abcde 123 abc123 foo bar foobar dummy fake anonymous anonym anon nobody noone lorem
    keine keiner kein nichts ninguno ninguna nada aucun aucune rien nessuno nessuna niente nenhum nenhuma geen brak
    empty blank leer vide vacio name vorname nachname firstname lastname fullname nombre apellido prenom
    .na -na- (none) <none> #n/a #ref! #value! not_applicable not_available no_name your_name first_name last_name
    full_name my_name k.a. k.a keine_angabe keine_angaben test_test test_user test_lead demo_test テスト 测试 测试测试 無し なし тест нет
    """.split()
)
_SAME_LETTER = re.compile(r"(\w)\1{2,}")
_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]+")


def is_placeholder(text: str) -> bool:
    """Say whether a cleaned one-line text stands for nothing.

    >>> is_placeholder("N/A"), is_placeholder("--"), is_placeholder("xxx"), is_placeholder("Na Li")
    (True, True, True, False)
    """
    folded = fold(text)
    return (
        folded.replace(" ", "_") in _WORDS
        or _NO_LETTER_OR_DIGIT.fullmatch(folded) is not None
        or _SAME_LETTER.fullmatch(folded) is not None
    )
