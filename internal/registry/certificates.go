package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/docker/cli/cli/config"
)

// trustFor is whom to believe about a registry: the system's CAs (which SSL_CERT_FILE and SSL_CERT_DIR replace, see
// crypto/x509), and what is in docker's directories certs.d/HOST[:PORT]: *.crt are further CAs, *.cert with *.key
// certificates of ours (Docker documentation, "Verify repository client with certificates").
func trustFor(host string) (*tls.Config, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, dir := range certificateDirs() {
		// A colon cannot be in a file's name everywhere.
		for _, base := range []string{host, strings.ReplaceAll(host, ":", "")} {
			if err := trustDir(trust, filepath.Join(dir, base)); err != nil {
				return nil, fmt.Errorf("reading certificates: %w", err)
			}
			if !strings.Contains(host, ":") {
				break
			}
		}
	}
	return trust, nil
}

func certificateDirs() []string {
	dirs := []string{filepath.Join(config.Dir(), "certs.d")}
	if runtime.GOOS == "windows" {
		return append(dirs, filepath.Join(os.Getenv("ProgramData"), "docker", "certs.d"))
	}
	return append(dirs, "/etc/docker/certs.d", "/etc/containers/certs.d")
}

func trustDir(trust *tls.Config, dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		switch filepath.Ext(name) {
		case ".crt":
			err = addAuthority(trust, name)
		case ".cert":
			err = addCertificate(trust, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func addAuthority(trust *tls.Config, name string) error {
	pem, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if trust.RootCAs == nil {
		if trust.RootCAs, err = x509.SystemCertPool(); err != nil {
			return err
		}
	}
	if !trust.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: no certificate in PEM is in it", name)
	}
	return nil
}

func addCertificate(trust *tls.Config, name string) error {
	pair, err := tls.LoadX509KeyPair(name, strings.TrimSuffix(name, ".cert")+".key")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	trust.Certificates = append(trust.Certificates, pair)
	return nil
}
