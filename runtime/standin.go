package runtime

import (
	"encoding/binary"

	"boxer.dev/internal/wasm"
)

// standIn gives the module that the engine is shown when it loads d's machine code from the cache: without instructions,
// so that there is next to nothing to validate, yet with everything that instantiation needs, and the names that
// backtraces show. A custom section with the digest makes sure that no two modules have the same stand-in.
//
// It is nil for a module with a start function, which a skeleton has not.
func standIn(module []byte, d digest) ([]byte, error) {
	full, err := wasm.Parse(module)
	if err != nil {
		return nil, err
	}
	if full.Start.Present {
		return nil, nil
	}
	bare, err := wasm.Skeleton(module)
	if err != nil {
		return nil, err
	}
	skeleton, err := wasm.Parse(bare)
	if err != nil {
		return nil, err
	}
	stand := append([]byte(nil), module[:8]...)
	for _, section := range skeleton.Sections {
		if section.ID != wasm.SectionCustom && section.ID != wasm.SectionData {
			stand = appendSection(stand, section.ID, section.Data)
		}
	}
	if data, ok := full.Section(wasm.SectionData); ok {
		stand = appendSection(stand, data.ID, data.Data)
	}
	for _, section := range full.Sections {
		if section.ID == wasm.SectionCustom && section.Name == "name" {
			stand = appendCustom(stand, section.Name, section.Data)
		}
	}
	return appendCustom(stand, "boxer.module", d[:]), nil
}

// appendSection appends a section (core specification, 5.5.2).
func appendSection(module []byte, id wasm.SectionID, data []byte) []byte {
	module = append(module, byte(id))
	module = binary.AppendUvarint(module, uint64(len(data)))
	return append(module, data...)
}

func appendCustom(module []byte, name string, data []byte) []byte {
	contents := binary.AppendUvarint(nil, uint64(len(name)))
	contents = append(contents, name...)
	return appendSection(module, wasm.SectionCustom, append(contents, data...))
}
