"""Counts words on its own, for comparison: wordcount.py FILE... writes
"word TAB count" lines in UTF-8, sorted by word.

A word is a maximal run of Unicode letters, marks and numbers, each character
lower-cased by itself. Bytes that are not UTF-8 part words.
"""

import collections
import sys
import unicodedata


class Characters(dict):
    """What str.translate makes of a character: its lower case, or a space."""

    def __missing__(self, code):
        character = chr(code)
        is_word = unicodedata.category(character)[0] in "LMN"
        self[code] = character.lower() if is_word else " "
        return self[code]


characters = Characters()
counts = collections.Counter()
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        for row in file:  # No word goes over a line feed.
            counts.update(row.decode("utf-8", "replace").translate(characters).split(" "))
del counts[""]
for word in sorted(counts):
    sys.stdout.buffer.write(f"{word}\t{counts[word]}\n".encode())
