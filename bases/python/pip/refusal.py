"""Says why a box cannot have a package, and what to do about it."""

import shlex
import sys

from pip._internal.index.package_finder import LinkType, PackageFinder
from pip._internal.models.wheel import Wheel
from pip._vendor.packaging.utils import canonicalize_name

# How platform tags of wheels begin, and what they stand for.
SYSTEMS = {
    "manylinux": "Linux", "musllinux": "Linux", "linux": "Linux", "macosx": "macOS", "win": "Windows",
    "android": "Android", "ios": "iOS", "pyodide": "Emscripten", "emscripten": "Emscripten", "wasm32_emscripten": "Emscripten",
}
PROCESSORS = {
    "x86_64": "x86-64", "amd64": "x86-64", "aarch64": "ARM64", "arm64": "ARM64", "i686": "x86", "win32": "x86",
    "armv7l": "ARM", "universal2": "x86-64 and ARM64",
}


def platform(tag):
    """Names the platform of a tag, manylinux_2_28_x86_64 say."""
    system = next((name for begin, name in SYSTEMS.items() if tag.startswith(begin)), None)
    processor = next((name for end, name in PROCESSORS.items() if tag.endswith(end)), None)
    return " ".join(filter(None, (system, processor))) if system else tag


def refusal(filename):
    """Says why a wheel cannot be installed."""
    tags = Wheel(filename).file_tags
    native = sorted({platform(tag.platform) for tag in tags if tag.platform != "any"})
    if native:
        return f"{filename} has native code for {' and '.join(native)}; boxes run WebAssembly (WASI)"
    pythons = ", ".join(sorted({tag.interpreter for tag in tags}))
    return f"{filename} is for another Python ({pythons}); this is {sys.version_info[0]}.{sys.version_info[1]}"


def refused(project: str, finder: PackageFinder):
    """Lists the wheels of a project that were found and passed over."""
    links = (link for link, result, _ in finder._logged_links if result == LinkType.platform_mismatch and link.is_wheel)
    names = {link.filename for link in links}
    return sorted(name for name in names if canonicalize_name(Wheel(name).name) == canonicalize_name(project))


def hint(requirement, finder):
    """Says how to come by what satisfies a requirement that nothing did."""
    wanted = shlex.quote(str(requirement))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if refused(requirement.project_name, finder):
        return (
            f"hint: if {requirement.project_name} can do without native code, offer its source, which is built in the box: "
            f"pip download -d wheels --no-deps --no-binary :all: {wanted}"
        )
    return (
        "hint: a build has no network. Fetch packages on the host: "
        f"pip download -d wheels --only-binary :all: --platform any --python-version {version} {wanted}; "
        "then: boxer build --wheels wheels"
    )
