// Package registry moves boxes between the local store and registries, and from registry to registry.
//
// It speaks the OCI distribution specification 1.1, sections "Pull" and "Push", with go-containerregistry's packages for
// names, credentials and the authentication handshake. What it adds to those is what a bad network asks for: a blob that
// breaks off is continued by a range request, an upload by what the registry says it has; what a registry refuses for now
// (429, 5xx) is tried again when it says, or with growing pauses. Nothing that either side has moves.
//
// A registry is taken to be hostile. Manifests are bounded, sizes and digests checked while content arrives; redirects from
// outside do not lead to addresses of this network; plain HTTP is for this machine unless asked for.
package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"boxer.dev/internal/hint"
	"boxer.dev/oci"
)

// Options say how a Client works. The zero value is ready for use.
type Options struct {
	// Insecure allows plain HTTP and certificates that nobody vouches for. This machine's own addresses are allowed plain
	// HTTP without it.
	Insecure bool
	// Keychain has the credentials; nil: docker's configuration and its credential helpers, else podman's.
	Keychain authn.Keychain
	// Known are images at hand whose layers need not be pulled.
	Known []v1.Image
	// Admit, if set, is asked about each image before it is taken from a registry; its error keeps the image out.
	Admit func(context.Context, *Candidate) error
	// WithoutReferrers makes Copy leave behind what is attached to images.
	WithoutReferrers bool
	// UserAgent is sent to registries; empty: "boxer".
	UserAgent string
	Backoff   Backoff
	// Stats, if set, counts what happens while it happens.
	Stats *Stats
}

// Client talks to registries. It may be used by many goroutines.
type Client struct {
	options Options
	lock    sync.Mutex
	hosts   map[string]http.RoundTripper
}

// New returns a client, which connects to nothing yet.
func New(o Options) *Client {
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.UserAgent == "" {
		o.UserAgent = "boxer"
	}
	if o.Stats == nil {
		o.Stats = &Stats{}
	}
	return &Client{options: o, hosts: map[string]http.RoundTripper{}}
}

// parse reads a name as docker would. Registries of this machine may be spoken to in plain HTTP.
func (c *Client) parse(ref string) (name.Reference, error) {
	full, err := oci.Normalize(ref)
	if err != nil {
		return nil, err
	}
	parsed, err := name.ParseReference(full)
	if err == nil && c.plainAllowed(parsed.Context().RegistryStr()) {
		parsed, err = name.ParseReference(full, name.Insecure)
	}
	return parsed, err
}

// Repository is a repository of a registry, after the handshake.
type Repository struct {
	name    name.Repository
	client  *http.Client
	base    url.URL
	backoff Backoff
	stats   *Stats
	admit   func(context.Context, *Candidate) error
}

// String is the repository's full name, docker.io's as docker writes it.
func (r *Repository) String() string {
	return familiarHost(r.name.RegistryStr()) + "/" + r.name.RepositoryStr()
}

func familiarHost(host string) string {
	if host == name.DefaultRegistry {
		return "docker.io"
	}
	return host
}

// open connects to a repository for actions (transport.PullScope and so on), and for pulling from further ones.
func (c *Client) open(ctx context.Context, repository name.Repository, action string, others ...name.Repository) (*Repository, error) {
	auth, err := authn.Resolve(ctx, c.options.Keychain, repository)
	if err != nil {
		return nil, fmt.Errorf("looking for credentials: %w", err)
	}
	scopes := []string{repository.Scope(action)}
	for _, other := range others {
		scopes = append(scopes, other.Scope(transport.PullScope))
	}
	base, err := c.transport(repository.Registry)
	if err != nil {
		return nil, err
	}
	authorized, err := transport.NewWithContext(ctx, repository.Registry, auth, base, scopes)
	if err != nil {
		return nil, c.explain(err, repository)
	}
	return &Repository{
		name:    repository,
		client:  &http.Client{Transport: authorized, CheckRedirect: checkRedirect},
		base:    url.URL{Scheme: repository.Scheme(), Host: repository.RegistryStr(), Path: "/v2/" + repository.RepositoryStr()},
		backoff: c.options.Backoff,
		stats:   c.options.Stats,
		admit:   c.options.Admit,
	}, nil
}

// do sends a request and wants one of some answers. The body is the caller's to close.
func (r *Repository) do(request *http.Request, want ...int) (*http.Response, error) {
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	if slices.Contains(want, response.StatusCode) {
		return response, nil
	}
	defer response.Body.Close()
	return nil, transport.CheckError(response, want...)
}

func (r *Repository) request(ctx context.Context, method, suffix string) (*http.Request, error) {
	target := r.base
	target.Path += suffix
	return http.NewRequestWithContext(ctx, method, target.String(), nil)
}

// explain adds what can be done about an answer of a registry.
func (c *Client) explain(err error, repository name.Repository) error {
	host := familiarHost(repository.RegistryStr())
	var refused *transport.Error
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) || !errors.As(err, &refused) {
		return explainConnection(err, host)
	}
	switch refused.StatusCode {
	case http.StatusUnauthorized:
		return hint.To(fmt.Errorf("%s wants to know who you are: %w", host, err), "`boxer login %s` gives the registry your name and password", host)
	case http.StatusForbidden:
		return hint.To(err, "you may not do that in %s/%s: is it yours, and are you logged in as who you want to be?", host, repository.RepositoryStr())
	case http.StatusTooManyRequests:
		return hint.To(err, "the registry limits how often you may ask: wait, or `boxer login %s` if you are not", host)
	case http.StatusRequestEntityTooLarge:
		return hint.To(err, "something in front of the registry (a proxy?) limits the size of uploads")
	}
	return err
}
