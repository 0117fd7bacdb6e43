big, modulus = 3**2000, 7**1500


def program():
    for _ in range(60):
        big * big % modulus
