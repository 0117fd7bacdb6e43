package server

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

// tokens are the digests of tokens, so that all comparisons are of the same length.
type tokens []struct {
	key    string
	digest [sha256.Size]byte
}

func newTokens(list []Token) (t tokens) {
	for _, token := range list {
		t = append(t, struct {
			key    string
			digest [sha256.Size]byte
		}{token.Key, sha256.Sum256([]byte(token.Secret))})
	}
	return t
}

// find tells whose token it is. It takes the same time whatever it is given.
func (t tokens) find(secret string) (key string, ok bool) {
	digest, found := sha256.Sum256([]byte(secret)), -1
	for i := range t {
		same := subtle.ConstantTimeCompare(t[i].digest[:], digest[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return "", false
	}
	return t[found].key, true
}

// minSecret is the length of the shortest token, in bytes.
const minSecret = 16

// ReadTokens reads a list of tokens: one to a line, a name and a secret with blanks between them. Empty lines and those that begin
// with # do not count. Several tokens may have one name.
func ReadTokens(r io.Reader) ([]Token, error) {
	var list []Token
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
			continue
		case len(words) != 2:
			return nil, fmt.Errorf("line %d: it takes a name and a token", n)
		case len(words[1]) < minSecret:
			return nil, fmt.Errorf("line %d: a token has at least %d characters", n, minSecret)
		}
		list = append(list, Token{Key: words[0], Secret: words[1]})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no token in it")
	}
	return list, nil
}

type keyName struct{}

// Anybody is the key of requests where there are no tokens.
const Anybody = "-"

// keyOf is whose request it is.
func keyOf(r *http.Request) string {
	if key, ok := r.Context().Value(keyName{}).(string); ok {
		return key
	}
	return Anybody
}

// authorized lets those pass who have a token (RFC 6750), or everybody if there are none.
func (s *Server) authorized(next http.Handler) http.Handler {
	if len(s.tokens) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		key, ok := s.tokens.find(strings.TrimSpace(secret))
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="boxer"`)
			s.fail(w, r, newProblem(http.StatusUnauthorized, "unauthorized", "this needs a token: Authorization: Bearer TOKEN"))
			return
		}
		note(r, func(n *notes) { n.key = key })
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), keyName{}, key)))
	})
}

// addressed refuses requests for other names than the server's. A page whose name leads to 127.0.0.1 (DNS rebinding) is of the
// same origin as a server there, in the eyes of a browser; the name is what gives it away.
func (s *Server) addressed(next http.Handler) http.Handler {
	if s.options.Hosts == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		if !slices.ContainsFunc(s.options.Hosts, func(own string) bool { return strings.EqualFold(own, host) }) {
			s.fail(w, r, newProblem(http.StatusMisdirectedRequest, "misdirected", "this server is not called that"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// crossOrigin refuses what browsers send for other sites than those that are welcome, and tells browsers of these (Fetch
// Standard, 3.3).
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, newProblem(http.StatusForbidden, "cross_origin", "scripts of other sites may not use this server"))
	}))
	for _, origin := range s.options.Origins {
		if err := guard.AddTrustedOrigin(origin); err != nil {
			s.options.Logger.Warn("no origin", "origin", origin, "error", err)
		}
	}
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if len(s.options.Origins) > 0 {
			w.Header().Add("Vary", "Origin")
		}
		if origin == "" || !slices.Contains(s.options.Origins, origin) {
			guarded.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id, Idempotent-Replayed, Location")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-Request-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}
