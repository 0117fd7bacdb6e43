package mcp

import (
	"cmp"
	"fmt"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// What models read is in this file: it says what a tool is for, what it gives back, and what to do when it refuses. None has an
// output schema: clients that find structured content beside the text give a model the one or the other, or both, and images are
// in neither.

// instructions are what a client tells its model of the server as a whole.
func (o Options) instructions() string {
	text := "Runs Python in a sandbox: the standard library, a private file system in memory; no network, no other processes, " +
		"nothing of the user's machine. Use run_python for a program that stands alone."
	if !o.NoSessions {
		text += " Use session_open, session_execute and the session_… tools to work step by step: variables, imports and files " +
			"stay between calls."
	}
	return text
}

// Arguments of the tools. The texts after jsonschema are for models.
type (
	runArguments struct {
		Code    string   `json:"code" jsonschema:"Python source of the whole program. Only what it prints comes back."`
		Args    []string `json:"args,omitempty" jsonschema:"sys.argv[1:]"`
		Stdin   string   `json:"stdin,omitempty" jsonschema:"what the program reads from standard input"`
		Files   []file   `json:"files,omitempty" jsonschema:"files that are there when the program begins"`
		Outputs []string `json:"outputs,omitempty" jsonschema:"files to give back when the program has ended: paths or patterns, such as plot.png or out/*.csv"`
		Timeout float64  `json:"timeout_seconds,omitempty" jsonschema:"end the program after this time; by default and at most the server's limit"`
		Box     string   `json:"box,omitempty" jsonschema:"name of a box (image) to run in instead of the default; only if the user has named one"`
	}
	file struct {
		Path     string `json:"path" jsonschema:"where; a relative path begins at the working directory"`
		Content  string `json:"content" jsonschema:"text, or bytes in base64"`
		Encoding string `json:"encoding,omitempty" jsonschema:"utf-8 (default) or base64"`
	}
	openArguments struct {
		Files []file `json:"files,omitempty" jsonschema:"files that are there from the beginning"`
		Box   string `json:"box,omitempty" jsonschema:"name of a box (image) to use instead of the default; only if the user has named one"`
	}
	executeArguments struct {
		Session string  `json:"session" jsonschema:"id that session_open gave"`
		Code    string  `json:"code" jsonschema:"Python source; if its last statement is an expression, its value comes back"`
		Stdin   string  `json:"stdin,omitempty" jsonschema:"what the code reads from standard input"`
		Timeout float64 `json:"timeout_seconds,omitempty" jsonschema:"interrupt the code after this time (KeyboardInterrupt; the session stays); by default and at most the server's limit"`
	}
	listArguments struct {
		Session string `json:"session" jsonschema:"id that session_open gave"`
		Path    string `json:"path" jsonschema:"absolute path of a directory"`
	}
	readArguments struct {
		Session string `json:"session" jsonschema:"id that session_open gave"`
		Path    string `json:"path" jsonschema:"absolute path of a file"`
		Offset  int    `json:"offset,omitempty" jsonschema:"for long text: the byte to begin at"`
	}
	writeArguments struct {
		Session  string `json:"session" jsonschema:"id that session_open gave"`
		Path     string `json:"path" jsonschema:"absolute path; missing directories are made"`
		Content  string `json:"content" jsonschema:"the whole content: text, or bytes in base64"`
		Encoding string `json:"encoding,omitempty" jsonschema:"utf-8 (default) or base64"`
	}
	closeArguments struct {
		Session string `json:"session" jsonschema:"id that session_open gave"`
	}
	noArguments struct{}
)

// tools are the tools, and the API that they use.
type tools struct {
	api   client
	turns turns
	Options
}

// add gives a server the tools that there are.
func (t *tools) add(s *sdk.Server) {
	sandboxed, bounds := "", ""
	if t.Limits != "" {
		bounds = " Limits: " + t.Limits + "."
	}
	if t.Dir != "" {
		sandboxed = " The working directory is " + t.Dir + "."
	}
	addTool(s, t.run, &sdk.ToolAnnotations{Title: "Run Python"}, "run_python",
		"Run a Python program in a fresh sandbox and give back what it prints. Nothing is kept for the next call. The box is "+
			cmp.Or(t.Box, "the server's default")+": the standard library (sqlite3, json, csv, re, statistics, zlib …), no network, "+
			"no subprocesses, no threads."+sandboxed+bounds+" A program that fails gives its traceback; fix the code and run it again. "+
			"To get files back (an image, a table), write them and name them in outputs.")
	if t.NoSessions {
		return
	}
	addTool(s, t.open, &sdk.ToolAnnotations{Title: "Open a Python session", DestructiveHint: no()}, "session_open",
		"Start a Python interpreter that keeps variables, imports and files between calls of session_execute. Gives the session's "+
			"id and working directory. Close it with session_close when the work is done; one that is not used for some minutes is closed by itself."+bounds)
	addTool(s, t.execute, &sdk.ToolAnnotations{Title: "Execute Python in a session"}, "session_execute",
		"Execute Python in a session, as a notebook does a cell: gives what the code prints and the value of its last expression. "+
			"After an exception, which comes back with its traceback, the session goes on with all that it had. await works at the top level. "+
			"Calls for one session are executed one after another.")
	addTool(s, t.list, &sdk.ToolAnnotations{Title: "List files of a session", ReadOnlyHint: true}, "session_list_files",
		"List a directory of a session: one line for each entry, directories with a / at their end, files with their size.")
	addTool(s, t.read, &sdk.ToolAnnotations{Title: "Read a file of a session", ReadOnlyHint: true}, "session_read_file",
		fmt.Sprintf("Read a file of a session: text (%d bytes at a time), a PNG, JPEG, GIF or WebP as an image to look at, anything else as bytes.", maxText))
	addTool(s, t.write, &sdk.ToolAnnotations{Title: "Write a file of a session", IdempotentHint: true}, "session_write_file",
		"Write a file of a session, replacing one that is there, for its code to read.")
	addTool(s, t.sessions, &sdk.ToolAnnotations{Title: "List sessions", ReadOnlyHint: true}, "session_list",
		"List the open sessions by their ids, the oldest first.")
	addTool(s, t.close, &sdk.ToolAnnotations{Title: "Close a session", IdempotentHint: true}, "session_close",
		"Close a session; its variables and files are gone then.")
}

func no() *bool { return new(bool) }

// addTool adds a tool that reaches nothing but the sandbox. What it could not do is for the model to read.
func addTool[In any](s *sdk.Server, call sdk.ToolHandlerFor[In, any], hints *sdk.ToolAnnotations, name, description string) {
	hints.OpenWorldHint = no()
	sdk.AddTool(s, &sdk.Tool{Name: name, Description: strings.TrimSpace(description), Annotations: hints}, call)
}
