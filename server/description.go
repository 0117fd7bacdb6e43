package server

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"sync"

	"go.yaml.in/yaml/v4"
)

// openapi.yaml is written by hand; TestDescription holds it against routes and answers.
//
//go:embed openapi.yaml
var description []byte

// descriptionJSON is openapi.yaml in JSON.
var descriptionJSON = sync.OnceValues(func() ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(description, &document); err != nil {
		return nil, err
	}
	return json.Marshal(document)
})

func (s *Server) getDescription(w http.ResponseWriter, _ *http.Request) error {
	text, err := descriptionJSON()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, http.StatusOK, text)
	return nil
}
