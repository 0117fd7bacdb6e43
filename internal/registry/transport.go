package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"boxer.dev/internal/hint"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// transport is how a registry is reached: with its certificates, by way of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
func (c *Client) transport(registry name.Registry) (http.RoundTripper, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	host := registry.RegistryStr()
	if made, ok := c.hosts[host]; ok {
		return made, nil
	}
	trust, err := trustFor(host)
	if err != nil {
		return nil, err
	}
	trust.InsecureSkipVerify = c.options.Insecure
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	base := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: trust, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: jobs, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 15 * time.Second,
		// Registries move a blob from one place to another before they say that they have it.
		ResponseHeaderTimeout: 5 * time.Minute, ExpectContinueTimeout: time.Second,
		DisableCompression: true, // digests are of what is stored
	}
	guarded := &guard{inner: base, insecure: c.options.Insecure, registry: host}
	made := transport.NewUserAgent(&retrying{guarded, c.options.Backoff}, c.options.UserAgent)
	c.hosts[host] = made
	return made, nil
}

func (c *Client) plainAllowed(host string) bool { return c.options.Insecure || isLoopback(host) }

// isLoopback is whether a host, perhaps with a port, is this machine by its name alone.
func isLoopback(host string) bool {
	host = hostname(host)
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}

var errPlain = fmt.Errorf("plain HTTP is for registries of this machine only: %w", fs.ErrPermission)

// guard lets plain HTTP reach this machine only, whoever asks for it: the library below tries it for whole networks, a
// registry may redirect to it. And it goes nowhere that the registry may not send us: to where its redirects lead, to where it
// says that tokens are had and uploads go on.
type guard struct {
	inner    http.RoundTripper
	insecure bool
	registry string
}

func (g *guard) RoundTrip(request *http.Request) (*http.Response, error) {
	err := checkHop(g.registry, request.URL.Host)
	if request.URL.Scheme != "https" && !g.insecure && !isLoopback(request.URL.Host) {
		err = errPlain
	}
	if err != nil {
		if request.Body != nil {
			request.Body.Close()
		}
		return nil, err
	}
	return g.inner.RoundTrip(request)
}

// checkRedirect keeps a registry from leading us to addresses that it could not reach itself, as a cloud's metadata service is
// one. Names that resolve to such an address are the resolver's business.
func checkRedirect(request *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("the registry redirects in circles")
	}
	return checkHop(via[0].URL.Host, request.URL.Host)
}

// checkHop tells whether one host may send us to another.
func checkHop(from, to string) error {
	if hostname(from) == hostname(to) || nearness(to) <= nearness(from) {
		return nil
	}
	return fmt.Errorf("%s leads to %s, an address inside of this network: refused", from, to)
}

// How near to this machine a host may be. One leads no nearer than it is itself.
const (
	internet = iota
	network  // that this machine is in
	machine  // this one, and what answers on its link only: a cloud's metadata service
)

// internals are addresses of networks of one's own, besides those of RFC 1918 and 4193, from the registries of special addresses
// (RFC 6890): some clouds have metadata services there.
var internals = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
}

// embeddings are IPv6 addresses that have one of IPv4 at an offset, which is where they lead: translated (RFC 6052), 6to4 (RFC 3056),
// and compatible ones (RFC 4291).
var embeddings = []struct {
	prefix netip.Prefix
	at     int // bytes
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, {netip.MustParsePrefix("2002::/16"), 2}, {netip.MustParsePrefix("::/96"), 12},
}

// nearness is how near an address is, or what some resolver may take for one.
func nearness(host string) int {
	if isLoopback(host) {
		return machine
	}
	bare, _, _ := strings.Cut(hostname(host), "%")
	address, err := netip.ParseAddr(bare)
	if err != nil {
		last := bare[strings.LastIndexByte(strings.TrimSuffix(bare, "."), '.')+1:]
		if last != "" && '0' <= last[0] && last[0] <= '9' { // "127.1", "0x7f000001", "2130706433": no names end in a number
			return machine
		}
		return internet
	}
	return nearnessOf(address)
}

func nearnessOf(address netip.Addr) int {
	address = address.Unmap()
	if address.IsLoopback() || !address.IsGlobalUnicast() {
		return machine
	}
	for _, e := range embeddings {
		if e.prefix.Contains(address) {
			return nearnessOf(netip.AddrFrom4([4]byte(address.AsSlice()[e.at:])))
		}
	}
	if address.IsPrivate() || slices.ContainsFunc(internals, func(p netip.Prefix) bool { return p.Contains(address) }) {
		return network
	}
	return internet
}

// explainConnection says why a registry could not be reached.
func explainConnection(err error, host string) error {
	var notFound *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate): // plain HTTP was tried then, which does not interest anybody
		return hint.To(fmt.Errorf("reaching %s: %w", host, certificate),
			"put the registry's CA into ~/.docker/certs.d/%s/ca.crt, or name a file of CAs in SSL_CERT_FILE", host)
	case errors.Is(err, errPlain), errors.Is(err, http.ErrSchemeMismatch):
		return hint.To(err, "if %s has no TLS, and you trust the network to it: --insecure", host)
	case errors.As(err, &notFound):
		return hint.To(err, "is %s the registry's name? Behind a proxy, set HTTPS_PROXY", host)
	}
	return err
}

var errStalled = errors.New("the transfer stood still")

// watch ends a transfer in which nothing happens while something should.
type watch struct {
	ctx   context.Context
	end   context.CancelCauseFunc
	timer *time.Timer
	still time.Duration
}

// newWatch begins to wait for something to happen.
func newWatch(ctx context.Context, still time.Duration) *watch {
	w := &watch{still: cmp.Or(still, time.Minute)}
	w.ctx, w.end = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.still, func() { w.end(errStalled) })
	return w
}

// wait says that the other side is to do something now, pause that we are.
func (w *watch) wait()  { w.timer.Reset(w.still) }
func (w *watch) pause() { w.timer.Stop() }

func (w *watch) stop() {
	w.timer.Stop()
	w.end(nil)
}
