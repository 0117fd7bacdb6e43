package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"boxer.dev/builder"
	"boxer.dev/internal/convert"
	"boxer.dev/internal/export"
)

type convertOptions struct {
	output string
	json   bool
}

// statusLost is the exit status of a conversion in which something does not apply.
const statusLost = 2

func convertCommand(a *app) *cobra.Command {
	var o convertOptions
	command := &cobra.Command{
		Use:   "convert [OPTIONS] [DOCKERFILE]",
		Short: "Judge a Dockerfile line by line and make a Boxfile of it",
		Long: `Judge a Dockerfile line by line and make a Boxfile of it.

Each instruction works, differs (it works in another form or to another effect) or does not apply,
with the reason and what to do instead. What does not apply stays in the Boxfile as a comment.
Verdicts go to standard error, the Boxfile to standard output.

The exit status is 0 if every instruction works, perhaps in another form, and 2 if something does
not apply.`,
		Example: `  boxer convert -o Boxfile Dockerfile
  boxer convert --json - < Dockerfile`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"Dockerfile"}
			}
			return a.convert(o, args[0])
		},
	}
	flags := command.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "write the Boxfile to a `file`")
	flags.BoolVar(&o.json, "json", false, "print verdicts and Boxfile as JSON")
	return command
}

func (a *app) convert(o convertOptions, name string) error {
	converted, err := a.converted(name)
	if err != nil {
		return err
	}
	if o.output != "" {
		write := func(w io.Writer) error { _, err := io.WriteString(w, converted.Boxfile); return err }
		if err := export.File(o.output, write); err != nil {
			return fmt.Errorf("writing the Boxfile: %w", err)
		}
	}
	switch {
	case o.json:
		encoder := json.NewEncoder(a.stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(converted)
	default:
		err = a.showVerdicts(converted)
		if o.output == "" && err == nil {
			_, err = io.WriteString(a.stdout, converted.Boxfile)
		}
	}
	if err == nil && !converted.Works() {
		return &reportedError{err: errors.New("not every instruction applies"), status: statusLost}
	}
	return err
}

func (a *app) converted(name string) (*convert.Conversion, error) {
	python, err := builtIn(builder.PythonBase)
	if err != nil {
		return nil, err
	}
	version, err := builder.PythonVersion(python)
	if err != nil {
		return nil, err
	}
	src := a.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		src = file
	}
	return convert.Dockerfile(name, src, convert.Options{Python: version})
}

// showVerdicts prints each instruction with what becomes of it.
func (a *app) showVerdicts(c *convert.Conversion) error {
	var b strings.Builder
	for _, j := range c.Judgements {
		instruction := shortened(cell(strings.Join(strings.Fields(j.Instruction), " ")), false)
		fmt.Fprintf(&b, "%4d  %-7s  %s\n", j.Line, j.Verdict, instruction)
		for _, note := range j.Notes {
			fmt.Fprintf(&b, "               %s\n", printable(note))
		}
	}
	fmt.Fprintf(&b, "%d work, %d differ, %d do not apply\n\n", c.Count(convert.Works), c.Count(convert.Differs), c.Count(convert.No))
	_, err := io.WriteString(a.stderr, b.String())
	return err
}
