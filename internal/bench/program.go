package bench

import (
	"embed"
	"encoding/json"
	"path"
	"slices"
	"strings"

	_ "embed"
)

// program is a Python program whose speed is measured: a text that defines a function `program`. They are chosen to be unlike
// each other for a compiler: calls, plain arithmetic, attributes, and the interpreter's libraries in C, whose loops are short
// and many.
type program struct{ name, text string }

//go:embed programs/*.py
var programFiles embed.FS

//go:embed cpu.py
var harness string

// programs are all of them, by name.
var programs = readPrograms()

func readPrograms() (all []program) {
	entries, err := programFiles.ReadDir("programs")
	if err != nil {
		panic(err) // it is in the executable
	}
	for _, entry := range entries {
		text, err := programFiles.ReadFile(path.Join("programs", entry.Name()))
		if err != nil {
			panic(err)
		}
		all = append(all, program{strings.TrimSuffix(entry.Name(), ".py"), string(text)})
	}
	slices.SortFunc(all, func(a, b program) int { return strings.Compare(a.name, b.name) })
	return all
}

// harnessed is a Python text that runs programs which standard input names.
func harnessed() string {
	sources := map[string]string{}
	for _, p := range programs {
		sources[p.name] = p.text
	}
	encoded, err := json.Marshal(sources)
	if err != nil {
		panic(err) // maps of strings are always encoded
	}
	return "SOURCES = " + string(encoded) + "\n" + harness
}
