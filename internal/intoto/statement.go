// Package intoto is the form of statements about boxes: in-toto attestations, framework version 1
// (https://github.com/in-toto/attestation/tree/main/spec/v1).
package intoto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// MediaType of a statement in JSON.
	MediaType = "application/vnd.in-toto+json"

	statementType   = "https://in-toto.io/Statement/v1"
	statementTypeV0 = "https://in-toto.io/Statement/v0.1" // what older tools write; it differs in nothing that is read here
)

// Statement says something, its predicate, about things that have digests.
type Statement struct {
	Type          string          `json:"_type"`
	Subject       []Resource      `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// Resource is a thing with a digest.
type Resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"` // by the algorithm's name
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Digest is a digest as a Resource has it.
func Digest(h v1.Hash) map[string]string { return map[string]string{h.Algorithm: h.Hex} }

// New makes a statement about one thing. predicate is what JSON is made of.
func New(subject v1.Hash, predicateType string, predicate any) (*Statement, error) {
	raw, err := encode(predicate)
	if err != nil {
		return nil, err
	}
	return &Statement{Type: statementType, Subject: []Resource{{Digest: Digest(subject)}}, PredicateType: predicateType, Predicate: raw}, nil
}

// Encode gives the statement as JSON; the same statement is the same bytes.
func (s *Statement) Encode() ([]byte, error) { return encode(s) }

func encode(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), err
}

// Parse reads a statement.
func Parse(raw []byte) (*Statement, error) {
	var s Statement
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("reading statement: %w", err)
	}
	if s.Type != statementType && s.Type != statementTypeV0 {
		return nil, fmt.Errorf("reading statement: unknown type %q", s.Type)
	}
	if len(s.Subject) == 0 || s.PredicateType == "" {
		return nil, errors.New("reading statement: it says nothing, or about nothing")
	}
	return &s, nil
}

// About tells whether a digest is among what the statement is about.
func (s *Statement) About(h v1.Hash) bool {
	for _, subject := range s.Subject {
		if subject.Digest[h.Algorithm] == h.Hex && h.Hex != "" {
			return true
		}
	}
	return false
}
