import json

document = {"rows": [{"id": i, "name": str(i), "rest": [1.5, None, True]} for i in range(60)]}


def program():
    for _ in range(8):
        json.loads(json.dumps(document))
