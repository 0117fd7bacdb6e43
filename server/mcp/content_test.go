package mcp

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// FuzzCut: what is left of a text is its beginning and its end, of whole characters, and the statement tells what is missing.
func FuzzCut(f *testing.F) {
	f.Add("short", 1)
	f.Add("é", maxText)
	f.Add("ab€", maxText/2)
	f.Add("\xff\x80", maxText)
	f.Fuzz(func(t *testing.T, unit string, times int) {
		text := strings.Repeat(unit, max(times, 0)%(maxText+1))
		got := cut(text)
		if len(text) <= maxText {
			if got != text {
				t.Fatalf("%d bytes were cut", len(text))
			}
			return
		}
		head, rest, _ := strings.Cut(got, "\n[… ")
		statement, tail, _ := strings.Cut(rest, " …]\n")
		var missing, all int
		if _, err := fmt.Sscanf(statement, "%d of %d bytes left out", &missing, &all); err != nil {
			t.Fatalf("%q: %v", statement, err)
		}
		if !strings.HasPrefix(text, head) || !strings.HasSuffix(text, tail) || all != len(text) || len(head)+missing+len(tail) != all {
			t.Errorf("%d bytes became %d, %d missing, %d", all, len(head), missing, len(tail))
		}
		if len(head)+len(tail) > maxText || utf8.ValidString(text) && !(utf8.ValidString(head) && utf8.ValidString(tail)) {
			t.Errorf("%d and %d bytes are left", len(head), len(tail))
		}
	})
}

// TestPartsMakeTheWhole: reading on where a part says gives a file as it is.
func TestPartsMakeTheWhole(t *testing.T) {
	for _, text := range []string{"", "text", strings.Repeat("é€𝄞\n", maxText), strings.Repeat("x", maxText+1), strings.Repeat("x", 2*maxText)} {
		var whole strings.Builder
		for offset, parts := 0, 0; ; parts++ {
			content, err := part("f", []byte(text), offset)
			if err != nil || parts > len(text)/maxText+3 {
				t.Fatalf("%d bytes, part %d: %v", len(text), parts, err)
			}
			whole.WriteString(content[0].(*sdk.TextContent).Text)
			if len(content) == 1 {
				break
			}
			var from, to, all int
			if _, err := fmt.Sscanf(content[1].(*sdk.TextContent).Text, "[bytes %d to %d of %d; go on with offset %d]", &from, &to, &all, &offset); err != nil {
				t.Fatal(err)
			}
		}
		if whole.String() != text {
			t.Errorf("%d bytes became %d", len(text), whole.Len())
		}
	}
}

func TestPart(t *testing.T) {
	png := "\x89PNG\x0D\x0A\x1A\x0A"
	for _, test := range []struct{ name, data, want string }{
		{"a.png", png, "image image/png"},
		{"a.txt", "\x89PN", "bytes application/octet-stream"},
		{"a.gif", "GIF89a\x00", "image image/gif"},
		{"a.gif", "GIF89a", "text"}, // that is all there is
		{"a.wav", "RIFF\x00\x00\x00\x00WAVE", "bytes audio/wave"},
		{"a.svg", "<svg/>", "text"},
		{"large.png", png + strings.Repeat("x", maxBinary), "refused"},
		{"zero", "\x00", "bytes application/octet-stream"},
	} {
		content, err := part(test.name, []byte(test.data), 0)
		got := "refused"
		if err == nil {
			switch c := content[0].(type) {
			case *sdk.TextContent:
				got = "text"
			case *sdk.ImageContent:
				got = "image " + c.MIMEType
			case *sdk.EmbeddedResource:
				got = "bytes " + c.Resource.MIMEType
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestPatience: code of sessions is interrupted before the API would end them.
func TestPatience(t *testing.T) {
	for _, test := range []struct {
		limit time.Duration
		asked float64
		want  time.Duration
	}{
		{time.Minute, 0, time.Minute - grace},
		{time.Minute, 5, 5 * time.Second},
		{time.Minute, 600, time.Minute - grace},
		{time.Second, 0, time.Second / 2},
		{time.Second, 0.1, 100 * time.Millisecond},
		{0, 5, 5 * time.Second},
	} {
		if got := (&tools{Options: Options{Timeout: test.limit}}).patience(test.asked); got != test.want {
			t.Errorf("limit %s, asked for %v: %s, want %s", test.limit, test.asked, got, test.want)
		}
	}
}
