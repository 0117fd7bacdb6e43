package rival

import (
	"encoding/json"
	"os"
)

// literal is a text as Python source; JSON's strings are Python's.
func literal(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings are always encoded
	}
	return string(encoded)
}

// packageVersion is the version in a package.json, "" if there is none.
func packageVersion(name string) string {
	var described struct{ Version string }
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &described)
	}
	if err != nil {
		return ""
	}
	return described.Version
}
