package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroup is flags of a command that help shows together.
type flagGroup struct {
	title string
	flags string // names, with blanks between them
}

// groupFlags lets a command's help show its flags in groups. Flags that are in none come last.
func groupFlags(command *cobra.Command, groups []flagGroup) {
	command.SetUsageFunc(func(c *cobra.Command) error {
		var text strings.Builder
		fmt.Fprintf(&text, "Usage:\n  %s\n", c.UseLine())
		if c.HasExample() {
			fmt.Fprintf(&text, "\nExamples:\n%s\n", c.Example)
		}
		shown := map[string]bool{}
		for _, group := range groups {
			set := pflag.NewFlagSet("", pflag.ContinueOnError)
			set.SortFlags = false
			for name := range strings.FieldsSeq(group.flags) {
				set.AddFlag(c.Flags().Lookup(name))
				shown[name] = true
			}
			fmt.Fprintf(&text, "\n%s:\n%s", group.title, set.FlagUsages())
		}
		rest := pflag.NewFlagSet("", pflag.ContinueOnError)
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !shown[f.Name] {
				rest.AddFlag(f)
			}
		})
		if rest.HasAvailableFlags() {
			fmt.Fprintf(&text, "\nOther:\n%s", rest.FlagUsages())
		}
		_, err := fmt.Fprint(c.OutOrStderr(), text.String())
		return err
	})
}
