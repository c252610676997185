"""Given names that are one name: Bob is Robert."""

_GROUPS = """
abigail abby | alan al allan allen | albert al bert | alexander alex sasha alec xander | alexandra alex sandra sasha
alfred fred alf | amanda mandy | andrew andy drew | anthony tony | antonio toni tonio | barbara barb babs
benjamin ben benny | bernard bernie | catherine cathy kate katie katherine kathryn kathy kat | charles charlie chuck
christian chris | christina chris tina christine | christopher chris topher kit | cynthia cindy | daniel dan danny
david dave davy | deborah deb debbie debra | dennis denny | dominic dom nick | donald don donny | dorothy dot dottie
douglas doug | edward ed eddie ted teddy ned | eleanor ellie nell nora | elizabeth liz lizzie beth betty eliza lisa
emily em emmy | eric rick | eugene gene | florence flo | francis frank frankie | francisco paco pancho
frederick fred freddie freddy | friedrich fritz fred | gabriel gabe | gary gaz | geoffrey geoff jeff | george georgie
gerald gerry jerry | gregory greg | guillermo memo | harold harry hal | heinrich heinz henry harry | helen nell
henry harry hank | ignacio nacho | isabella bella isabel izzy | jacob jake | jacqueline jackie | jakob jacob
james jim jimmy jamie | jane janie | janet jan | jeffrey jeff | jennifer jen jenny | jeremy jerry | jessica jess jessie
joan joanie | johann hans johannes jan | john jack johnny jon | jonathan jon jonny | jose pepe | joseph joe joey
josephine jo josie | joshua josh | judith judy | karl carl | katarina kati katja | katharina kathi kathrin
kenneth ken kenny | kimberly kim | kristina kris tina | lawrence larry laurence | leonard len leo lenny | leslie les
louis lou louie | louise lou | lucas luke lukas | madeleine maddie | magdalena lena magda | manuel manny manolo
margaret maggie meg peggy greta rita | maria mary marie | martha marty | martin marty | matthew matt matty
matthias matze | maximilian max | megan meg | melissa mel lissa | michael mike mick mickey michi mikey
mikhail misha | mitchell mitch | mohammed mohamed muhammad mohammad mo | natalie nat | nathan nate nathaniel
nicholas nick nicky nicolas | nikolai kolya | nikolaus klaus niklas | olivia liv livvy | oliver ollie | pamela pam
patricia pat patty trish tricia | patrick pat paddy | peter pete | philip phil phillip | rachel rae | ralph ralf
raymond ray | rebecca becky becca | richard rick ricky dick rich richie | robert bob bobby rob robbie bert
rodney rod | roger rodge | ronald ron ronnie | rosemary rose rosie | russell russ | samantha sam | samuel sam sammy
sandra sandy | sarah sally sadie sara | sebastian seb basti | sergei seryozha | stanley stan | stephanie steph
stephen steve steven stevie stefan | susan sue susie suzanne | teresa terry tess theresa tessa | terence terry
theodore ted teddy theo | thomas tom tommy | timothy tim timmy | valentina valya | veronica ronnie vera
victor vic | victoria vicky tori vicki | vincent vince vinny | virginia ginny | vladimir vova | walter walt wally
wilhelm willi willy | william bill billy will willie liam | yevgeny zhenya | zachary zach zack
"""


def _index() -> dict[str, frozenset[int]]:
    index: dict[str, set[int]] = {}
    for number, group in enumerate(_GROUPS.replace("\n", " | ").split("|")):
        for name in group.split():
            index.setdefault(name, set()).add(number)
    return {name: frozenset(numbers) for name, numbers in index.items()}


_MEMBERSHIPS = _index()


def same_given_name(one: str, other: str) -> bool:
    """Whether two folded given names are forms of one name.

    >>> same_given_name("bob", "robert"), same_given_name("bob", "bill")
    (True, False)
    """
    return not _MEMBERSHIPS.get(one, frozenset()).isdisjoint(_MEMBERSHIPS.get(other, frozenset()))


def is_given_name(name: str) -> bool:
    """Whether a folded name is known to be a given name, so that it is no misspelt other one.

    >>> is_given_name("joan"), is_given_name("jaon")
    (True, False)
    """
    return name in _MEMBERSHIPS


def forms_of(name: str) -> frozenset[str]:
    """Return the other forms of a folded given name.

    >>> sorted(forms_of("barbara"))
    ['babs', 'barb']
    """
    mine = _MEMBERSHIPS.get(name, frozenset())
    return frozenset(other for other, groups in _MEMBERSHIPS.items() if other != name and not mine.isdisjoint(groups))


_SHORT = {name for group in _GROUPS.replace("\n", " | ").split("|") for name in group.split()[1:]}
_LONG = {group.split()[0] for group in _GROUPS.replace("\n", " | ").split("|") if group.split()}


def is_short_form(name: str) -> bool:
    """Whether a folded given name is only ever what somebody is called, beside the name that they have.

    >>> is_short_form("bob"), is_short_form("robert"), is_short_form("ada")
    (True, False, False)
    """
    return name in _SHORT and name not in _LONG
