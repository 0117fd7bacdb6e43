// Command boxer builds, keeps and runs boxes: OCI images whose programs are WebAssembly modules.
//
// Results go to standard output, everything else to standard error. A command that fails prints one
// `boxer: error:` line, and where there is something to do about it one `hint:` line.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"boxer.dev/runtime/isolate"
)

// version is what `git describe` said when the binary was linked.
var version = "unknown"

func main() {
	isolate.Main()
	deferCollection()
	os.Exit(doMain(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// doMain runs one command line and answers its exit status.
func doMain(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root, err := a.carriedBox(args)
	if err != nil {
		return a.report(&cobra.Command{Use: "boxer"}, err)
	}
	if root == nil {
		root = rootCommand(a, args)
		root.SetArgs(args)
	}
	command, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	return a.report(command, err)
}

// app is what every command shares: the streams of the process and where boxer keeps its things.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	abandoned      func(error) // leaves an account of a run that cannot be ended; nil: nobody wants one
}

// commands are all of them, by their names, in the order of help.
func commands() []namedCommand {
	return []namedCommand{
		{"init", initCommand}, {"convert", convertCommand}, {"build", buildCommand}, {"run", runCommand}, {"serve", serveCommand}, {"mcp", mcpCommand},
		{"images", imagesCommand}, {"inspect", inspectCommand}, {"history", historyCommand}, {"diff", diffCommand}, {"tag", tagCommand}, {"rm", removeCommand},
		{"cp", copyOutCommand}, {"export", exportCommand}, {"save", saveCommand}, {"load", loadCommand}, {"prune", pruneCommand}, {"du", diskUsageCommand},
		{"pull", pullCommand}, {"push", pushCommand}, {"copy", copyCommand}, {"login", loginCommand}, {"logout", logoutCommand},
		{"sbom", sbomCommand}, {"keygen", keygenCommand}, {"sign", signCommand}, {"verify", verifyCommand},
		{"volume", volumeCommand}, {"bench", benchCommand}, {"doctor", doctorCommand}, {"version", versionCommand},
	}
}

type namedCommand struct {
	name string
	make func(*app) *cobra.Command
}

// rootCommand has the command that args name, and no other: making all of them, with all their flags, would take a process that
// runs one longer than the flags of its own. Whatever else args are, it has all.
func rootCommand(a *app, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "boxer",
		Short: "Build, keep and run boxes: OCI images of WebAssembly programs",
		Long: `boxer builds a Boxfile (a Dockerfile for WebAssembly) into a box, an ordinary OCI image,
and runs boxes in a sandbox inside its own process: no daemon, no root, no virtual machine.
A box sees its own files and what the command line grants it; nothing else.`,
		Example: `  boxer run python:3.13 -c 'print("hello")'
  boxer build -t app .
  boxer run app`,
		Version:            version,
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true, // hintOf makes them
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("boxer {{.Version}}\n")
	all := commands()
	if i := slices.IndexFunc(all, func(c namedCommand) bool { return len(args) > 0 && c.name == args[0] }); i >= 0 {
		root.AddCommand(all[i].make(a))
	} else {
		for _, c := range all {
			root.AddCommand(c.make(a))
		}
		root.AddCommand(refusedCommands()...)
	}
	root.SetHelpCommand(helpCommand(root))
	tidyUsage(root)
	return root
}

// helpCommand replaces cobra's, to which a command that does not exist is no failure.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show help of a command",
		RunE: func(_ *cobra.Command, args []string) error {
			command, rest, err := root.Find(args)
			switch {
			case err != nil:
				return withHint(err, "see `%s --help`", root.Name())
			case len(rest) > 0:
				return withHint(fmt.Errorf("`%s` has no command %q", command.CommandPath(), rest[0]), "see `%s --help`", command.CommandPath())
			case command.Hidden:
				return command.RunE(command, nil)
			}
			return command.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			command, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range command.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// tidyUsage leaves out the "[flags]" that cobra adds to usage lines which name their options already.
func tidyUsage(command *cobra.Command) {
	command.DisableFlagsInUseLine = true
	for _, c := range command.Commands() {
		tidyUsage(c)
	}
}
