"""Runs a module under wasmtime: run_wasmtime.py [--env NAME=VALUE] [--dir HOST::GUEST] MODULE [ARGUMENT...]

Compiled code is kept beside the module."""

import os
import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

words = sys.argv[1:]
config = WasiConfig()
env = []
while words[0].startswith("--"):
    option, value = words.pop(0), words.pop(0)
    if option == "--env":
        env.append(value.split("=", 1))
    else:
        host, guest = value.split("::")
        config.preopen_dir(host, guest)
config.env = env
config.argv = words
config.inherit_stdin()
config.inherit_stdout()
config.inherit_stderr()

engine = Engine()
code = words[0] + ".cwasm"
if os.path.exists(code) and os.path.getmtime(code) > os.path.getmtime(words[0]):
    module = Module.deserialize_file(engine, code)
else:
    module = Module.from_file(engine, words[0])
    with open(code, "wb") as file:
        file.write(module.serialize())
store = Store(engine)
store.set_wasi(config)
linker = Linker(engine)
linker.define_wasi()
instance = linker.instantiate(store, module)
try:
    instance.exports(store)["_start"](store)
except ExitTrap as end:
    sys.exit(end.code)
