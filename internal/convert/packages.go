package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// needless are Linux packages that a box does without: it has what they hold, or they are for compiling.
var needless = strings.Fields("ca-certificates tzdata locales bash coreutils findutils sed grep tar gzip bzip2 xz-utils xz unzip zip less procps " +
	"apt-utils apt-transport-https software-properties-common gnupg gnupg2 dirmngr lsb-release " +
	"python python3 python3-pip python3-venv python3-setuptools python3-wheel py3-pip python-is-python3 " +
	"gcc g++ clang cc make cmake pkg-config pkgconf build-essential build-base musl-dev linux-headers libc-dev libc6-dev python3-dev python-dev " +
	"libffi-dev libssl-dev openssl-dev zlib1g-dev zlib-dev cargo rustc")

// packages judges a package manager for Linux.
func (c *converter) packages(manager string, args []string, f *finding) outcome {
	installs := slices.ContainsFunc(args, func(a string) bool { return a == "install" || a == "add" })
	if !installs {
		f.found(Differs, "") // its purpose is the command that installs
		return dropped
	}
	var missing []string
	for i, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		virtual := i > 0 && (args[i-1] == "-t" || args[i-1] == "--virtual")
		switch {
		case strings.HasPrefix(arg, "-") || arg == "install" || arg == "add" || virtual || strings.HasPrefix(name, "."):
		case !slices.Contains(needless, name):
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		f.found(Differs, "without %s: a box has what it needs of these packages, and nothing to compile with", manager)
		return dropped
	}
	f.found(No, "%s: a box has no Linux packages: %s", manager, strings.Join(missing, " "))
	for _, name := range missing {
		if instead := instead[name]; instead != "" {
			f.found(No, "%s: %s", name, instead)
		}
	}
	return dropped
}

// instead is what to do without well-known packages.
var instead = map[string]string{
	"curl": "ADD URL PATH fetches files", "wget": "ADD URL PATH fetches files", "git": "ADD https://HOST/REPOSITORY.git DIR fetches repositories",
	"sqlite3": "the Python base has the module sqlite3", "jq": "the Python base has the module json",
	"libpq-dev": "psycopg has native code, and a box no network to reach a database by", "postgresql-client": "a box has no network to reach a database by",
	"nodejs": "build what needs node with docker, and COPY the result", "npm": "build what needs node with docker, and COPY the result",
	"nginx": "a box has no network to serve",
}

// native are Python packages with code for the processor, of which there are no wheels for boxes.
var native = strings.Fields("numpy pandas scipy scikit-learn torch torchvision tensorflow keras jax xgboost lightgbm matplotlib pillow opencv-python " +
	"opencv-python-headless lxml cryptography bcrypt cffi pynacl psycopg2 psycopg2-binary mysqlclient pymssql pyodbc uvloop httptools watchfiles " +
	"orjson ujson msgpack-python pyarrow polars duckdb grpcio protobuf-c shapely rasterio gdal h5py numba cython greenlet gevent psutil " +
	"pycryptodome ruamel.yaml.clib uwsgi pyzmq tokenizers spacy tiktoken pydantic-core regex zstandard lz4 python-snappy")

// tools come with the base, and need not be newer.
var tools = []string{"pip", "setuptools", "wheel"}

// pipValues are options of pip install that have a value behind them.
var pipValues = strings.Fields("-r --requirement -c --constraint -e --editable -t --target -i --index-url --extra-index-url --find-links -f " +
	"--trusted-host --prefix --root --platform --python-version --implementation --abi --cache-dir --timeout --retries --proxy --cert --upgrade-strategy " +
	"--progress-bar --no-binary --only-binary --src --log --config-settings -C --global-option --root-user-action --report")

var packageName = grammar(`^[A-Za-z0-9][A-Za-z0-9._-]*`)

// pip judges pip: packages with native code and those that the base has are taken out of the command.
func (c *converter) pip(call *syntax.CallExpr, args []string, f *finding) outcome {
	if !c.python {
		f.found(No, "there is no Python in this stage: FROM python:%s", minor(c.Python))
		return dropped
	}
	if len(args) == 0 || args[0] != "install" {
		if len(args) > 0 && (args[0] == "wheel" || args[0] == "download") {
			f.found(Differs, "%s", c.wheels())
		}
		return kept
	}
	var spared []string
	first := len(call.Args) - len(args) + 1 // of call.Args, behind install
	words, wanted := []*syntax.Word{}, 0
	for i, word := range call.Args {
		arg := text(word)
		if i < first {
			words = append(words, word)
			continue
		}
		value := slices.Contains(pipValues, text(call.Args[i-1]))
		if !value && slices.Contains(tools, packageOf(arg)) {
			spared = append(spared, packageOf(arg))
			continue
		}
		if !value && leaveOut(arg, f) {
			continue
		}
		if named := []string{"-r", "--requirement", "-e", "--editable"}; value && slices.Contains(named, text(call.Args[i-1])) || !value && !strings.HasPrefix(arg, "-") ||
			strings.HasPrefix(arg, "-r") && len(arg) > 2 || strings.HasPrefix(arg, "--requirement=") {
			wanted++
		}
		if arg == "." || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, ".[") {
			f.found(Differs, "what builds the project (build-system.requires of pyproject.toml, else setuptools) has to be among the wheels")
		}
		words = append(words, word)
	}
	call.Args = words
	if len(spared) > 0 {
		f.found(Differs, "without %s: wheels install without them", strings.Join(spared, ", "))
	}
	if wanted == 0 {
		return dropped
	}
	f.found(Differs, "%s", c.wheels())
	return kept
}

// wheels says where packages come from.
func (c *converter) wheels() string {
	return "from files that the host fetches: pip download -d wheels --only-binary :all: --platform any --python-version " +
		minor(c.Python) + " …; then boxer build --wheels wheels"
}

func packageOf(arg string) string {
	return strings.ToLower(strings.ReplaceAll(packageName().FindString(arg), "_", "-"))
}

// leaveOut tells whether pip cannot install something.
func leaveOut(arg string, f *finding) bool {
	if strings.Contains(arg, "://") {
		f.found(No, "%s: RUN has no network; fetch it on the host, pip download -d wheels %s", arg, arg)
		return true
	}
	if name := packageOf(arg); slices.Contains(native, name) {
		f.found(No, "%s has native code, and there is no build of it for boxes", name)
		return true
	}
	return false
}

// user makes an account by what a box has for it: lines in /etc/passwd and /etc/group.
func (c *converter) user(args []string, f *finding) outcome {
	name, number, group, home := "", "", "", ""
	for i := 0; i < len(args); i++ {
		option, value, assigned := strings.Cut(args[i], "=")
		if !assigned && slices.Contains(userValues, option) && i+1 < len(args) {
			i++
			value = args[i]
		}
		switch {
		case option == "-u" || option == "--uid":
			number = value
		case option == "-g" || option == "--gid" || option == "-G" || option == "--ingroup":
			group = cmp.Or(c.users["group "+value], value)
		case option == "-d" || option == "--home-dir" || option == "--home" || option == "-h":
			home = value
		case !strings.HasPrefix(args[i], "-") && name == "" && value == "":
			name = args[i]
		}
	}
	if !accountName().MatchString(name) {
		f.found(No, "accounts are lines of /etc/passwd and /etc/group: write them with echo")
		return dropped
	}
	if !isNumber().MatchString(number) {
		number = cmp.Or(c.users["group "+name], c.nextUser())
	}
	if !isNumber().MatchString(group) {
		group = number
	}
	if !strings.HasPrefix(home, "/") {
		home = "/home/" + name
	}
	f.found(Differs, "accounts are lines of /etc/passwd and /etc/group")
	lines := fmt.Sprintf("echo '%s:x:%s:%s::%s:/bin/sh' >> /etc/passwd", name, number, group, home)
	if _, made := c.users["group "+name]; !made && group == number {
		lines += fmt.Sprintf(" && echo '%s:x:%s:' >> /etc/group", name, number)
	}
	c.users[name] = number
	return outcome{keep: true, replacement: lines + " && mkdir -p " + home}
}

func (c *converter) group(args []string, f *finding) outcome {
	name, number := "", ""
	for i := 0; i < len(args); i++ {
		switch option, value, assigned := strings.Cut(args[i], "="); {
		case option == "-g" || option == "--gid":
			if !assigned && i+1 < len(args) {
				i++
				value = args[i]
			}
			number = value
		case !strings.HasPrefix(option, "-") && name == "":
			name = option
		}
	}
	if !accountName().MatchString(name) {
		f.found(No, "accounts are lines of /etc/passwd and /etc/group: write them with echo")
		return dropped
	}
	if !isNumber().MatchString(number) {
		number = c.nextUser()
	}
	c.users["group "+name] = number
	f.found(Differs, "accounts are lines of /etc/passwd and /etc/group")
	return outcome{keep: true, replacement: fmt.Sprintf("echo '%s:x:%s:' >> /etc/group", name, number)}
}

// userValues are options of useradd and adduser that have a value behind them.
var userValues = strings.Fields("-u --uid -g --gid -G --groups -d --home-dir --home -h -s --shell -c --comment --gecos -k --skel -K -e -f -p --ingroup")

var (
	accountName = grammar(`^[a-z_][a-z0-9_-]*$`)
	isNumber    = grammar(`^[0-9]+$`)
)

// nextUser is a number that no account has.
func (c *converter) nextUser() string { return fmt.Sprint(1000 + len(c.users)) }
