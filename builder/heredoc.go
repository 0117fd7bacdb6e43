package builder

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"boxer.dev/vfs"
)

// scriptDir is where the script of a RUN is while it runs. Docker has it in /dev/pipes; /dev is mounted anew for each program here.
const scriptDir = "/run/boxer"

// inlineScript is a here-document of RUN that names its interpreter: a program of its own, run from a file.
type inlineScript struct{ name, text string }

// runScript is the command line of a RUN with its here-documents. One that is nothing but a here-document is that script.
func runScript(c *instructions.RunCommand) ([]string, *inlineScript, error) {
	if len(c.Files) == 0 {
		return c.CmdLine, nil, nil
	}
	if len(c.CmdLine) != 1 || !c.PrependShell {
		return nil, nil, errors.New("a here-document needs the shell form")
	}
	if parser.MustParseHeredoc(c.CmdLine[0]) == nil {
		var b strings.Builder
		b.WriteString(c.CmdLine[0])
		for _, file := range c.Files {
			b.WriteString("\n" + file.Data + file.Name)
		}
		return []string{b.String()}, nil, nil
	}
	text := c.Files[0].Data
	if c.Files[0].Chomp {
		text = parser.ChompHeredocContent(text)
	}
	if !strings.HasPrefix(text, "#!") {
		return []string{text}, nil, nil
	}
	script := &inlineScript{name: c.Files[0].Name, text: text}
	if strings.ContainsAny(script.name, "/\x00") || script.name == "." || script.name == ".." || len(script.name) > vfs.MaxName {
		return nil, nil, withHint(errors.New("the script's name is not that of a file"), "call the here-document EOF")
	}
	return []string{path.Join(scriptDir, script.name)}, script, nil
}

// mount is how the script is in the tree while it runs.
func (i *inlineScript) mount(s *stage) *mount {
	m := &mount{Mount: instructions.Mount{Type: "here-document", ReadOnly: true}, target: scriptDir}
	m.attach = func(context.Context) (vfs.Source, vfs.MountOptions, error) {
		tree, err := s.memoryFiles(vfs.Limits{})
		if err == nil {
			err = tree.WriteFile("/"+i.name, []byte(i.text), 0o755)
		}
		return vfs.Subtree(tree, "/"), vfs.MountOptions{ReadOnly: true}, err
	}
	return m
}
