package wasm

import "fmt"

// SectionID is the number of a kind of section (5.5.2).
type SectionID byte

const (
	SectionCustom SectionID = iota
	SectionType
	SectionImport
	SectionFunction
	SectionTable
	SectionMemory
	SectionGlobal
	SectionExport
	SectionStart
	SectionElement
	SectionCode
	SectionData
	SectionDataCount
	SectionTag // exception handling
)

var sectionNames = [...]string{"custom section", "type section", "import section", "function section", "table section",
	"memory section", "global section", "export section", "start section", "element section", "code section",
	"data section", "data count section", "tag section"}

// sectionRanks holds the order in which sections follow one another (5.5.16); it is not that of their numbers.
var sectionRanks = [...]int{
	SectionType: 1, SectionImport: 2, SectionFunction: 3, SectionTable: 4, SectionMemory: 5, SectionTag: 6,
	SectionGlobal: 7, SectionExport: 8, SectionStart: 9, SectionElement: 10, SectionDataCount: 11, SectionCode: 12,
	SectionData: 13,
}

func (id SectionID) String() string {
	if int(id) < len(sectionNames) {
		return sectionNames[id]
	}
	return fmt.Sprintf("section %d", byte(id))
}

// Section is a view of one section of a module.
type Section struct {
	ID     SectionID
	Name   string // of a custom section
	Offset int    // of Data in the module
	Data   []byte // contents; of a custom section, those after its name

	raw []byte // the section as it stood in the file, header included; nil if a pass made it
}

// appendTo appends the encoded section.
func (s *Section) appendTo(dst []byte) []byte {
	if s.raw != nil {
		return append(dst, s.raw...)
	}
	dst = append(dst, byte(s.ID))
	if s.ID != SectionCustom {
		dst = appendU32(dst, uint32(len(s.Data)))
		return append(dst, s.Data...)
	}
	size := len(appendU32(nil, uint32(len(s.Name)))) + len(s.Name) + len(s.Data)
	dst = appendU32(dst, uint32(size))
	dst = appendName(dst, s.Name)
	return append(dst, s.Data...)
}

// sections cuts the module into sections, checking their sizes and their order.
func (m *Module) sections(c *cursor) {
	last := 0
	for c.left() > 0 && c.err == nil {
		s := c.header()
		if c.err != nil {
			return
		}
		if s.ID != SectionCustom {
			if sectionRanks[s.ID] <= last {
				c.fail(s.Offset, "%v is out of order or there twice", s.ID)
				return
			}
			last = sectionRanks[s.ID]
			m.byID[s.ID] = len(m.Sections) + 1
		}
		m.Sections = append(m.Sections, s)
	}
}

// header reads one section, and the name of a custom one.
func (c *cursor) header() Section {
	start := c.pos
	id := SectionID(c.byte("section id"))
	if id > SectionTag {
		c.fail(start, "there is no section with id %d", byte(id))
		return Section{}
	}
	size := c.count(1, id.String())
	s := Section{ID: id, Offset: c.pos}
	s.Data = c.take(size, id.String())
	s.raw = c.data[start:c.pos:c.pos]
	if id == SectionCustom && c.err == nil {
		in := cursor{data: c.data, pos: s.Offset, end: c.pos, section: id.String()}
		s.Name = string(in.name("name of the section"))
		s.Offset, s.Data, c.err = in.pos, c.data[in.pos:c.pos:c.pos], in.err
	}
	return s
}

// Section gives the section of that id; custom sections are found in Sections.
func (m *Module) Section(id SectionID) (Section, bool) {
	if id == SectionCustom || id > SectionTag || m.byID[id] == 0 {
		return Section{}, false
	}
	return m.Sections[m.byID[id]-1], true
}

// within gives a cursor over the contents of a section.
func (m *Module) within(s Section) cursor {
	return cursor{data: m.data, pos: s.Offset, end: s.Offset + len(s.Data), section: s.ID.String(), types: len(m.Types)}
}

// draft is a module that is being put together from sections of another one and new ones.
type draft struct {
	sections []Section
}

// draft starts a copy of m without the custom sections that drop names.
func (m *Module) draft(drop func(name string) bool) *draft {
	d := &draft{sections: make([]Section, 0, len(m.Sections)+2)}
	for _, s := range m.Sections {
		if s.ID != SectionCustom || !drop(s.Name) {
			d.sections = append(d.sections, s)
		}
	}
	return d
}

// set gives the section these contents, making it at its place in the order if there is none.
func (d *draft) set(id SectionID, contents []byte) {
	fresh := Section{ID: id, Data: contents}
	at := len(d.sections)
	for i, s := range d.sections {
		switch {
		case s.ID == id:
			d.sections[i] = fresh
			return
		case s.ID != SectionCustom && sectionRanks[s.ID] > sectionRanks[id]:
			at = min(at, i)
		}
	}
	d.sections = append(d.sections, Section{})
	copy(d.sections[at+1:], d.sections[at:])
	d.sections[at] = fresh
}

// remove takes the section out, if it is there.
func (d *draft) remove(id SectionID) {
	for i, s := range d.sections {
		if s.ID == id {
			d.sections = append(d.sections[:i], d.sections[i+1:]...)
			return
		}
	}
}

func (d *draft) encode() []byte {
	size := len(preamble)
	for _, s := range d.sections {
		size += max(len(s.raw), len(s.Data)+len(s.Name)+16)
	}
	dst := append(make([]byte, 0, size), preamble...)
	for i := range d.sections {
		dst = d.sections[i].appendTo(dst)
	}
	return dst
}
