package bench

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// loads are attributes whose values browsers fetch, and what fetches in styles.
var loads = map[string]bool{"src": true, "srcset": true, "data": true, "poster": true, "background": true, "action": true, "xlink:href": true}

var styleLoads = regexp.MustCompile(`@import|url\(`)

func TestPageLoadsNothing(t *testing.T) {
	var text bytes.Buffer
	if err := madeUpReport().WriteHTML(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "NaN") {
		t.Error("a number is none")
	}
	var open []string
	words := ""
	for tokens := html.NewTokenizer(bytes.NewReader(text.Bytes())); ; {
		switch tokens.Next() {
		case html.ErrorToken:
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if len(open) > 0 {
				t.Errorf("elements are left open: %v", open)
			}
			for _, want := range []string{"Sixteen <bit>", "A slow & safe one", "hello, instance at hand", "no docker daemon answers", "fib"} {
				if !strings.Contains(words, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
			return
		case html.TextToken:
			token := tokens.Token()
			words += token.Data
			if len(open) > 0 && open[len(open)-1] == "style" && styleLoads.MatchString(token.Data) {
				t.Errorf("a style loads: %s", token.Data)
			}
		case html.StartTagToken:
			token := tokens.Token()
			checkElement(t, token)
			if token.Data != "meta" && token.Data != "link" {
				open = append(open, token.Data)
			}
		case html.SelfClosingTagToken:
			checkElement(t, tokens.Token())
		case html.EndTagToken:
			name := tokens.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> ends %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

// checkElement fails for whatever a browser would fetch.
func checkElement(t *testing.T, token html.Token) {
	t.Helper()
	switch token.Data {
	case "script", "link", "iframe", "object", "embed", "img", "image", "use", "base":
		t.Errorf("the page has %s", token)
	}
	for _, a := range token.Attr {
		inner := a.Key == "href" && strings.HasPrefix(a.Val, "#")
		if loads[a.Key] || a.Key == "href" && !inner || a.Key == "style" && styleLoads.MatchString(a.Val) {
			t.Errorf("the page loads: %s", token)
		}
	}
}
