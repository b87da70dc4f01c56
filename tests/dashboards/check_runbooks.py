"""What must hold for the runbooks: one for each alert, and nothing in them that is not there."""
import re

import tree

HEADINGS = ["## What it means", "## How to see it", "## What to do", "## When to wake somebody"]


def pinctl_words():
    """Commands and options, as pinctl's own source has them."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((tree.REPO / "cli").glob("*.cpp")))
    commands = set(re.findall(r'add_subcommand\(\s*"([a-z-]+)"', source))
    options = {option for text in re.findall(r'"(-[^" ]*)"', source) for option in text.split(",")}
    return commands, options


def check_commands(text, commands, options):
    wrong = []
    for command in re.findall(r"\bpinctl ((?:[^`\n#|])+)", text):
        words = command.split()
        named = next((word for word in words if not word.startswith("-")), "")
        if named not in commands:
            wrong.append(f"pinctl has no command {named or command}")
        wrong += [f"pinctl {named}: there is no {word}" for word in words
                  if word.startswith("-") and word.split("=")[0] not in options]
    return wrong


def check(known):
    wrong = []
    alerts = {rule["alert"] for _, _, rule in tree.rules() if "alert" in rule}
    commands, options = pinctl_words()
    index = tree.RUNBOOKS / "README.md"
    listed = set(re.findall(r"\((\w+)\.md\)", index.read_text(encoding="utf-8"))) if index.is_file() else set()
    wrong += [f"README.md does not list {name}" for name in sorted(alerts - listed)]
    pages = sorted(tree.RUNBOOKS.glob("*.md"))
    for path in pages:
        text, mine = path.read_text(encoding="utf-8"), []
        if path.name != "README.md":
            if path.stem not in alerts:
                mine.append("there is no such alert")
            if not text.startswith(f"# {path.stem}\n"):
                mine.append("its title is not the alert's name")
            mine += [f"there is no part {heading!r}" for heading in HEADINGS if f"\n{heading}\n" not in text]
        mine += [f"there is no metric {name}" for name in sorted(set(re.findall(r"\b(?:pinwarden|process|instance)_[a-z_]+[a-z]\b", text)))
                 if known.labels_of(name) is None and not name.startswith("instance_")]
        mine += [f"there is no alert {name}" for name in sorted(set(re.findall(r"\bPinwarden[A-Z]\w+", text)) - alerts)]
        mine += check_commands(text, commands, options)
        mine += [f"there is no {link}" for link in re.findall(r"\]\(([^)#]+)", text)
                 if "://" not in link and not (path.parent / link).exists()]
        wrong += [f"docs/runbooks/{path.name}: {what}" for what in mine]
    return wrong, f"{len(pages)} runbooks"
