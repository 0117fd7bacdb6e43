package main

import (
	goruntime "runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"boxer.dev/builder"
)

// versions is what a template of `boxer version --format` sees.
type versions struct{ Version, Engine, Python, Go, Os, Arch string }

func versionCommand(a *app) *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of boxer and of what it is made of",
		Args:  arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := versions{
				Version: version, Engine: moduleVersion("github.com/tetratelabs/wazero"), Python: pythonVersion(),
				Go: goruntime.Version(), Os: goruntime.GOOS, Arch: goruntime.GOARCH,
			}
			return printEach(a.stdout, format, []versions{v})
		},
	}
	const table = "boxer    {{.Version}}\nengine   wazero {{.Engine}}\npython   {{.Python}}\ngo       {{.Go}} {{.Os}}/{{.Arch}}"
	command.Flags().StringVarP(&format, "format", "f", table, "print by a Go `template`, or json")
	command.Flags().Lookup("format").DefValue = ""
	return command
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dependency := range info.Deps {
		if dependency.Path != path {
			continue
		}
		if dependency.Replace != nil { // by a patched copy, whose folder says so (internal/wazero)
			if _, version, ok := strings.Cut(dependency.Replace.Path, path+"@"); ok {
				return version
			}
		}
		return dependency.Version
	}
	return "unknown"
}

// pythonVersion is that of the Python base, or why there is none.
func pythonVersion() string {
	img, err := builtIn(builder.PythonBase)
	if err != nil {
		return err.Error()
	}
	version, err := builder.PythonVersion(img)
	if err != nil {
		return err.Error()
	}
	return version
}
