import re

address = re.compile(r"(\w+)@(\w+)\.com")
text = "one two three@four.com five " * 200


def program():
    for _ in range(5):
        address.findall(text)
