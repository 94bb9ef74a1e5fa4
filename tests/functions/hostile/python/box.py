"""What a case tried and what became of it; the judge outside reads it as JSON."""

import errno


class Box:
    def __init__(self, context, told):
        self.context = context
        self.told = told  # what the judge gave along
        self.refused = {}
        self.done = {}  # a breach, unless the judge expects it
        self.facts = {}

    def attempt(self, label, action):
        """Try something forbidden; what comes back at all has succeeded."""
        try:
            value = action()
        except OSError as error:
            self.refused[label] = errno.errorcode.get(error.errno, error.strerror)
        except Exception as error:
            self.refused[label] = type(error).__name__
        else:
            self.done[label] = repr(value)[:200]

    def answer(self):
        return {"refused": self.refused, "done": self.done, "facts": self.facts}
