"""Legal forms of companies, and what people type who have no company.

Forms stand here without dots and blanks, as `company.py` compares them: `S.A. de C.V.` is `sadecv`. Words that are more
often part of a name than a form (`pc`, `me`, `da`) are left out, as is `as` in front: it is a football club.
"""

import re

from leadhub.domain.normalisation.text import fold

_BEHIND = {
    "English-speaking countries, the Gulf": """
        inc incorporated corp corporation co company ltd limited llc llp lllp lp plc pllc pbc cic clg dac ulc unlimited
        coltd coinc companyltd companylimited companyinc coltdinc andco andcompany andcoltd andcompanylimited andcoinc
        privatelimited pvtltd pvtlimited privateltd pltd opcpvtltd ptyltd ptylimited proprietarylimited pty pteltd
        ptelimited pte sdnbhd bhd berhad fze fzco fzllc wll dmcc saoc saog ltee limitee coop
        """,
    "Germany, Austria, Switzerland": """
        gmbh mbh ggmbh gesmbh gesellschaftmbh gesellschaftmitbeschrankterhaftung ag aktiengesellschaft kg ohg gbr ug
        ughaftungsbeschrankt haftungsbeschrankt unternehmergesellschaft unternehmergesellschafthaftungsbeschrankt ek ekfm
        ekfr ev eg se kgaa gmbhandcokg gmbhandcokgaa gmbhandcoohg mbhandcokg agandcokg agandcokgaa agandcoohg ugandcokg
        ughaftungsbeschranktandcokg seandcokg seandcokgaa andcokg andcokgaa andcoohg gmbhundcokg agundcokg undcokg
        gmbhcokg partg partgmbb partnerschaftmbb sagl gmbhandcie andcie
        """,
    "France, Belgium, the Netherlands, Luxembourg": """
        sa sas sasu sarl eurl snc sci scop selarl selas sprl bvba srl asbl vzw cvba nv bv vof cv beslotenvennootschap
        naamlozevennootschap societeanonyme scsp sarls saetcie etcie gie
        """,
    "Spain, Portugal, Italy, Latin America": """
        sl slu sll slne slp sau sal sociedadanonima sociedadlimitada scoop lda unipessoallda unipessoal ltda ltdame
        ltdaepp eireli eirelime mei sadecv sabdecv sapidecv sderldecv srldecv sapi sacv scdecv saic sacif saci sac saa
        eirl spa srls limitada sociedadeanonima scarl scrl societaperazioni societaaresponsabilitalimitata ca sdecv sderl
        """,
    "Nordic and Baltic countries": """
        ab abpubl aktiebolag hb kb aps as is ks ps asa ans oy oyj oyab abp ky osakeyhtio ehf hf slf uab mb sia ou
        """,
    "Central and Eastern Europe, Turkey, Greece": """
        spzoo spzoospk spk spj spolkazoo spolkaakcyjna spolkazograniczonaodpowiedzialnoscia sro spolsro vos kft zrt nyrt
        bt doo dd jdoo ad ead ood eood ltdsti ticltdsti sanveticas sanveticltdsti ticas limitedsirketi anonimsirketi ae
        epe ike
        """,
    "other scripts, Indonesia": "ооо оао зао пао ао ип тоо тов ат прат пп еоод оод ад ет доо αε επε ικε בעמ จำกัด tbk",
}
BEHIND = frozenset(fold(form) for forms in _BEHIND.values() for form in forms.split())
LONGEST_FORM_WORDS = 8
"""`sp. z o. o. sp. k.` has six; a few more do no harm."""

FRONT = frozenset(
    fold(form)
    for form in """
    ab oy pt uab sia ou sarl eurl firma fa congtytnhh congtycophan ctytnhh ctcp ооо оао зао пао ао ип тоо тов บริษัท
    """.split()
)
"""Forms that some countries write in front: AB Volvo, PT Astra, ООО «Ромашка»."""

_ATTACHED = (
    "株式会社|有限会社|合同会社|合資会社|合名会社|一般社団法人|\\(株\\)|\\(有\\)|\\(同\\)"
    "|주식회사|유한회사|\\(주\\)|\\(유\\)|股份有限公司|有限责任公司|有限責任公司|有限公司|公司"
)
ATTACHED = re.compile(rf"^(?:{_ATTACHED})\s*|\s*(?:{_ATTACHED})$")
"""Forms of Eastern Asia, which no blank separates from the name."""

NO_COMPANY = frozenset(
    fold(words.strip())
    for words in """
    self employed|selfemployed|self|freelancer|freelance|free lance|freelancing|independent|independent contractor|sole trader
    |sole proprietor|sole proprietorship|private|private person|private individual|privat|privatperson|individual|personal
    |student|unemployed|retired|homemaker|housewife|no company|not employed|without company|myself|me|home|own|own business
    |autonomo|autonoma|trabajador autonomo|por cuenta propia|cuenta propia|independiente|particular|estudiante|jubilado
    |independant|independante|auto entrepreneur|autoentrepreneur|micro entrepreneur|micro entreprise|particulier|etudiant
    |retraite|sans emploi|selbststandig|selbstandig|freiberufler|freiberuflerin|freiberuflich|freelancerin|einzelunternehmer
    |einzelunternehmen|rentner|arbeitslos|arbeitssuchend|keine firma|privatkunde|privato|libero professionista|disoccupato
    |studente|in proprio|profissional liberal|pessoa fisica|conta propria|estudante|zzp|zzper|zelfstandig|zelfstandige
    |eenmanszaak|geen bedrijf|egenforetagare|frilans|frilanser|frilansare|selvstendig|selvstaendig|yrittaja|osoba prywatna
    |osvc|serbest|serbest meslek|個人|個人事業主|フリーランス|自営業|个人|个体户|自由职业|無職|자영업|프리랜서|개인|самозанятый|самозанятая
    |фрилансер|фриланс|частное лицо|физическое лицо|ип
    """.replace("\n", " ").split("|")
)
"""Folded words of people who state that there is no company behind them."""
