def program():
    for _ in range(8):
        " ".join(str(i) for i in range(1000)).split()
