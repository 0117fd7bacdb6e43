package bench

import (
	"boxer.dev/internal/bench/rival"
)

// Contenders are what tables know of rivals.
func Contenders(rivals []*rival.Rival) []Contender {
	all := []Contender{}
	for _, r := range rivals {
		all = append(all, Contender{Key: r.Key, Name: r.Name, Version: r.Version, Settings: r.Settings, Missing: r.Missing})
	}
	return all
}
