"""The rule that decides whether a reply is right."""


def final_answer(reply):
    """The text after the last "Answer: ", without surrounding white space and without one final full stop."""
    answer = reply.rpartition("Answer: ")[2].strip()
    return answer[:-1] if answer.endswith(".") else answer
