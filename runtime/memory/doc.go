// Package memory holds the linear memories of programs, and images of them.
//
// An [Image] is a program's memory as it was after initialisation. It is stored as the pages in which it differs from its
// parent, another image of the same module, or from zeros ([Encode]); before it is used it is checked against its digest
// and laid out as a sparse file ([Cache.Open]). A [Memory] made of it maps that file copy-on-write: it costs nothing until
// it is written to, and then one page for each page written. [Memory.Reset] puts back the pages that were written, and
// nothing else, so that a memory that has been used can be used again for the price of a few copies.
package memory

// PageSize is the unit in which images are compared and stored, in bytes. It divides WebAssembly's page and any machine's.
const PageSize = 4 << 10
