package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Host is the registry that a login is about, of what users write: "", "ghcr.io", "https://localhost:5000/v2/".
func Host(server string) (string, error) {
	server = strings.TrimPrefix(strings.TrimPrefix(server, "https://"), "http://")
	server, _, _ = strings.Cut(server, "/")
	registry, err := name.NewRegistry(server)
	if err != nil {
		return "", fmt.Errorf("invalid registry %q", server)
	}
	return familiarHost(registry.RegistryStr()), nil
}

// credentialsKey is the name under which docker keeps the credentials of a registry.
func credentialsKey(host string) string {
	if host == "docker.io" {
		return authn.DefaultAuthKey
	}
	return host
}

// Credentials are a user's name and password (or token) for a registry.
type Credentials struct{ Username, Password string }

// Verify asks a registry whether it takes credentials.
func (c *Client) Verify(ctx context.Context, host string, given Credentials) error {
	registry, err := name.NewRegistry(host)
	if err == nil && c.plainAllowed(registry.RegistryStr()) {
		registry, err = name.NewRegistry(host, name.Insecure)
	}
	if err != nil {
		return err
	}
	base, err := c.transport(registry)
	if err != nil {
		return err
	}
	basic := authn.FromConfig(authn.AuthConfig{Username: given.Username, Password: given.Password})
	authorized, err := transport.NewWithContext(ctx, registry, basic, base, nil)
	if err != nil {
		return refusedLogin(err, host)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, registry.Scheme()+"://"+registry.RegistryStr()+"/v2/", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: authorized, CheckRedirect: checkRedirect}
	response, err := client.Do(request)
	if err != nil {
		return refusedLogin(err, host)
	}
	defer response.Body.Close()
	return refusedLogin(transport.CheckError(response, http.StatusOK), host)
}

func refusedLogin(err error, host string) error {
	switch {
	case err == nil:
		return nil
	case isStatus(err, http.StatusUnauthorized), isStatus(err, http.StatusForbidden):
		return fmt.Errorf("%s does not take this name and password", host)
	}
	return explainConnection(fmt.Errorf("logging in to %s: %w", host, err), host)
}

// configuration is docker's, with the credential helper that docker would choose where none is named. A file that cannot be
// read is an error: it is not to be overwritten.
func configuration() (*configfile.ConfigFile, error) {
	file, err := config.Load("")
	if err != nil {
		return nil, fmt.Errorf("reading docker's configuration: %w", err)
	}
	if !file.ContainsAuth() {
		file.CredentialsStore = credentials.DetectDefaultStore(file.CredentialsStore)
	}
	return file, nil
}

// Saved returns the credentials that docker's configuration has for a registry; without, they are empty.
func Saved(host string) (Credentials, error) {
	file, err := configuration()
	if err != nil {
		return Credentials{}, err
	}
	saved, err := file.GetAuthConfig(credentialsKey(host))
	if err != nil {
		return Credentials{}, fmt.Errorf("looking for credentials: %w", err)
	}
	return Credentials{saved.Username, saved.Password}, nil
}

// Save keeps credentials where docker would: with the credential helper that its configuration names, or in the configuration.
func Save(host string, c Credentials) error {
	file, err := configuration()
	if err != nil {
		return err
	}
	key := credentialsKey(host)
	err = file.GetCredentialsStore(key).Store(types.AuthConfig{ServerAddress: key, Username: c.Username, Password: c.Password})
	if err != nil {
		return fmt.Errorf("saving credentials: %w", err)
	}
	return nil
}

// Erase forgets the credentials for a registry.
func Erase(host string) error {
	file, err := configuration()
	if err != nil {
		return err
	}
	key := credentialsKey(host)
	if err := file.GetCredentialsStore(key).Erase(key); err != nil {
		return fmt.Errorf("removing credentials: %w", err)
	}
	return nil
}
