"""Takes apart expressions of PromQL as far as the checks need it: which series they select, and which labels they use.

Not a parser: Prometheus itself (promtool, and evaluate.py against a server) says whether an expression is right.
"""
import dataclasses
import re

TOKEN = re.compile(r"""\s+ | (?P<comment>\#[^\n]*) | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    | (?P<range>\[[^\]]*\]) | (?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?) | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},@])""", re.VERBOSE)
LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "Inf", "NaN", "start", "end"}


@dataclasses.dataclass
class Selector:
    metric: str
    matchers: list      # (label, operator, value)
    window: str = ""    # of a range: what stands between [ and ]
    around: tuple = ()  # the functions and aggregations around it, from outermost to innermost

    @property
    def function(self):
        return self.around[-1] if self.around else ""

    def text(self):
        return self.metric + "{" + ", ".join(f'{label}{sign}"{value}"' for label, sign, value in self.matchers) + "}"


@dataclasses.dataclass
class Expression:
    selectors: list
    grouped: set   # labels named by on, by, ...
    made: set      # labels that label_replace makes
    windows: list  # all ranges, as written


def tokens(text):
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"cannot read {text[place:place + 20]!r} of {text!r}")
        place = match.end()
        if match.lastgroup and match.lastgroup != "comment":
            yield match.lastgroup, match.group(match.lastgroup)


def _matchers(parts, place):
    """parts[place] is the { ; gives the matchers and where it goes on."""
    found, place = [], place + 1
    while parts[place][1] != "}":
        if parts[place][1] == ",":
            place += 1
            continue
        found.append((parts[place][1], parts[place + 1][1], parts[place + 2][1][1:-1]))
        place += 3
    return found, place + 1


def take_apart(text):
    parts = [*tokens(text), ("sign", ""), ("sign", "")]
    result = Expression([], set(), set(), [part[1:-1] for kind, part in parts if kind == "range"])
    calls, place = [], 0  # calls: of each open parenthesis, whose it is
    while place < len(parts):
        kind, part = parts[place]
        following = parts[place + 1][1] if place + 1 < len(parts) else ""
        if kind == "word" and part in LISTS:
            place += 1
            if following == "(":
                place += 1
                while parts[place][1] != ")":
                    if parts[place][0] == "word":
                        result.grouped.add(parts[place][1])
                    place += 1
                place += 1
            continue
        if kind == "word" and part not in WORDS:
            # An aggregation's labels may stand before its parenthesis: sum by (x) (...)
            if following == "(" or (following in LISTS and part.islower() and ":" not in part):
                if following != "(":
                    calls.append(part)
                    place += 1
                    while parts[place][1] != ")":
                        if parts[place][0] == "word" and parts[place][1] not in LISTS:
                            result.grouped.add(parts[place][1])
                        place += 1
                    place += 2
                    continue
                if part == "label_replace":
                    result.made.update(_made(parts, place))
                calls.append(part)
                place += 2
                continue
            selector = Selector(part, [], around=tuple(call for call in calls if call))
            place += 1
            if following == "{":
                selector.matchers, place = _matchers(parts, place)
            if parts[place][0] == "range":
                selector.window = parts[place][1][1:-1]
            result.selectors.append(selector)
            continue
        if part == "(":
            calls.append("")
        elif part == ")" and calls:
            calls.pop()
        place += 1
    return result


def _made(parts, place):
    """The label that the label_replace at place makes: the first string at its own depth."""
    depth = 0
    for kind, part in parts[place + 1:]:
        depth += {"(": 1, ")": -1}.get(part, 0) if kind == "sign" else 0
        if kind == "string" and depth == 1:
            return [part[1:-1]]
        if depth == 0:
            break
    return []
