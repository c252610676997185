"""Words that tell the parts of a person's name apart, and the countries whose customs they follow."""

from leadhub.domain.normalisation import word_lists
from leadhub.domain.normalisation.placeholders import WORDS

_LISTS = {section: frozenset(entries) for section, entries in word_lists.read("names").items()}

TITLES = _LISTS["titles"]
DOTTED_TITLES = _LISTS["dotted_titles"]
DEGREES = _LISTS["degrees"]
SHORT_DEGREES = _LISTS["short_degrees"]
HONORIFICS_BEHIND = ("先生", "女士", "さん", "様", "氏", "殿", "님", "씨")
"""Behind a name in Eastern Asia: dropped."""

SUFFIXES = {
    **dict.fromkeys(("jr", "jnr"), "Jr."),
    **dict.fromkeys(("sr", "snr"), "Sr."),
    **dict.fromkeys(("ii", "2nd"), "II"),
    **dict.fromkeys(("iii", "3rd"), "III"),
    **dict.fromkeys(("iv", "4th"), "IV"),
}
"""Generations, behind a name → as we write them."""
GENERATIONS = _LISTS["generations"]
LUSO_GENERATIONS = GENERATIONS | _LISTS["luso_generations"]

PARTICLES = _LISTS["particles"]
LOWER_PARTICLES = _LISTS["lower_particles"]
RECASED_LOWER = (PARTICLES | {"e"}) - {"mc", "san", "santa", "st"}
"""Particles in lower case when a name in capitals is recased."""
CONNECTORS = frozenset({"y", "i", "e"})
"""Between two family names: Ortega y Gasset."""
DEVOTIONAL = _LISTS["devotional"]
MAC = _LISTS["mac"]
IBERIAN_GIVEN = _LISTS["iberian_given"]
HUNGARIAN_GIVEN = _LISTS["hungarian_given"]

EAST_ASIAN_SURNAMES = _LISTS["pinyin_surnames"] | _LISTS["cantonese_surnames"] | _LISTS["korean_surnames"]
JAPANESE_SURNAMES = _LISTS["japanese_surnames"]
VIETNAMESE_SURNAMES = _LISTS["vietnamese_surnames"]
CHINESE_DOUBLE = _LISTS["chinese_double"]
JAPANESE_SINGLE = _LISTS["japanese_single"]
JAPANESE_DOUBLE = _LISTS["japanese_double"]
JAPANESE_TRIPLE = _LISTS["japanese_triple"]
KOREAN_DOUBLE = _LISTS["korean_double"]

PATRONYMICS = ("вич", "вна", "ична", "инична", "оглы", "кызы", "ovich", "evich", "ovna", "evna")
"""How Russian patronymics end."""

NOBODY = _LISTS["nobody"]
PERHAPS_NOBODY = _LISTS["perhaps_nobody"]
NOBODY_PHRASES = _LISTS["nobody_phrases"]
NAMES_LIKE_PLACEHOLDERS = frozenset({"nada", "leer", "brak", "geen", "anon", "nil"})
"""Words for nothing that are also names."""

SPECIAL = frozenset(SUFFIXES).union(
    TITLES, DOTTED_TITLES, DEGREES, SHORT_DEGREES, LUSO_GENERATIONS, PARTICLES, NOBODY, PERHAPS_NOBODY, WORDS
)
"""Words that are more than a name."""

FRENCH = frozenset({"FR", "BE", "CH", "LU", "CA", "MC", "SN", "CI", "MA", "TN", "DZ", "CM", "CD"})
"""Where `M.` in front means Monsieur, not an initial."""
CAPITAL_PARTICLES = frozenset({"IT", "BE"})
"""Where particles of a family name are usually capitalised: De Luca, Van den Berg."""
HISPANIC = frozenset(
    {
        "AR",
        "BO",
        "CL",
        "CO",
        "CR",
        "CU",
        "DO",
        "EC",
        "ES",
        "GT",
        "HN",
        "MX",
        "NI",
        "PA",
        "PE",
        "PR",
        "PY",
        "SV",
        "UY",
        "VE",
    }
)
"""Where a person has two family names."""
LUSO = frozenset({"AO", "BR", "CV", "MZ", "PT"})
"""Where generations are stated by words: Filho, Neto."""
FAMILY_FIRST = frozenset({"CN", "HK", "KP", "KR", "MO", "MY", "SG", "TW"})
"""Where people write the family name first also in Latin letters."""
