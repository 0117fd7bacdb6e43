package main

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"boxer.dev/builder"
)

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions of boxer and of what it is made of",
		Args:  arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "boxer    %s\nengine   wazero %s\npython   %s\ngo       %s %s/%s\n",
				version, moduleVersion("github.com/tetratelabs/wazero"), pythonVersion(),
				goruntime.Version(), goruntime.GOOS, goruntime.GOARCH)
			return err
		},
	}
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dependency := range info.Deps {
		if dependency.Path == path {
			return dependency.Version
		}
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
