package mcp

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"boxer.dev/runtime"
)

const (
	// maxText is how much of one text a model is given, in bytes: some 8,000 tokens. Clients cut or refuse what is much longer.
	maxText = 32 << 10
	// maxBinary is the largest file that is no text, in bytes: what the common models take for an image.
	maxBinary = 5 << 20
)

// report is what a model is told of an end: a text, and files.
type report struct {
	text  strings.Builder
	files []sdk.Content
}

// printed tells what was written: standard output as it is, and the rest below a heading.
func (r *report) printed(p printed) {
	r.add(cut(readable(p.Stdout, p.StdoutEncoding)))
	r.labelled("stderr", readable(p.Stderr, p.StderrEncoding))
}

func (r *report) labelled(label, text string) {
	if text != "" {
		r.add("[" + label + "]\n" + cut(text))
	}
}

// note tells something that is not the program's.
func (r *report) note(format string, args ...any) { r.add("[" + fmt.Sprintf(format, args...) + "]") }

func (r *report) add(text string) {
	if text == "" {
		return
	}
	if before := r.text.String(); before != "" && !strings.HasSuffix(before, "\n") {
		r.text.WriteByte('\n')
	}
	r.text.WriteString(text)
}

// end tells how a program ended, unless well.
func (r *report) end(result runtime.Result) {
	switch {
	case result.Outcome == runtime.OutcomeOK:
	case result.Outcome == runtime.OutcomeExit:
		r.note("exit status %d", result.Status)
	case result.Hint != "":
		r.note("%s: %s; %s", result.Outcome, result.Message, result.Hint)
	default:
		r.note("%s: %s", result.Outcome, result.Message)
	}
}

// file adds a file that a program left.
func (r *report) file(name string, data []byte) {
	content, err := part(name, data, 0)
	if err != nil {
		r.note("%v", err)
		return
	}
	r.files = append(r.files, &sdk.TextContent{Text: "[file " + name + "]"})
	r.files = append(r.files, content...)
}

func (r *report) result(failed bool) *sdk.CallToolResult {
	if r.text.Len() == 0 && len(r.files) == 0 {
		r.note("no output")
	}
	var content []sdk.Content
	if r.text.Len() > 0 {
		content = append(content, &sdk.TextContent{Text: r.text.String()})
	}
	return &sdk.CallToolResult{Content: append(content, r.files...), IsError: failed}
}

func text(format string, args ...any) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

// readable is output as text. What is no UTF-8 comes as base64, of which the readable part is of more use to a model.
func readable(text, encoding string) string {
	if encoding != "base64" {
		return text
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return text
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// cut takes out the middle of a text that is too long, and says so: the beginning and the end tell most.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	head, tail := wholeBefore(text, maxText*2/3), len(text)-maxText/3
	for tail < len(text) && !utf8.RuneStart(text[tail]) {
		tail++
	}
	return fmt.Sprintf("%s\n[… %d of %d bytes left out: print less, or write it to a file and read parts of that …]\n%s",
		text[:head], tail-head, len(text), text[tail:])
}

// wholeBefore is the last place at or before n where a character begins.
func wholeBefore(text string, n int) int {
	for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}

// images are the kinds that models look at.
var images = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// part is a file as content: an image, bytes, or text from an offset on.
func part(name string, data []byte, offset int) ([]sdk.Content, error) {
	kind := http.DetectContentType(data)
	isText := utf8.Valid(data) && !bytes.ContainsRune(data, 0)
	switch {
	case isText:
		return textPart(string(data), offset)
	case len(data) > maxBinary:
		return nil, fmt.Errorf("%s has %d bytes and is no text; files like that can be sent up to %d: make it smaller, or look at it with code",
			name, len(data), maxBinary)
	case slices.Contains(images, kind):
		return []sdk.Content{&sdk.ImageContent{Data: data, MIMEType: kind}}, nil
	}
	if strings.HasPrefix(kind, "text/") {
		kind = "application/octet-stream" // in another encoding, which nobody has named
	}
	at := url.URL{Scheme: "boxer", Path: name}
	return []sdk.Content{&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: at.String(), MIMEType: kind, Blob: data}}}, nil
}

func textPart(text string, offset int) ([]sdk.Content, error) {
	if offset < 0 || offset > len(text) {
		return nil, fmt.Errorf("offset %d is not within the file's %d bytes", offset, len(text))
	}
	from := wholeBefore(text, offset)
	to := len(text)
	if to-from > maxText {
		to = wholeBefore(text, from+maxText)
	}
	content := []sdk.Content{&sdk.TextContent{Text: text[from:to]}}
	if to < len(text) {
		content = append(content, &sdk.TextContent{Text: fmt.Sprintf("[bytes %d to %d of %d; go on with offset %d]", from, to, len(text), to)})
	}
	return content, nil
}
