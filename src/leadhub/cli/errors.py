"""What a user's mistake is answered with."""


class UserError(Exception):
    """Something that whoever typed the command can put right: a sentence, and the next thing to try."""

    def __init__(self, sentence: str, advice: str = "", *, code: int = 2) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.advice = advice
        self.code = code

    @property
    def lines(self) -> list[str]:
        """The text to print, a line each."""
        return [self.sentence, *([self.advice] if self.advice else [])]
