package main

import (
	"bufio"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// share is what the counters of one program's run are scaled to in sum, so that every program weighs the same.
const share = 1e8

// nameHash is LLVM's: the first half of the name's MD5.
func nameHash(name string) uint64 {
	sum := md5.Sum([]byte(name))
	return binary.LittleEndian.Uint64(sum[:8])
}

// readCounts reads what counters.c wrote.
func readCounts(r io.Reader) (Profile, error) {
	var functions []*counted
	names := map[uint64]string{}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<24)
	for line := 1; scanner.Scan(); line++ {
		word, rest, _ := strings.Cut(scanner.Text(), " ")
		err := error(nil)
		switch word {
		case "name":
			names[nameHash(rest)] = rest
		case "function":
			var f *counted
			f, err = parseCounted(rest)
			functions = append(functions, f)
		case "value":
			if len(functions) == 0 {
				err = fmt.Errorf("value of no function")
			} else {
				err = functions[len(functions)-1].parseValue(rest)
			}
		default:
			err = fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	return named(functions, names)
}

// counted is a function as counters.c knows it: names are hashes, functions called are addresses.
type counted struct {
	nameHash, cfgHash, address uint64
	Function
	values [2][]map[uint64]uint64
}

// parseCounted parses NAME-HASH CFG-HASH ADDRESS CALL-SITES SIZE-SITES COUNTER...
func parseCounted(text string) (*counted, error) {
	fields := strings.Fields(text)
	numbers := make([]uint64, len(fields))
	for i, field := range fields {
		var err error
		if numbers[i], err = strconv.ParseUint(field, 10, 64); err != nil {
			return nil, err
		}
	}
	if len(numbers) < 5 {
		return nil, fmt.Errorf("function with %d fields", len(numbers))
	}
	f := &counted{nameHash: numbers[0], cfgHash: numbers[1], address: numbers[2], Function: Function{Counters: numbers[5:]}}
	for kind := range f.values {
		if numbers[3+kind] > math.MaxUint16 {
			return nil, fmt.Errorf("function with %d %s", numbers[3+kind], kindNames[kind])
		}
		f.values[kind] = make([]map[uint64]uint64, numbers[3+kind])
	}
	return f, nil
}

// parseValue parses KIND SITE VALUE COUNT.
func (f *counted) parseValue(text string) error {
	var kind, site int
	var value, count uint64
	if _, err := fmt.Sscan(text, &kind, &site, &value, &count); err != nil {
		return err
	}
	if kind < 0 || kind >= len(f.values) || site < 0 || site >= len(f.values[kind]) {
		return fmt.Errorf("no site %d of kind %d", site, kind)
	}
	if f.values[kind][site] == nil {
		f.values[kind][site] = map[uint64]uint64{}
	}
	f.values[kind][site][value] += count
	return nil
}

// named replaces hashes and addresses by names, and scales every count.
func named(functions []*counted, names map[uint64]string) (Profile, error) {
	var sum float64
	byAddress := map[uint64]string{}
	for _, f := range functions {
		for _, n := range f.Counters {
			sum += float64(n)
		}
		if f.address != 0 && byAddress[f.address] == "" {
			byAddress[f.address] = names[f.nameHash]
		}
	}
	profile := Profile{}
	for _, f := range functions {
		name, ok := names[f.nameHash]
		if !ok {
			return nil, fmt.Errorf("no name for function %d", f.nameHash)
		}
		if err := profile.addFunction(key{name, f.cfgHash}, f.scaled(share/sum, byAddress)); err != nil {
			return nil, err
		}
	}
	return profile, nil
}

func (f *counted) scaled(factor float64, byAddress map[uint64]string) *Function {
	scaled := &Function{Counters: make([]uint64, len(f.Counters))}
	for i, n := range f.Counters {
		scaled.Counters[i] = scale(n, factor)
	}
	for kind := range f.values {
		scaled.Values[kind] = make([]Site, len(f.values[kind]))
		for i, values := range f.values[kind] {
			site := Site{}
			for value, count := range values {
				name := strconv.FormatUint(value, 10)
				if kind == calls {
					name = byAddress[value]
				}
				if name != "" {
					site[name] += scale(count, factor)
				}
			}
			scaled.Values[kind][i] = site
		}
	}
	return scaled
}

// scale never makes nothing out of something: what ran once is not what never ran.
func scale(n uint64, factor float64) uint64 {
	if n == 0 {
		return 0
	}
	return max(1, uint64(math.Round(float64(n)*factor)))
}
