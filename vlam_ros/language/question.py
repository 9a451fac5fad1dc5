"""Questions about what is seen, which are answered and move nothing."""

from __future__ import annotations

import re

from vlam_ros.types import Query

_SEE = r"(?:(?:do|can|could) (?:you|we) (?:see|find|spot|detect|recognise|recognize|notice))"
_THERE = r"(?: (?:there|here|visible|present|anywhere|in view|in sight|around|now))*"
_PLACE = (
    r"(?: (?:in front of (?:you|us)|around (?:you|us)|near you|in (?:the |this |your )?"
    r"(?:image|picture|view|room|scene)|on the (?:floor|ground)))*"
)
_NOUN = r"(?P<noun>.+?)"
_END = _THERE + _PLACE + _THERE

# In this order: the first that matches the whole sentence.
_FORMS: tuple[tuple[Query, str], ...] = (
    (Query.SKILLS, r"(?:what|which things) (?:else )?(?:can|could) you do(?: for (?:me|us))?"),
    (Query.SKILLS, r"what (?:are your|skills do you have|commands do you (?:know|understand)).*"),
    (Query.SKILLS, r"(?:help|help me|what do you understand|how can you help(?: me| us)?)"),
    (Query.COUNT, rf"how many {_NOUN} (?:{_SEE}|(?:are|is) there|are){_END}"),
    (Query.SCENE, rf"what(?: all| else)? (?:{_SEE}|you (?:can )?see){_END}"),
    (Query.SCENE, rf"(?:what|which) (?:objects|things|items) (?:{_SEE}|are|are there){_END}"),
    (Query.SCENE, rf"what(?:'s| is| are)(?= ){_END}"),
    (Query.SCENE, rf"(?:tell me|describe|list|name|say) (?:what|all(?: that)?|everything(?: that)?)"
     rf" (?:you (?:can )?see|is|there is|you find){_END}"),
    (Query.SCENE, rf"(?:describe|list|name) (?:the|all|all the) (?:scene|room|view|objects|things)"
     rf"{_END}"),
    (Query.PRESENCE, rf"(?:is|are) there {_NOUN}{_END}"),
    (Query.PRESENCE, rf"{_SEE} {_NOUN}{_END}"),
    (Query.PRESENCE, rf"(?:is|are) {_NOUN} (?:there|here|visible|present|in view|in sight){_END}"),
    (Query.PLACE, rf"(?:where(?:'s| is| are)|tell me where) {_NOUN}(?: is| are)?{_END}"),
)  # fmt: skip
_COMPILED = tuple((query, re.compile(form)) for query, form in _FORMS)
_POLITE = re.compile(
    r"^(?:(?:hey|hello|hi|ok|okay|so|please|robot|and|now|tell me|can you tell me|"
    r"could you tell me|do you know) )+|(?: (?:please|robot|now|thanks|thank you))+$"
)
_NOUN_WORDS = ("you", "we", "i", "it", "they", "this", "that", "everybody", "everyone")


def asked(text: str) -> tuple[Query, str] | None:
    """What a sentence asks, and the noun phrase it asks about; None if it asks nothing of these."""
    lower = text.lower().replace("’", "'")
    words = " ".join(re.findall(r"[^\W_]+(?:['-][^\W_]+)*", lower))
    words = _POLITE.sub("", words)
    for query, form in _COMPILED:
        match = form.fullmatch(words)
        noun = match["noun"] if match and "noun" in form.groupindex else ""
        if match and noun not in _NOUN_WORDS:
            return query, noun
    return None
