// Package registrytest starts registries for tests: Debian's docker-registry as a process, go-containerregistry's in memory; with
// TLS, with a login, and with whatever a test puts in front of them.
package registrytest

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Options of a registry. The zero value is one in memory that speaks plain HTTP with everybody.
type Options struct {
	Debian bool // Debian's docker-registry instead
	TLS    bool // with a certificate by Server.CA
	Login  bool // for User with Password only, by basic authentication
	Token  bool // the same, by tokens; in memory only
	// Referrers makes a registry in memory list what refers to images by itself; Debian's cannot.
	Referrers bool
	// Wrap puts something in front, which is what TLS and Login are then of.
	Wrap func(http.Handler) http.Handler
}

// Who may use a registry with a login.
const (
	User     = "boxer"
	Password = "secret"
	// bcrypt of Password, by htpasswd -nbB -C 4
	passwordHash = "$2a$04$Tzq3Sxxtvc/oywf/6YjR2uttpSmOjzvmmEBX1QH4erfDj82QgA0dm"
)

// Server is a running registry.
type Server struct {
	Host string // and port
	CA   string // file with the certificate authority's certificate, with TLS
}

// Start starts a registry that ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Debian && o.Wrap == nil {
		return startDebian(t, o)
	}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(o.Referrers))
	if o.Debian {
		handler = proxyTo(startDebian(t, Options{}).Host)
	}
	if o.Wrap != nil {
		handler = o.Wrap(handler)
	}
	if o.Login {
		handler = basicLogin(handler)
	}
	if o.Token {
		handler = tokenLogin(handler)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that try TLS, handlers that abort
	s := &Server{}
	if o.TLS {
		authority := newAuthority(t)
		s.CA, server.TLS = authority.file, authority.config(t)
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.Host = server.Listener.Addr().String()
	return s
}

func proxyTo(host string) http.Handler {
	target := &url.URL{Scheme: "http", Host: host}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host // the registry says where to go on by it
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

func basicLogin(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != User || password != Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// tokenLogin is the scheme of docker.io and most others (distribution, "Token Authentication Specification").
func tokenLogin(inner http.Handler) http.Handler {
	const token = "the-token"
	issue := basicLogin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"token":%q}`, token) }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			issue.ServeHTTP(w, r)
		case r.Header.Get("Authorization") != "Bearer "+token:
			scheme := "http"
			if r.TLS != nil {
				scheme = "https"
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s://%s/token",service="test"`, scheme, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		default:
			inner.ServeHTTP(w, r)
		}
	})
}

// program finds Debian's registry where install.sh puts it.
func program(t testing.TB) string {
	t.Helper()
	if name, err := exec.LookPath("docker-registry"); err == nil {
		return name
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(cache, "boxer", "tools", "docker-registry")
	if _, err := os.Stat(name); err != nil {
		t.Fatalf("%v\nhint: make tools", err)
	}
	return name
}

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

func startDebian(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{}
	dir := t.TempDir()
	configuration := fmt.Sprintf(`
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, maintenance: {uploadpurging: {enabled: false}}}
http:
  addr: 127.0.0.1:0
`, filepath.Join(dir, "data"))
	if o.TLS {
		authority := newAuthority(t)
		s.CA = authority.file
		certificate, key := authority.files(t)
		configuration += fmt.Sprintf("  tls: {certificate: %q, key: %q}\n", certificate, key)
	}
	if o.Login {
		users := write(t, filepath.Join(dir, "users"), []byte(User+":"+passwordHash+"\n"))
		configuration += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", users)
	}
	command := exec.Command(program(t), "serve", write(t, filepath.Join(dir, "config.yml"), []byte(configuration)))
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	s.Host = waitFor(t, output)
	return s
}

// waitFor reads a registry's log until it tells its address, and on.
func waitFor(t testing.TB, output io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(output)
	var said []string
	for lines.Scan() {
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			go io.Copy(io.Discard, output)
			return found[1]
		}
		said = append(said, lines.Text())
	}
	t.Fatalf("docker-registry did not start:\n%s", strings.Join(said, "\n"))
	return ""
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
