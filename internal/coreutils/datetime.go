package coreutils

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// location is the time zone of the run: TZ, read from the box's own zone files, else UTC.
func (e *Env) location() *time.Location {
	tz := strings.TrimPrefix(e.getenv("TZ"), ":")
	if tz == "" || tz == "UTC" || tz == "UTC0" {
		return time.UTC
	}
	name := tz
	if !strings.HasPrefix(name, "/") {
		name = "/usr/share/zoneinfo/" + name
	}
	data, err := e.FS.ReadSmallFile(name, maxLookup)
	if err != nil {
		return time.UTC
	}
	loc, err := time.LoadLocationFromTZData(tz, data)
	if err != nil {
		return time.UTC
	}
	return loc
}

var dateLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999 -0700",
	"2006-01-02 15:04 -0700", "2006-01-02 15:04:05.999999999 MST", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
	"2006/01/02", "20060102", time.RFC1123Z, time.RFC1123, "Mon Jan _2 15:04:05 MST 2006", "Mon Jan _2 15:04:05 2006",
	"2 Jan 2006 15:04:05", "2 Jan 2006", "Jan 2 2006", "Jan 2, 2006", "01/02/2006", "01/02/2006 15:04:05",
}

// parseDate reads the date strings of date -d and touch -d that scripts use: "@SECONDS", ISO 8601 and RFC
// forms, "now", "today", "yesterday", "tomorrow", each with an optional offset such as "+2 days" or "1 week ago".
func parseDate(s string, now time.Time) (time.Time, error) {
	text := strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		return parseSeconds(rest, now.Location())
	}
	if t, ok := parseAbsolute(text, now.Location()); ok {
		return t, nil
	}
	words := strings.Fields(text)
	for n := len(words); n >= 0; n-- {
		start, ok := parseAbsolute(strings.Join(words[:n], " "), now.Location())
		if n == 0 {
			start, ok = now, true
		}
		if !ok {
			continue
		}
		if t, err := addOffsets(start, now, words[n:]); err == nil {
			return t, nil
		}
		break
	}
	return time.Time{}, fmt.Errorf("invalid date %s", quote(s))
}

func parseSeconds(s string, loc *time.Location) (time.Time, error) {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid date %s", quote("@"+s))
	}
	nsec, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	return time.Unix(sec, nsec).In(loc), nil
}

func parseAbsolute(s string, loc *time.Location) (time.Time, bool) {
	if s == "" {
		return time.Time{}, false
	}
	for _, layout := range dateLayouts {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t.In(loc), true
		}
	}
	return time.Time{}, false
}

// addOffsets applies relative items such as "yesterday", "+1 day" and "3 hours ago".
func addOffsets(t, now time.Time, words []string) (time.Time, error) {
	for i := 0; i < len(words); i++ {
		w := strings.ToLower(words[i])
		switch w {
		case "now":
			continue
		case "today", "midnight":
			if w == "midnight" {
				t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
			}
			continue
		case "yesterday":
			t = t.AddDate(0, 0, -1)
			continue
		case "tomorrow":
			t = t.AddDate(0, 0, 1)
			continue
		case "utc", "gmt", "z":
			continue
		}
		n, unit, used, err := parseOffset(words[i:])
		if err != nil {
			return t, err
		}
		i += used - 1
		if i+1 < len(words) && words[i+1] == "ago" {
			n, i = -n, i+1
		}
		if t, err = addUnit(t, n, unit); err != nil {
			return t, err
		}
	}
	return t, nil
}

func parseOffset(words []string) (n int, unit string, used int, err error) {
	w := strings.ToLower(words[0])
	if (w == "+" || w == "-") && len(words) > 1 {
		n, unit, used, err = parseOffset(append([]string{w + words[1]}, words[2:]...))
		return n, unit, used + 1, err
	}
	switch w {
	case "next":
		n, w = 1, ""
	case "last":
		n, w = -1, ""
	default:
		end := len(w) - len(strings.TrimLeft(w, "+-0123456789"))
		if end == 0 {
			return 1, w, 1, nil
		}
		if n, err = strconv.Atoi(strings.TrimPrefix(w[:end], "+")); err != nil {
			return 0, "", 0, err
		}
		w = w[end:]
	}
	if w != "" {
		return n, w, 1, nil
	}
	if len(words) < 2 {
		return 0, "", 0, fmt.Errorf("missing unit")
	}
	return n, strings.ToLower(words[1]), 2, nil
}

func addUnit(t time.Time, n int, unit string) (time.Time, error) {
	switch strings.TrimSuffix(unit, "s") {
	case "sec", "second":
		return t.Add(time.Duration(n) * time.Second), nil
	case "min", "minute":
		return t.Add(time.Duration(n) * time.Minute), nil
	case "hour":
		return t.Add(time.Duration(n) * time.Hour), nil
	case "day":
		return t.AddDate(0, 0, n), nil
	case "week":
		return t.AddDate(0, 0, 7*n), nil
	case "fortnight":
		return t.AddDate(0, 0, 14*n), nil
	case "month":
		return t.AddDate(0, n, 0), nil
	case "year":
		return t.AddDate(n, 0, 0), nil
	}
	return t, fmt.Errorf("unknown unit %q", unit)
}

// strftime formats t as strftime(3) with GNU date's flags (_ - 0 ^ #), %N, %:z and %s.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		start := i
		i++
		flag, width := byte(0), 0
		for ; i < len(format) && strings.IndexByte("_-0^#", format[i]) >= 0; i++ {
			flag = format[i]
		}
		for ; i < len(format) && '0' <= format[i] && format[i] <= '9'; i++ {
			width = min(width*10+int(format[i]-'0'), 1024)
		}
		colons := 0
		for ; i < len(format) && format[i] == ':'; i++ {
			colons++
		}
		if i == len(format) {
			b.WriteString(format[start:])
			break
		}
		if s, ok := dateField(format[i], flag, width, colons, t); ok {
			b.WriteString(s)
		} else {
			b.WriteString(format[start : i+1])
		}
	}
	return b.String()
}

// dateField formats one conversion.
func dateField(conv, flag byte, width, colons int, t time.Time) (string, bool) {
	if n, digits, pad, ok := dateNumber(conv, t); ok {
		if width > 0 {
			digits = width
		}
		switch flag {
		case '-':
			return strconv.Itoa(n), true
		case '_':
			pad = ' '
		case '0':
			pad = '0'
		}
		s := strconv.Itoa(n)
		return strings.Repeat(string(pad), max(0, digits-len(s))) + s, true
	}
	s, ok := dateText(conv, colons, width, t)
	switch {
	case flag == '^', flag == '#' && conv != 'Z':
		s = strings.ToUpper(s)
	case flag == '#':
		s = strings.ToLower(s)
	}
	if conv != 'N' {
		s = strings.Repeat(" ", max(0, width-len(s))) + s
	}
	return s, ok
}

func dateNumber(conv byte, t time.Time) (n, digits int, pad rune, ok bool) {
	hour12 := (t.Hour()+11)%12 + 1
	isoYear, isoWeek := t.ISOWeek()
	switch conv {
	case 'Y':
		return t.Year(), 1, '0', true
	case 'C':
		return t.Year() / 100, 2, '0', true
	case 'y':
		return t.Year() % 100, 2, '0', true
	case 'G':
		return isoYear, 1, '0', true
	case 'g':
		return isoYear % 100, 2, '0', true
	case 'm':
		return int(t.Month()), 2, '0', true
	case 'd':
		return t.Day(), 2, '0', true
	case 'e':
		return t.Day(), 2, ' ', true
	case 'H':
		return t.Hour(), 2, '0', true
	case 'k':
		return t.Hour(), 2, ' ', true
	case 'I':
		return hour12, 2, '0', true
	case 'l':
		return hour12, 2, ' ', true
	case 'M':
		return t.Minute(), 2, '0', true
	case 'S':
		return t.Second(), 2, '0', true
	case 'j':
		return t.YearDay(), 3, '0', true
	case 'u':
		return (int(t.Weekday())+6)%7 + 1, 1, '0', true
	case 'w':
		return int(t.Weekday()), 1, '0', true
	case 'V':
		return isoWeek, 2, '0', true
	case 'U':
		return (t.YearDay() + 6 - int(t.Weekday())) / 7, 2, '0', true
	case 'W':
		return (t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7, 2, '0', true
	case 'q':
		return (int(t.Month())-1)/3 + 1, 1, '0', true
	case 's':
		return int(t.Unix()), 1, '0', true
	}
	return 0, 0, 0, false
}

func dateText(conv byte, colons, width int, t time.Time) (string, bool) {
	switch conv {
	case '%':
		return "%", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 'a':
		return t.Format("Mon"), true
	case 'A':
		return t.Format("Monday"), true
	case 'b', 'h':
		return t.Format("Jan"), true
	case 'B':
		return t.Format("January"), true
	case 'p':
		return t.Format("PM"), true
	case 'P':
		return t.Format("pm"), true
	case 'c':
		return t.Format("Mon Jan _2 15:04:05 2006"), true
	case 'D', 'x':
		return t.Format("01/02/06"), true
	case 'F':
		return t.Format("2006-01-02"), true
	case 'T', 'X':
		return t.Format("15:04:05"), true
	case 'R':
		return t.Format("15:04"), true
	case 'r':
		return t.Format("03:04:05 PM"), true
	case 'Z':
		return t.Format("MST"), true
	case 'N':
		digits := 9
		if width > 0 {
			digits = min(width, 9)
		}
		return fmt.Sprintf("%09d", t.Nanosecond())[:digits], true
	case 'z':
		return t.Format([]string{"-0700", "-07:00", "-07:00:00"}[min(colons, 2)]), true
	}
	return "", false
}
