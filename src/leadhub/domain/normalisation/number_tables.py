"""The words around numbers: multipliers, currencies, comparisons, lengths of time."""

import re
from decimal import Decimal

MULTIPLIERS: dict[str, int] = {
    **dict.fromkeys("k tsd thousand tausend tys tis тыс 千 천".split(), 10**3),
    **dict.fromkeys(
        "m mm mio mln mn mill million millions millionen millones milhoes milioni miljoen miljoner млн 百万 백만".split(),
        10**6,
    ),
    **dict.fromkeys("b bn bln mrd milliard milliards milliarden miliardi млрд".split(), 10**9),
    **dict.fromkeys("lakh lakhs lac lacs".split(), 10**5),
    **dict.fromkeys("cr crore crores".split(), 10**7),
    **dict.fromkeys("万 萬 만".split(), 10**4),
    **dict.fromkeys("億 亿 억".split(), 10**8),
}
"""Folded word → factor. `billion` is missing on purpose: it is 10⁹ in English and 10¹² in most of Europe."""

AMBIGUOUS = frozenset({"mil", "billion", "billions", "billones", "mille"})
"""`10 mil` is ten thousand in Madrid and ten million in New York."""

CURRENCIES = frozenset(
    """
    eur euro euros usd us dollar dollars gbp pound pounds chf sfr fr franken francs jpy yen cny rmb inr rs rupees aud a
    cad c nzd sgd hkd sek nok dkk kr kronor kroner pln zl czk kc huf ft ron lei bgn try tl brl r reais real mxn mx pesos
    peso clp cop ars zar aed sar dhs dh ils nis rub руб uah krw won thb baht idr rp myr rm php vnd ngn kes egp 円 元 원
    """.split()
)
"""Codes and words that may stand directly at an amount."""

COUNTED = frozenset(
    """
    employees employee empl people persons person pers staff fte ftes heads headcount users mitarbeiter mitarbeitende
    mitarbeiterinnen ma personen beschaftigte angestellte salaries salarie employes personnes empleados trabajadores
    personas dipendenti addetti persone funcionarios colaboradores pessoas medewerkers werknemers anstallda medarbetare
    ansatte tyontekijaa pracownikow osob zamestnancu calisan сотрудников человек 人 名 명
    """.split()
)
"""What a head count counts."""

ALONE = frozenset(
    """
    just me|only me|me|myself|solo|self employed|self-employed|selfemployed|freelancer|freelance|sole trader|one|einzelunternehmer
    nur ich|moi|yo|1-person|one-man|one person|solopreneur|autonomo|zzp|independant
    """.replace("\n", "|").strip(" |").split("|")
)
"""Ways to say one person."""

BELOW = re.compile(
    r"(?:<|under|below|less than|fewer than|unter|weniger als|moins de|menos de|meno di|minder dan|farre an|ponizej|менее)\s*$"
)
AT_MOST = re.compile(
    r"(?:<=|≤|up to|max|maximum|at most|no more than|not more than|bis zu|bis|maximal|hochstens|jusqu ?a|hasta|maximo|ate"
    r"|fino a|tot|upp till|opptil|op til|do)[.:]?\s*$"
)
AT_LEAST = re.compile(
    r"(?:>=?|≥|more than|over|above|at least|min|minimum|mehr als|uber|ab|mindestens|plus de|mas de|mais de|piu di|oltre"
    r"|meer dan|mer an|from|later than|longer than|after|beyond)[.:]?\s*$"
)
AND_MORE = re.compile(
    r"\s*(?:\+|plus\b|or more|and (?:more|above|up|over)|oder mehr|und mehr|et plus|ou plus|y mas|o mas|ou mais|e oltre|of meer)"
)

_DAY = Decimal(12) / 365
_WEEK = Decimal(12) / 52
"""Such that 90 days are within 3 months, 26 weeks are 6 and a year is 12."""

_TIME_UNITS: dict[str, Decimal] = {
    **dict.fromkeys("d day days tag tage tagen jour jours dia dias giorno giorni dag dagen dagar dager dni день дней 日 天 일".split(), _DAY),
    **dict.fromkeys(
        """w wk wks week weeks woche wochen kw semaine semaines semana semanas settimana settimane weken vecka veckor uke
        uker uger tydzien tygodni недель 週間 周 주""".split(),
        _WEEK,
    ),
    **dict.fromkeys(
        """m mo mos mth mths month months monat monate monaten mois mes meses mese mesi maand maanden manad manader maned
        maneder miesiac miesiace miesiecy месяц месяца месяцев ヶ月 か月 カ月 ケ月 個月 个月 月 개월""".split(),
        Decimal(1),
    ),
    **dict.fromkeys("q quarter quarters quartal quartale trimestre trimestres trimestri kwartaal kwartalen kvartal".split(), Decimal(3)),
    **dict.fromkeys(
        """y yr yrs year years jahr jahre jahren an ans annee annees ano anos anno anni jaar jaren ar rok lata lat год года
        лет 年 년""".split(),
        Decimal(12),
    ),
}
TIME_WORDS = frozenset(_TIME_UNITS)
MAY_FOLLOW = CURRENCIES | COUNTED | TIME_WORDS
"""Words that may stand directly behind a number: `50employees`, but not `50x`."""

_FIRST_WORD = re.compile(r"\s*\+?\s*([^\W\d_]+)")

LONGEST_MONTHS = 600

_SPELT_OUT: dict[str, str] = {
    word: str(number)
    for number, words in enumerate(
        (
            "a an one ein eine einem einer un une uno una um uma een en",
            "two zwei deux dos due dois duas twee tva to couple",
            "three drei trois tres tre drie",
            "four vier quatre cuatro quattro quatro fyra fire",
            "five funf cinq cinco cinque vijf fem",
            "six sechs seis sei zes sex",
            "seven sieben sept siete sette sete zeven",
            "eight acht huit ocho otto oito",
            "nine neun neuf nueve nove negen",
            "ten zehn dix diez dieci dez tien",
            "eleven elf onze once undici",
            "twelve zwolf douze doce dodici doze twaalf",
        ),
        start=1,
    )
    for word in words.split()
}
_HALF_YEAR = re.compile(r"\b(?:half (?:a |1 )?year|a half year|halbes jahr|halben jahr|six mois|demi annee|medio ano|mezzo anno|meio ano|half jaar)\b")
_WORD = re.compile(r"[^\W\d_]+")


def spelt_out_numbers(text: str) -> str:
    """Return the text with the numbers up to twelve as digits.

    >>> spelt_out_numbers("six months"), spelt_out_numbers("half a year"), spelt_out_numbers("in einem jahr")
    ('6 months', '6 months', 'in 1 jahr')
    """
    text = _HALF_YEAR.sub("6 months", text)
    if any(character.isdigit() for character in text):
        return text
    return _WORD.sub(lambda found: _SPELT_OUT.get(found[0], found[0]), text)


def time_unit(rest: str) -> Decimal | None:
    """Return the length in months of the unit that follows a number; no word at all means months.

    >>> time_unit(" quarters"), time_unit(""), time_unit(" bananas")
    (Decimal('3'), Decimal('1'), None)
    """
    found = _FIRST_WORD.match(rest)
    return _TIME_UNITS.get(found[1]) if found else Decimal(1)


_NOW = (
    r"(?:asap|a\.s\.a\.p\.?|as soon as possible|immediate(?:ly)?|now|right (?:now|away)|today|tomorrow|urgent(?:ly)?|instantly"
    r"|(?:ab )?sofort|schnellstmoglich|so schnell wie moglich|dringend|heute|umgehend|immediatement|des que possible"
    r"|tout de suite|maintenant|inmediat(?:o|amente)|lo antes posible|cuanto antes|urgente|ahora|ya|subito"
    r"|il prima possibile|immediat[oa]|imediat[oa]|imediatamente|o quanto antes|agora|zo snel mogelijk|direct|nu|meteen"
    r"|snarast|omgaende|natychmiast|сейчас|срочно|すぐ|今すぐ|立即|马上|立刻|즉시)"
)
_THIS = r"(?:(?:in |within |by the end of |end of )?(?:this|the current|current|diese[sn]?[mr]?|im laufenden|ce|cette|este|esta|questo|questa|deze|dit|denna|detta))"
_NEXT = r"(?:(?:in |within |by |by the end of )?(?:the )?(?:next|coming|nachste[snmr]?|kommende[snmr]?|prochaine?|proximo|proxima|prossimo|prossima|volgend(?:e)?|nasta))"
_WEEK_WORD = r"(?:week|woche|semaine|semana|settimana|vecka)"
_MONTH_WORD = r"(?:month|monat|mois|mes|mese|maand|manad)"
_QUARTER_WORD = r"(?:quarter|quartal|trimestre|kwartaal|kvartal)"
_YEAR_WORD = r"(?:year|jahr|annee|an|ano|anno|jaar|ar)"
_AFTERWARDS = r"(?: prochaine?| proximo| proxima| que viene| prossimo| prossima| en cours)"

TIMELINES: tuple[tuple[re.Pattern[str], int | float], ...] = tuple(
    (re.compile(pattern + r"[.! ]*"), value)
    for pattern, value in (
        (_NOW, 0),
        (rf"{_THIS} {_WEEK_WORD}", 0.25),
        (rf"{_NEXT} {_WEEK_WORD}|(?:la )?{_WEEK_WORD}{_AFTERWARDS}", 0.5),
        (rf"{_THIS} {_MONTH_WORD}", 1),
        (rf"{_NEXT} {_MONTH_WORD}|(?:le |el |il )?{_MONTH_WORD}{_AFTERWARDS}", 2),
        (rf"{_THIS} {_QUARTER_WORD}", 3),
        (rf"{_NEXT} {_QUARTER_WORD}|(?:le |el |il )?{_QUARTER_WORD}{_AFTERWARDS}", 6),
        (rf"{_THIS} {_YEAR_WORD}|heuer", 12),
        (rf"{_NEXT} {_YEAR_WORD}|(?:l'|el |l)?{_YEAR_WORD}{_AFTERWARDS}", 24),
    )
)
"""What is said without a number → the latest month that it allows."""

MONTH_NAMES = re.compile(
    r"(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*[-. ]{0,2}\d"
    r"|\d(?:st|nd|rd|th)?[-. ]{0,2}(?:jan|feb|mar(?!ket)|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*\b"
)
"""A date, or a range that a spreadsheet took for one: `11-50` becomes `Nov-50`."""
