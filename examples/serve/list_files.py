"""Looks around in the file system, which is the box's own and in memory."""

import os

for name in sorted(os.listdir("/")):
    print("/" + name)

print(sum(len(files) for _, _, files in os.walk("/usr")), "files below /usr")

with open("/tmp/note", "w") as file:
    file.write("gone when this program ends")
print("written:", os.listdir("/tmp"))

try:
    print(os.listdir("/home"), open("/etc/shadow").read())
except OSError as error:
    print("not here:", error)
