package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"boxer.dev/internal/signature"
)

// passwordVariables may hold the password of a private key: boxer's own, and cosign's.
var passwordVariables = []string{"BOXER_KEY_PASSWORD", "COSIGN_PASSWORD"}

func keygenCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [NAME]",
		Short: "Make a pair of keys to sign boxes with",
		Long: `Make a pair of keys: NAME.key signs boxes (` + "`boxer sign`" + `), NAME.pub checks signatures
(` + "`boxer verify`" + `). NAME is boxer unless given. The files are in cosign's format; files that exist
are left alone.

The private key is encrypted by a password, which is asked for, or taken from BOXER_KEY_PASSWORD or
COSIGN_PASSWORD.`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.keygen(append(args, "boxer")[0])
		},
	}
}

func (a *app) keygen(name string) error {
	for _, file := range []string{name + ".key", name + ".pub"} {
		if _, err := os.Lstat(file); err == nil {
			return withHint(fmt.Errorf("%s exists", file), "`boxer keygen NAME` gives the keys another name")
		}
	}
	password, err := a.newPassword()
	if err != nil {
		return err
	}
	private, public, err := signature.Generate(password)
	if err != nil {
		return err
	}
	if err := writeKey(name+".key", private, 0o600); err != nil {
		return err
	}
	if err := writeKey(name+".pub", public, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s.key\n%s.pub\n", name, name)
	return err
}

// writeKey writes a file that nobody has.
func writeKey(name string, data []byte, mode os.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// givenPassword is what a variable says; an empty one is a password, too.
func givenPassword() (password []byte, ok bool) {
	for _, name := range passwordVariables {
		if value, ok := os.LookupEnv(name); ok {
			return []byte(value), true
		}
	}
	return nil, false
}

var errNoPassword = errors.New("there is no terminal to ask for the key's password on")

// keyPassword is the password of a key: a variable's, else what somebody types.
func (a *app) keyPassword(prompt string) ([]byte, error) {
	if password, ok := givenPassword(); ok {
		return password, nil
	}
	fd, terminal := descriptor(a.stdin)
	if !terminal {
		return nil, withHint(errNoPassword, "set BOXER_KEY_PASSWORD")
	}
	password, err := a.askHidden(fd, prompt)
	return []byte(password), err
}

// newPassword is one that is typed twice.
func (a *app) newPassword() ([]byte, error) {
	password, err := a.keyPassword("Password for the private key: ")
	if _, given := givenPassword(); err != nil || given {
		return password, err
	}
	again, err := a.keyPassword("The same once more: ")
	if err == nil && !bytes.Equal(password, again) {
		err = errors.New("the two passwords differ")
	}
	return password, err
}

// maxKey bounds files of keys, in bytes.
const maxKey = 64 << 10

func readKey(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKey+1))
	if err == nil && len(text) > maxKey {
		err = fmt.Errorf("%s is larger than a key", name)
	}
	return text, err
}

// privateKey reads and decrypts the key in a file.
func (a *app) privateKey(name string) (*signature.PrivateKey, error) {
	text, err := readKey(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, withHint(err, "`boxer keygen` makes a pair of keys")
	}
	if err != nil {
		return nil, err
	}
	password, err := a.keyPassword("Password of " + name + ": ")
	if err != nil {
		return nil, err
	}
	key, err := signature.ReadPrivate(text, password)
	switch {
	case errors.Is(err, signature.ErrPassword):
		return nil, withHint(fmt.Errorf("%s: %w", name, err), "BOXER_KEY_PASSWORD, COSIGN_PASSWORD or the terminal has it")
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// publicKey reads the key in a file.
func publicKey(name string) (*signature.PublicKey, error) {
	text, err := readKey(name)
	if err != nil {
		return nil, err
	}
	key, err := signature.ReadPublic(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}
