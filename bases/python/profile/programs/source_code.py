"""Python on Python: compiling, executing, syntax trees, inspection, imports from source, matching, type hints."""
import argparse
import ast
import dis
import importlib
import inspect
import io
import pprint
import sys
import types
import typing

MODULES = ["textwrap", "bisect", "heapq", "string", "copy", "fnmatch", "shlex", "statistics", "calendar", "dataclasses"]


class Fold(ast.NodeTransformer):
    def visit_BinOp(self, node):
        self.generic_visit(node)
        match node:
            case ast.BinOp(left=ast.Constant(value=int(a)), op=ast.Add(), right=ast.Constant(value=int(b))):
                return ast.copy_location(ast.Constant(a + b), node)
        return node


def evaluate(expression):
    match expression:
        case int() | float() as number:
            return number
        case ["+", *terms]:
            return sum(map(evaluate, terms))
        case ["*", first, *rest]:
            return evaluate(first) * evaluate(["*", *rest] if rest else 1)
        case {"negate": inner}:
            return -evaluate(inner)
        case _:
            raise SyntaxError(repr(expression))


def annotated(a: int, b: "list[str] | None" = None, *, c: typing.Callable[[int], str] = str) -> dict[str, int]:
    """Return nothing of use."""
    return {}


nodes = size = 0
for name in MODULES:
    source = inspect.getsource(importlib.import_module(name))
    tree = ast.parse(source)
    nodes += sum(1 for _ in ast.walk(tree))
    code = compile(source, name, "exec")
    size += len(code.co_code)
print(nodes > 0, size > 0, len(ast.unparse(tree)) > 0, len(ast.dump(ast.parse("a = [b for b in c if b]"))))
print(ast.unparse(Fold().visit(ast.parse("x = 1 + 2 + 3 + y"))), ast.literal_eval("{'a': [1, (2, 3)], 'b': -4.5}"))
total = 0
for n in range(300):
    total += eval(f"{n} * 2 + len('abc')")
    scope = {}
    exec(f"def f(x):\n    y = x + {n}\n    return [y, *range({n % 5})]\nz = f({n})", scope)
    total += scope["z"][0]
print(total, sum(evaluate(["+", n, ["*", 2, n, 3], {"negate": 1}]) for n in range(1_500)))
print(inspect.signature(annotated), typing.get_type_hints(annotated)["b"], inspect.getdoc(annotated))
listing = io.StringIO()
dis.dis(evaluate, file=listing)
pprint.pprint({n: list(range(n)) for n in range(12)}, stream=listing, width=60)
print(len(listing.getvalue()) > 0)
for n in range(12):
    parser = argparse.ArgumentParser(prog="tool", description="A tool.")
    parser.add_argument("path")
    parser.add_argument("-n", "--count", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    commands = parser.add_argument_group("more")
    commands.add_argument("--mode", choices=["a", "b"])
    options = parser.parse_args(["here", "-n", str(n), "--mode", "b"])
print(options, len(parser.format_help()) > 0)
module = types.ModuleType("made")
exec("import math as m\nvalue = m.pi", module.__dict__)
sys.modules["made"] = module
import made

print(round(made.value, 3))
for name in ["json.decoder", "fractions", "difflib", "html.parser", "string", "colorsys", "gettext", "optparse", "cmd", "pdb"]:
    sys.modules.pop(name, None)
    importlib.import_module(name)
print(len(sys.modules) > 0)
