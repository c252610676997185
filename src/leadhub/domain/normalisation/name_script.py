"""Where the family name ends in Chinese, Japanese and Korean names written without a blank."""

import re

from leadhub.domain.normalisation import name_tables as tables

_HANGUL = re.compile(r"[\uac00-\ud7af]+")
_KANA = re.compile(r"[\u3040-\u30ff]")


def split_unspaced(text: str, country: str | None = None) -> tuple[str, str]:
    """Return family and given name; a name that does not look like one is given only.

    >>> split_unspaced("王小明"), split_unspaced("欧阳修"), split_unspaced("山田太郎"), split_unspaced("김민준")
    (('王', '小明'), ('欧阳', '修'), ('山田', '太郎'), ('김', '민준'))
    """
    length = _family_length(text, country)
    return (text[:length], text[length:]) if 0 < length < len(text) else ("", text)


def _family_length(text: str, country: str | None) -> int:
    """Return how many characters the family name has; 0 if there is none."""
    if _HANGUL.fullmatch(text):
        return 0 if len(text) > 5 else 2 if text[:2] in tables.KOREAN_DOUBLE and len(text) > 2 else 1
    if country == "JP" or _KANA.search(text) or (country is None and _begins_japanese(text)):
        return _japanese_length(text)
    if len(text) > 4:
        return 0
    return 2 if text[:2] in tables.CHINESE_DOUBLE and len(text) > 2 else 1


def _begins_japanese(text: str) -> bool:
    """Say whether a name begins with a Japanese family name that is no Chinese one."""
    return text[:2] in tables.JAPANESE_DOUBLE or text[:3] in tables.JAPANESE_TRIPLE


def _japanese_length(text: str) -> int:
    """Return the length of a Japanese family name: mostly two characters, known ones of one and three.

    >>> [_japanese_length(name) for name in ("長谷川博", "森太郎", "田中さくら", "さくら")]
    [3, 1, 2, 0]
    """
    if text[:3] in tables.JAPANESE_TRIPLE:
        return 3
    kanji = re.match(r"[\u3400-\u9fff々]+", text)
    if kanji is None or len(text) > 7:
        return 0
    if kanji.end() < len(text) and kanji.end() <= 3:
        return kanji.end()
    if text[:2] in tables.JAPANESE_DOUBLE:
        return 2
    return 1 if text[0] in tables.JAPANESE_SINGLE or len(text) == 2 else 2
