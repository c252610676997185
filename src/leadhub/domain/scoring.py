"""A playbook compiled to a function from a lead and an instant to everything that is decided about it.

The order is fixed: scores, signals, frameworks, disqualification, temperature, stage, route, track; each step sees only
what came before. Deciding (`Decision`) and explaining (`Evaluation`) are apart, because trying a playbook on a month of
leads needs a hundred thousand decisions and no words.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from leadhub.domain import changes, nurture, routing
from leadhub.domain.awards import Award, compile_rule
from leadhub.domain.changes import Decision, Scores
from leadhub.domain.context import Context, NextChange, Predicate, Scope
from leadhub.domain.facts import by_type
from leadhub.domain.ids import LeadId
from leadhub.domain.model import (
    Evaluation,
    FrameworkState,
    LeadView,
    Route,
    ScoreLine,
    TrackDecision,
)
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_conditions import (
    Condition,
    FrameworkCondition,
    ScoreCondition,
    SignalCondition,
    walk,
)
from leadhub.domain.playbook_rules import Group
from leadhub.domain.predicates import Ladder, compile_condition
from leadhub.domain.shifts import Shifts

Named = tuple[
    tuple[tuple[str, Predicate], ...],
    tuple[tuple[str, tuple[Callable[[Context], bool | None], ...]], ...],
]
"""Signals, and the items of checklists, by name."""


@dataclass(frozen=True, slots=True)
class CompiledGroup:
    """A group of awards and its bounds."""

    name: str
    awards: tuple[Award, ...]
    answers: tuple[tuple[Callable[[Context], int | None], int | None], ...]
    """Of each award what the inner loop needs: its answer, and the points it gives once."""
    low: int | None
    high: int | None

    def bounded(self, points: int) -> int:
        """Return points within the group's bounds."""
        if self.low is not None and points < self.low:
            return self.low
        return self.high if self.high is not None and points > self.high else points


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that judges every lead beside the one that decides, and decides nothing."""

    version: int
    playbook: "CompiledPlaybook"


class CompiledPlaybook:
    """A playbook, ready to judge leads. Safe to share: it keeps nothing of a lead."""

    def __init__(self, playbook: Playbook, shadow: Shadow | None = None) -> None:
        self.shadow = shadow
        scope = Scope(playbook.expand, ZoneInfo(playbook.metadata.timezone))
        self.playbook = playbook
        self.reference = playbook.reference
        """`name@version`."""
        self._low, self._high = playbook.scoring.clamp.min, playbook.scoring.clamp.max
        self.groups = tuple(_compile_group(name, group, scope) for name, group in playbook.scoring.groups.items())
        self.awards = tuple(award for group in self.groups for award in group.awards)
        for name, condition in playbook.signals.items():
            scope.signals[name] = compile_condition(condition, scope)
        self._signals = tuple(scope.signals.items())
        self._signal_names = tuple(scope.signals)
        self._frameworks = {
            name: tuple((item, compile_condition(condition, scope)) for item, condition in items.items())
            for name, items in playbook.frameworks.items()
        }
        self._timed_awards = tuple((index, award) for index, award in enumerate(self.awards) if award.changes)
        self._named, self._moving = self._named_things(playbook)
        self._disqualify = tuple((compile_condition(entry.when, scope), entry.reason) for entry in playbook.disqualify)
        self._temperature = Ladder.of([entry.when for entry in playbook.temperature], scope)
        self._stages = Ladder.of([entry.when for entry in playbook.stages], scope)
        self._levels = tuple(entry.level for entry in playbook.temperature)
        self._stage_names = tuple(entry.stage for entry in playbook.stages)
        self._routes = routing.compile_routes(playbook, scope)
        self._tracks = nurture.compile_tracks(playbook, scope)
        ends = playbook.feedback.ends
        self._reopen = {
            reason: compile_condition(end.reopen_when, scope)
            for reason, end in ends.items()
            if end.reopen_when is not None
        }
        self._waits_out = {reason for reason, end in ends.items() if end.hold is not None}
        """Reasons for which only time brings a lead back; without a time, whatever the person does next does."""
        self.shifts = Shifts(playbook)
        self._changes = self._all_changes()

    def score(self, view: LeadView, *, now: datetime) -> Scores:
        """Return the points alone."""
        return self._score(Context(view, now), [])

    def decide(self, view: LeadView, *, now: datetime) -> Decision:
        """Return every decision, without words."""
        context = Context(view, now)
        points: list[int] = []
        return self._decide(context, points, self._score(context, points))

    def _decide_later(self, before: Decision, at: datetime) -> Decision:
        """Return every decision about the same lead at a later instant: most awards do not care what time it is."""
        known = before.context
        context = Context(known.view, at, known.facts)
        points = before.points.copy()
        for index, award in self._timed_awards:
            points[index] = won(award.answer(context), award.once)
        scores = self._sum(context, points)
        context.signals, context.met = known.signals.copy(), known.met.copy()
        return self._decide(context, points, scores, self._moving)

    def _decide(self, context: Context, points: list[int], scores: Scores, named: Named | None = None) -> Decision:
        """Make the decisions that follow from the scores; what is not among `named` stands as it is in the context."""
        signals, frameworks = named or self._named
        for name, predicate in signals:
            context.signals[name] = predicate.holds(context) is True
        for name, answers in frameworks:
            context.met[name] = _count(answers, context)
        context.disqualified = self._disqualification(context)
        temperature = self._temperature.first(context)
        context.temperature = self._levels[temperature]
        stage = self._stages.first(context)
        context.stage = self._stage_names[stage]
        rule, route, team = self._routes.choose(context)
        context.routed = route
        track = self._tracks.choose(context)
        return Decision(context, points, scores, temperature, stage, rule, route, team, track)

    def evaluate(self, view: LeadView, *, now: datetime) -> Evaluation:
        """Return every decision with its reasons, and when time alone will change one."""
        decision = self.decide(view, now=now)
        context = decision.context
        lines: list[ScoreLine] = []
        not_met: list[ScoreLine] = []
        for award, points in zip(self.awards, decision.points, strict=True):
            kind = lines if points else not_met
            kind.append(ScoreLine(award.rule, points or award.possible, award.because(context, points)))
        changes_at, change = changes.next_change(
            decision, lambda at: self._decide_later(decision, at), self._changes, self.awards, self._signal_names
        )
        return Evaluation(
            playbook=self.reference,
            groups=decision.scores.groups,
            total=decision.scores.total,
            raw=decision.scores.raw,
            lines=tuple(lines),
            not_met=tuple(not_met),
            signals={name: one.because(context) for name, one in self._signals if context.signals[name]},
            frameworks={name: _state(items, context) for name, items in self._frameworks.items()},
            disqualified=context.disqualified,
            temperature=context.temperature,
            temperature_because=self._temperature.because(decision.temperature, context),
            stage=context.stage,
            stage_because=self._stages.because(decision.stage, context),
            routing=self._routes.decide(context),
            nurture=self._tracks.decide(context),
            changes_at=changes_at,
            change=change,
        )

    def reopens(
        self, reason: str, view: LeadView, *, now: datetime, since: Mapping[str, int], since_at: datetime
    ) -> str | None:
        """Return why a lead that sales gave back, or closed, should come back, or None while it should not.

        Only what the person did since then counts: the request that brought the lead to sales must not bring it back.

        Args:
            reason: of the rejection, a key of the playbook's `feedback.reject.reasons`; or `won`, `lost`. If it names
                neither a condition nor a time, anything that the person did counts.
            view: the lead as it is now.
            now: the instant of judging.
            since: the scores when it left sales, by group and `total`; `gained` counts from them.
            since_at: when that was.
        """
        predicate = self._reopen.get(reason)
        if predicate is None and reason in self._waits_out:
            return None
        context = self.decide(view, now=now).context
        context.gained_from = since
        context.facts = by_type([fact for fact in view.facts if fact.last_at > since_at])
        if predicate is None:
            return f"did something new: {min(context.facts)}" if context.facts else None
        for name, signal in self._signals:
            context.signals[name] = signal.holds(context) is True
        return predicate.because(context) if predicate.holds(context) else None

    def track_beside_sales(self, view: LeadView, *, now: datetime) -> TrackDecision:
        """Return the track of a lead that sales does not want now, whatever the routing rules say."""
        context = self.decide(view, now=now).context
        context.routed = Route.NURTURE
        return self._tracks.decide(context)

    def why_left(self, track: str, view: LeadView, *, now: datetime) -> str | None:
        """Return why a lead had to leave a track: "goal: …", "exit: …"; None if it only matches another one now."""
        return self._tracks.left(track, self.decide(view, now=now).context)

    def signal_holds(self, name: str, view: LeadView, *, now: datetime) -> bool:
        """Return whether a signal of the playbook holds for a lead."""
        return self.decide(view, now=now).context.signals[name]

    def unwanted(self, view: LeadView, *, channel: str, now: datetime) -> str | None:
        """Return why nobody may write to a lead on a channel now: "suppressed: …", "no_consent: …"; None if one may."""
        return self._tracks.unwanted(Context(view, now), channel=channel)

    def _score(self, context: Context, points: list[int]) -> Scores:
        """Ask every award, keep the points of each in the list, and add them up."""
        for group in self.groups:
            # `won`, written out: this line runs once for every rule of every lead.
            points += [
                (answer(context) or 0) if once is None else (once if answer(context) else 0)
                for answer, once in group.answers
            ]
        return self._sum(context, points)

    def _sum(self, context: Context, points: list[int]) -> Scores:
        groups: dict[str, int] = {}
        raw = start = 0
        for group in self.groups:
            end = start + len(group.answers)
            subtotal = sum(points[start:end])
            raw += subtotal
            groups[group.name] = group.bounded(subtotal)
            start = end
        total = max(self._low, min(self._high, sum(groups.values())))
        context.scores = {**groups, "total": total}
        return Scores(groups, total, raw)

    def _disqualification(self, context: Context) -> str | None:
        if context.view.disqualified_reason is not None:
            return context.view.disqualified_reason
        for predicate, reason in self._disqualify:
            if predicate.holds(context):
                return reason
        return None

    def _named_things(self, playbook: Playbook) -> tuple[Named, Named]:
        """Return the signals and the checklists that decisions depend on, and those of them that time can change.

        Other checklists are counted only when explained.
        """
        moving: set[str] = set()
        for name, predicate in self._signals:
            if _moving([playbook.signals[name]], [predicate], moving):
                moving.add(name)
        asked = {part.framework for _, part in playbook.conditions() if isinstance(part, FrameworkCondition)}
        answers = {name: tuple(predicate.holds for _, predicate in items) for name, items in self._frameworks.items()}
        timed = {
            name
            for name, items in self._frameworks.items()
            if _moving(playbook.frameworks[name].values(), (predicate for _, predicate in items), moving)
        }
        return (
            (self._signals, tuple((name, answers[name]) for name in answers if name in asked | timed)),
            (
                tuple((name, predicate) for name, predicate in self._signals if name in moving),
                tuple((name, answers[name]) for name in answers if name in timed),
            ),
        )

    def _all_changes(self) -> tuple[NextChange, ...]:
        predicates = [predicate for _, predicate in self._signals]
        predicates += [predicate for items in self._frameworks.values() for _, predicate in items]
        predicates += [predicate for predicate, _ in self._disqualify]
        ladders = (self._temperature, self._stages, self._routes, self._tracks)
        every = [award.changes for award in self.awards]
        every += [predicate.changes for predicate in predicates]
        every += [ladder.changes for ladder in ladders]
        return tuple(dict.fromkeys(change for changes in every for change in changes))


def compile_playbook(playbook: Playbook, shadow: Shadow | None = None) -> CompiledPlaybook:
    """Make a playbook ready to judge leads, perhaps with another one beside it."""
    return CompiledPlaybook(playbook, shadow)


def _compile_group(name: str, group: Group, scope: Scope) -> CompiledGroup:
    awards = tuple(compile_rule(rule, name, group.decay, scope) for rule in group.rules)
    answers = tuple((award.answer, award.once) for award in awards)
    return CompiledGroup(name, awards, answers, group.min, group.max)


def won(answer: int | None, once: int | None) -> int:
    """Return an award's points: what it answers, or what it gives once if it answers yes."""
    return (answer or 0) if once is None else (once if answer else 0)


def _moving(conditions: Iterable[Condition], compiled: Iterable[Predicate], moving: Container[str]) -> bool:
    """Whether time alone can change any of some conditions: by itself, through scores, or through a signal."""
    if any(predicate.changes for predicate in compiled):
        return True
    parts = (part for condition in conditions for _, part in walk(condition))
    return any(
        isinstance(part, ScoreCondition) or (isinstance(part, SignalCondition) and part.signal in moving)
        for part in parts
    )


def _count(answers: tuple[Callable[[Context], bool | None], ...], context: Context) -> tuple[int, int]:
    met = unknown = 0
    for answer in answers:
        one = answer(context)
        if one:
            met += 1
        elif one is None:
            unknown += 1
    return met, unknown


def _state(items: tuple[tuple[str, Predicate], ...], context: Context) -> FrameworkState:
    met: list[str] = []
    not_met: list[str] = []
    unknown: list[str] = []
    for item, predicate in items:
        answer = predicate.holds(context)
        (met if answer else unknown if answer is None else not_met).append(item)
    return FrameworkState(tuple(met), tuple(not_met), tuple(unknown))


def explanation(evaluation: Evaluation, lead_id: LeadId) -> dict[str, Any]:
    """Return an evaluation as the JSON that people and other systems read."""
    return {
        "lead": str(lead_id),
        "model": evaluation.playbook,
        "total": evaluation.total,
        "raw": evaluation.raw,
        "fit": evaluation.fit,
        "engagement": evaluation.engagement,
        "stage": evaluation.stage.value,
        "temperature": evaluation.temperature.value,
        "rule": evaluation.routing.rule,
        "route": route_words(evaluation),
        "lines": [_line(line) for line in evaluation.lines],
        "not_met": [_line(line) for line in evaluation.not_met],
        "frameworks": {name: _framework(state) for name, state in evaluation.frameworks.items()},
        "changes_at": instant(evaluation.changes_at),
        "change": evaluation.change,
    }


def route_words(evaluation: Evaluation) -> str:
    """Return the route and where it leads: "sales:na", "nurture:beginner", "nurture:none", "none"."""
    match evaluation.routing.route:
        case Route.SALES:
            return f"sales:{evaluation.routing.team}"
        case Route.NURTURE:
            return f"nurture:{evaluation.nurture.track or 'none'}"
        case Route.NONE:
            return "none"


def _line(line: ScoreLine) -> dict[str, Any]:
    return {"rule": line.rule, "points": line.points, "because": line.because}


def _framework(state: FrameworkState) -> dict[str, Any]:
    return {"met": len(state.met), "unknown": list(state.unknown), "next_question": state.next_question}


def instant(value: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC, or None.

    >>> instant(datetime(2025, 4, 9, 10, tzinfo=UTC))
    '2025-04-09T10:00:00Z'
    """
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value is not None else None
