package registry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzAnswers pulls and pushes with a registry that answers anything: a status, headers (among them what login it wants, and
// where to go instead) and bodies. Nothing that it says is believed without proof, and nothing is asked of anybody else.
func FuzzAnswers(f *testing.F) {
	f.Add(401, `Bearer realm="SERVER/token",service="x",scope="y"`, `{"token":"t","expires_in":-1}`, "", "")
	f.Add(401, `Basic realm="`, "{}", "", "")
	f.Add(429, "", `{"errors":[{"code":"TOOMANYREQUESTS","message":"\u001b[2J"}]}`, "99999999999999", "")
	f.Add(307, "", "", "", "http://169.254.169.254/")
	f.Add(200, "", `{"schemaVersion":2,"config":{"digest":"sha256:0","size":1},"layers":[{"size":9223372036854775807}]}`, "", "")
	f.Add(202, "", "", "", "/upload?%zz")
	var answer http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	f.Cleanup(server.Close)
	for _, proxy := range []string{"HTTP_PROXY", "HTTPS_PROXY"} { // whoever else is asked, it is us
		f.Setenv(proxy, server.URL)
	}
	f.Fuzz(func(t *testing.T, status int, authenticate, body, after, location string) {
		if status < 200 || status > 599 {
			return
		}
		answered := 0
		answer = func(w http.ResponseWriter, r *http.Request) {
			if answered++; answered > 200 {
				t.Errorf("asked %d times", answered)
				panic(http.ErrAbortHandler)
			}
			for name, value := range map[string]string{"WWW-Authenticate": strings.ReplaceAll(authenticate, "SERVER", "http://"+r.Host), "Retry-After": after, "Location": location} {
				if value != "" {
					w.Header().Set(name, value)
				}
			}
			if strings.HasPrefix(r.URL.Path, "/token") {
				w.WriteHeader(http.StatusOK)
			} else {
				w.WriteHeader(status)
			}
			_, _ = w.Write([]byte(body))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		client, _ := impatient(Options{Keychain: password{}, Backoff: Backoff{Stall: 50 * time.Millisecond}})
		store := newStore(t)
		host := strings.TrimPrefix(server.URL, "http://")
		if _, err := client.Pull(ctx, store, host+"/app"); err == nil {
			whole(t, store, host+"/app")
		}
		_ = client.Verify(ctx, host, Credentials{"u", "p"})
	})
}

// FuzzRetryAfter: no pause is negative.
func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Wed, 21 Oct 2015 07:28:00 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		if pause := parseRetryAfter(value, time.Unix(1e9, 0)); pause < 0 {
			t.Errorf("%q is %v", value, pause)
		}
	})
}

// FuzzDockerConfig reads whatever lies where docker keeps its configuration.
func FuzzDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"a.example":{"auth":"dTpw"}}}`), "a.example")
	f.Add([]byte(`{"auths":{"a.example":{"auth":"%%%","identitytoken":1}}}`), "a.example")
	f.Add([]byte(`{"auths":[]}`), "docker.io")
	f.Fuzz(func(t *testing.T, content []byte, host string) {
		if strings.Contains(string(content), "cred") {
			return // helpers are programs
		}
		dir := t.TempDir()
		t.Setenv("DOCKER_CONFIG", dir)
		check(t, os.WriteFile(filepath.Join(dir, "config.json"), content, 0o600))
		host, err := Host(host)
		if err != nil {
			return
		}
		_, _ = Saved(host)
	})
}
