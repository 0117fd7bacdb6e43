package runtime

import (
	"encoding/binary"

	"boxer.dev/internal/wasm"
)

// standIns gives the modules that the engine is shown when it loads d's machine code from the cache, see entry: without
// instructions, so that there is next to nothing to validate, yet with everything that instantiation needs, and the names
// that backtraces show. A custom section with the digest makes sure that no two modules have the same stand-in.
//
// plain is nil for a module with a start function, which a skeleton has not. forImage is what [restorable] makes of plain,
// and has no data.
func standIns(module []byte, d digest) (plain, forImage []byte, err error) {
	full, err := wasm.Parse(module)
	if err != nil {
		return nil, nil, err
	}
	bare, err := wasm.Skeleton(module)
	if err != nil {
		return nil, nil, err
	}
	skeleton, err := wasm.Parse(bare)
	if err != nil {
		return nil, nil, err
	}
	plain = append([]byte(nil), module[:8]...)
	for _, section := range skeleton.Sections {
		if section.ID != wasm.SectionCustom && section.ID != wasm.SectionData {
			plain = appendSection(plain, section.ID, section.Data)
		}
	}
	if data, ok := full.Section(wasm.SectionData); ok {
		plain = appendSection(plain, data.ID, data.Data)
	}
	for _, section := range full.Sections {
		if section.ID == wasm.SectionCustom && section.Name == "name" {
			plain = appendCustom(plain, section.Name, section.Data)
		}
	}
	plain = appendCustom(plain, "boxer.module", d[:])
	if forImage, err = restorable.of(plain); err != nil {
		forImage = nil // a module that can be run, though not restored
	}
	if full.Start.Present {
		plain = nil
	}
	return plain, forImage, nil
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
