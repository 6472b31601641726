"""Lines of code wrapped as ruff and black wrap them, so that an exported file is formatted when it is written."""

WIDTH = 120
OPEN, CLOSE = "([{", ")]}"


def wrapped(text: str, indent: int = 0, ending: str = "") -> list[str]:
    """One statement or element as lines no wider than WIDTH; a comma before a closing bracket keeps it open."""
    margin = " " * indent
    if ", )" not in text and indent + len(text) + len(ending) <= WIDTH:
        return [f"{margin}{text}{ending}"]
    found = _last_bracket(text)
    if found is None or (", )" not in text and _is_sum(text)):
        return _wrapped_sum(text, indent, ending)
    start, end = found
    head, body, tail = text[: start + 1], text[start + 1 : end], text[end:]
    is_call = start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_)]")
    stays_open = ", )" in body or body.endswith(", ")
    if is_call and not stays_open and indent + 4 + len(body) <= WIDTH:
        return [f"{margin}{head}", f"{margin}    {body}", f"{margin}{tail}{ending}"]
    elements = split(body)
    if is_call and len(elements) == 1:  # a lone argument hugs no bracket of its own
        inner = wrapped(elements[0], indent + 4, "")
        return [f"{margin}{head}", *inner, f"{margin}{tail}{ending}"]
    lines = [line for element in elements for line in wrapped(element, indent + 4, ",")]
    return [f"{margin}{head}", *lines, f"{margin}{tail}{ending}"]


def split(text: str) -> list[str]:
    """The elements of a list between commas that stand in no bracket."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in OPEN) - (letter in CLOSE)
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _last_bracket(text: str) -> tuple[int, int] | None:
    """Where the last outermost bracket opens and closes."""
    depth, start, found, quoted = 0, 0, None, False
    for at, letter in enumerate(text):
        quoted ^= letter == '"'
        if quoted:
            continue
        if letter in OPEN:
            start = at if depth == 0 else start
            depth += 1
        elif letter in CLOSE:
            depth -= 1
            found = (start, at) if depth == 0 else found
    return found


def _terms(text: str) -> list[str]:
    """A sum's terms, each but the first with its sign before it."""
    parts, depth = [""], 0
    for at, letter in enumerate(text):
        depth += (letter in OPEN) - (letter in CLOSE)
        if depth == 0 and letter in "+-" and text[at - 1 : at] == " " and text[at + 1 : at + 2] == " ":
            parts.append("")
        parts[-1] += letter
    return [part.strip() for part in parts]


def _is_sum(text: str) -> bool:
    return len(_terms(text)) > 1


def _wrapped_sum(text: str, indent: int, ending: str) -> list[str]:
    """A sum too long for one line, in brackets, with a term a line."""
    margin = " " * indent
    head, sign, body = text.partition(" = ")
    if not sign:
        head, sign, body = (
            ("return", " ", text.removeprefix("return ")) if text.startswith("return ") else ("", "", text)
        )
    lines = [line for term in _terms(body) for line in wrapped(term, indent + 4)]
    return [f"{margin}{head}{sign}(", *lines, f"{margin}){ending}"]
