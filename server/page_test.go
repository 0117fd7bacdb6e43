package server

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestRootIsForProgramsAndBrowsers(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing)})
	for _, accepts := range []string{"", "*/*", "application/json, text/html"} {
		if answer, body := call(t, "GET", url+"/", "", "Accept: "+accepts); answer.StatusCode != 200 || body != "ok" {
			t.Errorf("who accepts %q: %d %s", accepts, answer.StatusCode, body)
		}
	}
	answer, body := call(t, "GET", url+"/", "", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
	if answer.Request.URL.Path != "/ui" || !strings.Contains(body, "<title>boxer</title>") {
		t.Errorf("a browser is at %s: %d", answer.Request.URL, answer.StatusCode)
	}
	for file, want := range map[string]int{"page.js": 200, "page.css": 200, "page.go": 404, "..%2fopenapi.yaml": 404, "x": 404} {
		answer, _ := call(t, "GET", url+"/ui/"+file, "")
		policy := answer.Header.Get("Content-Security-Policy")
		if answer.StatusCode != want || want == 200 && (policy != pagePolicy || answer.Header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: %d, policy %q", file, answer.StatusCode, policy)
		}
	}
}

// browser is a tab of headless Chromium, and what went wrong in it.
type browser struct {
	t     *testing.T
	ctx   context.Context
	mutex sync.Mutex
	wrong []string
	hosts map[string]bool // that it asked
}

// browse opens a browser until the test ends, and then looks at what its console says.
func browse(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v\nhint: make tools", err)
	}
	scratch, err := os.MkdirTemp("", "boxer-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(scratch) }) // not t.TempDir: what is left of the browser may be writing there
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.Env("TMPDIR="+scratch), chromedp.WindowSize(1280, 800))
	if os.Getuid() == 0 {
		o = append(o, chromedp.NoSandbox) // Chromium's own does not start as root
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, o...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, hosts: map[string]bool{}}
	b.do() // starts it
	_, failed := chromedp.Call(ctx, log.Enable, cdp.Empty{})
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err = errors.Join(failed, err, chromedp.Listen(ctx, b.hear)); err != nil {
		t.Fatal(err)
	}
	return b
}

// hear takes down what the console says, and whom the page asks.
func (b *browser) hear(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "401") {
			b.wrong = append(b.wrong, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, e.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && strings.HasPrefix(u.Scheme, "http") {
			b.hosts[u.Host] = true
		}
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// run has the editor's code replaced and run by its key, until the page says how that ended.
func (b *browser) run(code string) {
	b.t.Helper()
	b.do(chromedp.SetValue("#code", code), chromedp.Focus("#code"), chromedp.KeyEvent("\r", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.until("run is not disabled", `!document.querySelector("#run").disabled`)
}

// until waits for what a script says to be true.
func (b *browser) until(what, script string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](script)); err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.InnerHTML("main"))
		b.t.Fatalf("waiting until %s: %v\n%s", what, err, page)
	}
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	return look(b, chromedp.TextContent(selector))
}

func look[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// well checks that nothing went wrong, and that nobody else was asked.
func (b *browser) well(address string) {
	b.t.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if own := strings.TrimPrefix(address, "http://"); len(b.wrong) > 0 || len(b.hosts) != 1 || !b.hosts[own] {
		b.t.Errorf("the console says %q; the page asked %v, not only %s", b.wrong, b.hosts, own)
	}
}

// square writes a picture of two by two points.
const square = `import struct, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
open("square.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0ab\0cd")) + chunk(b"IEND", b""))
`

func TestPythonPage(t *testing.T) {
	address, s := start(t, openPython(t).options())
	b := browse(t)
	b.do(chromedp.Navigate(address + "/"))
	b.until("the page is there", `document.querySelector("#box").length > 0`)

	b.run("import sys\nprint('<b>hello</b>')\nprint('oh', file=sys.stderr)")
	if got := b.text("#output"); got != "<b>hello</b>\noh\n" {
		t.Errorf("it shows %q", got)
	}
	if got, errors := b.text("#outcome"), b.text("#output .stderr"); got != "ok" || errors != "oh\n" {
		t.Errorf("it says %q, and %q as an error", got, errors)
	}
	b.run("1/0")
	if got := b.text("#outcome"); got != "exit, status 1" || !strings.Contains(b.text(".stderr"), "ZeroDivisionError") {
		t.Errorf("it says %q", got)
	}
	b.run(square)
	b.until("the picture is shown", `document.querySelector("#files img")?.naturalWidth === 2`)

	b.do(chromedp.SetValue("#code", "import time\nprint(1, flush=True)\nwhile True: time.sleep(.01)"), chromedp.Click("#run"))
	b.until("output is shown while it runs", `document.querySelector("#output").textContent === "1\n"`)
	b.do(chromedp.Click("#stop"))
	b.until("it has stopped", `!document.querySelector("#run").disabled`)
	if got := b.text("#outcome"); got != "killed, status 130" {
		t.Errorf("after stop it says %q", got)
	}

	b.do(chromedp.Click(`#mode [value=session] + span`))
	b.run("x = 41\nopen('note.txt', 'w').write('kept')\nNone")
	b.run("x + 1")
	if got := b.text("#output .value"); got != "42" || b.text("#files a") != "note.txt" {
		t.Errorf("the session's value is %q", got)
	}
	b.do(chromedp.Click(`#mode [value=run] + span`))
	b.until("the session is closed", `document.querySelector("#outcome").textContent.startsWith("Nothing")`)
	until(t, func() bool { return s.sessions.count() == 0 })
	b.well(address)
}

// enter is the key as a keyboard has it: chromedp's also types a line break that the editor has seen to.
var enter = chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
	var err error
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		_, failed := cdp.Call(ctx, tab, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: "Enter", Code: "Enter"})
		err = errors.Join(err, failed)
	}
	return err
})

func TestPageEditor(t *testing.T) {
	address, _ := start(t, Options{Runner: runnerFunc(printing)})
	b := browse(t)
	b.do(chromedp.Navigate(address+"/ui"), chromedp.WaitReady("#code"))
	b.until("the page is there", `document.querySelector("#box").length > 0`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#code").value = ""`), chromedp.Focus("#code"))
	b.do(chromedp.KeyEvent("if x:"), enter, chromedp.KeyEvent("y"), enter, chromedp.KeyEvent("z"))
	b.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)), chromedp.KeyEvent(kb.End+"\t!"))
	if got, want := look(b, chromedp.Value("#code")), "if x:\n    y\nz    !"; got != want {
		t.Errorf("the editor has %q, want %q", got, want)
	}
	b.do(chromedp.KeyEvent(kb.Escape + kb.Tab))
	if look(b, chromedp.Evaluate[string](`document.activeElement.id`)) == "code" {
		t.Error("the keyboard cannot leave the editor")
	}
	b.well(address)
}

func TestPageToken(t *testing.T) {
	address, _ := start(t, Options{Runner: runnerFunc(printing), Tokens: []Token{{"ann", "ann-secret-0123456"}}})
	b := browse(t)
	b.do(chromedp.Navigate(address+"/ui"), chromedp.WaitVisible("#token"))
	b.run("x")
	if got := b.text("#outcome"); !strings.Contains(got, "needs a token") {
		t.Errorf("without a token it says %q", got)
	}
	b.do(chromedp.SendKeys("#token", "ann-secret-0123456\r"))
	b.until("the token was taken", `document.querySelector("#outcome").textContent === "The token is right."`)
	b.run("secret code")
	if got := b.text("#output"); got != "secret code" {
		t.Errorf("it shows %q", got)
	}
	b.well(address)
}

// TestPageIsItsOwn: the policy that the page comes with holds in a browser.
func TestPageIsItsOwn(t *testing.T) {
	address, _ := start(t, Options{Runner: runnerFunc(printing)})
	b := browse(t)
	b.do(chromedp.Navigate(address + "/ui"))
	ran := look(b, chromedp.Evaluate[bool](`(() => {
		const script = document.createElement("script");
		script.textContent = "window.ran = true";
		document.body.append(script);
		return window.ran === true;
	})()`))
	if ran {
		t.Error("a script of somebody else's ran")
	}
}
