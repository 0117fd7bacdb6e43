// Local time: what musl's __tz.c does, which wasi-libc cuts down to UTC.
//
// TZ names a file below /usr/share/zoneinfo (TZif, RFC 9636) or spells a rule out (POSIX, "CET-1CEST,M3.5.0,M10.5.0/3");
// unset it means /etc/localtime. musl's localtime, mktime and strftime call __secs_to_zone and __tm_to_tzname.
#include "zone.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	name_max = 16,
	header_size = 44,
	day = 86400,
};

// A kind of local time: its distance to UTC in seconds, east positive.
struct kind {
	int32_t offset;
	int isdst;
	char name[name_max];
};

// A day of the year at which a rule switches, and the local time of that day.
struct change {
	char form; // 'J': 1-365 without leap days, 'D': 0-365, 'M': week and weekday of a month
	int day, week, month;
	int32_t time;
};

struct rule {
	int used, has_dst;
	struct kind standard, dst;
	struct change start, end;
};

static struct {
	int known;
	char *tz; // the value of TZ that the rest is for, NULL if unset
	int64_t *times;
	uint8_t *types;
	size_t count;
	struct kind *kinds;
	size_t kind_count;
	struct rule rule;
} zone;

const char __utc[] = "UTC";
char *tzname[2] = {(char *)__utc, (char *)__utc};
long timezone;
int daylight;

static const struct kind utc = {0, 0, "UTC"};

// Rules of POSIX.

static int parse_name(const char **at, char name[name_max])
{
	const char *s = *at;
	int quoted = *s == '<';
	size_t n = 0;

	for (s += quoted; quoted ? *s && *s != '>' : isalpha((unsigned char)*s); s++)
		if (n < name_max - 1)
			name[n++] = *s;
	name[n] = 0;
	*at = s + (quoted && *s == '>');
	return n >= 3;
}

// parse_time reads [+-]h[:m[:s]] as seconds.
static int parse_time(const char **at, int32_t *seconds)
{
	const char *s = *at;
	int negative = *s == '-', unit = 3600;

	s += *s == '-' || *s == '+';
	if (!isdigit((unsigned char)*s))
		return 0;
	for (*seconds = 0; unit > 0; unit /= 60) {
		char *end;
		*seconds += strtol(s, &end, 10) * unit;
		s = end;
		if (*s != ':' || unit == 1)
			break;
		s++;
	}
	if (negative)
		*seconds = -*seconds;
	*at = s;
	return 1;
}

static int parse_change(const char **at, struct change *out)
{
	const char *s = *at;
	int n = 0;

	*out = (struct change){.form = 'D', .time = 7200};
	if (*s++ != ',')
		return 0;
	if (sscanf(s, "M%d.%d.%d%n", &out->month, &out->week, &out->day, &n) == 3)
		out->form = 'M';
	else if (sscanf(s, "J%d%n", &out->day, &n) == 1)
		out->form = 'J';
	else if (sscanf(s, "%d%n", &out->day, &n) != 1)
		return 0;
	s += n;
	if (*s == '/' && (s++, !parse_time(&s, &out->time)))
		return 0;
	*at = s;
	return 1;
}

static int parse_rule(const char *s, struct rule *out)
{
	static const char usual[] = ",M3.2.0,M11.1.0";
	const char *rest = usual;

	*out = (struct rule){0};
	if (!parse_name(&s, out->standard.name) || !parse_time(&s, &out->standard.offset))
		return 0;
	out->standard.offset = -out->standard.offset;
	if (*s) {
		if (!parse_name(&s, out->dst.name))
			return 0;
		out->has_dst = out->dst.isdst = 1;
		out->dst.offset = out->standard.offset + 3600;
		if (*s && *s != ',') {
			if (!parse_time(&s, &out->dst.offset))
				return 0;
			out->dst.offset = -out->dst.offset;
		}
		if (*s)
			rest = s;
		if (!parse_change(&rest, &out->start) || !parse_change(&rest, &out->end) || *rest)
			return 0;
	}
	out->used = 1;
	return 1;
}

static int is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// year_start is the count of days from 1970-01-01 to the first of January of year.
static int64_t year_start(int64_t year)
{
	int64_t y = year - 1;
	int64_t leaps = y / 4 - y / 100 + y / 400;

	if (y < 0)
		leaps = (y - 3) / 4 - (y - 99) / 100 + (y - 399) / 400;
	return (year - 1970) * 365 + leaps - 477;
}

static int64_t year_of(int64_t seconds)
{
	int64_t days = seconds / day - (seconds % day < 0);
	int64_t year = 1970 + days / 366 - (days < 0);

	while (year_start(year) > days)
		year--;
	while (year_start(year + 1) <= days)
		year++;
	return year;
}

// change_at is the local time, in seconds, at which a change happens in year.
static int64_t change_at(const struct change *c, int64_t year)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
	int64_t start = year_start(year), d;
	int leap = is_leap(year), length, weekday;

	switch (c->form) {
	case 'J':
		d = start + c->day - 1 + (leap && c->day >= 60);
		break;
	case 'D':
		d = start + c->day;
		break;
	default:
		d = start + before[c->month - 1] + (leap && c->month > 2);
		length = before[c->month] - before[c->month - 1] + (leap && c->month == 2);
		weekday = ((d + 4) % 7 + 7) % 7;
		weekday = (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
		d += weekday < length ? weekday : weekday - 7;
	}
	return d * day + c->time;
}

static const struct kind *rule_kind(const struct rule *rule, int64_t t)
{
	int64_t year, start, end;

	if (!rule->has_dst)
		return &rule->standard;
	year = year_of(t + rule->standard.offset);
	start = change_at(&rule->start, year) - rule->standard.offset;
	end = change_at(&rule->end, year) - rule->dst.offset;
	if (start < end ? t >= start && t < end : t >= start || t < end)
		return &rule->dst;
	return &rule->standard;
}

// Zone files.

static int64_t big_endian(const uint8_t *p, int size)
{
	int64_t value = (int8_t)p[0];

	for (int i = 1; i < size; i++)
		value = (int64_t)((uint64_t)value << 8 | p[i]);
	return value;
}

struct header {
	uint32_t isut, isstd, leap, time, type, chars;
};

static int read_header(const uint8_t *data, const uint8_t *end, struct header *out)
{
	uint32_t *fields[] = {&out->isut, &out->isstd, &out->leap, &out->time, &out->type, &out->chars};

	if (end - data < header_size || memcmp(data, "TZif", 4) != 0)
		return 0;
	for (int i = 0; i < 6; i++) {
		*fields[i] = big_endian(data + 20 + 4 * i, 4);
		if (*fields[i] > 100000)
			return 0;
	}
	return out->type > 0;
}

static size_t body_size(const struct header *h, size_t time_size)
{
	return h->time * (time_size + 1) + h->type * 6 + h->chars + h->leap * (time_size + 4) + h->isstd + h->isut;
}

static void read_kinds(const uint8_t *data, const struct header *h)
{
	const char *names = (const char *)data + h->type * 6;

	for (uint32_t i = 0; i < h->type; i++, data += 6) {
		struct kind *kind = &zone.kinds[i];
		kind->offset = big_endian(data, 4);
		kind->isdst = data[4];
		if (data[5] < h->chars)
			snprintf(kind->name, name_max, "%.*s", (int)(h->chars - data[5]), names + data[5]);
	}
}

// read_footer takes the rule for times after the last transition.
static void read_footer(const uint8_t *data, const uint8_t *end)
{
	char text[128];
	size_t n = 0;

	if (data == end || *data++ != '\n')
		return;
	while (data < end && *data != '\n' && n < sizeof text - 1)
		text[n++] = *data++;
	text[n] = 0;
	parse_rule(text, &zone.rule);
}

static int read_zone(const uint8_t *data, const uint8_t *end)
{
	struct header h;

	// The first block is for readers of 32-bit times; every file of today has the second.
	if (!read_header(data, end, &h) || data[4] < '2' || body_size(&h, 4) + header_size > (size_t)(end - data))
		return 0;
	data += header_size + body_size(&h, 4);
	if (!read_header(data, end, &h) || body_size(&h, 8) + header_size > (size_t)(end - data))
		return 0;
	data += header_size;
	zone.times = calloc(h.time + 1, sizeof *zone.times);
	zone.types = calloc(h.time + 1, 1);
	zone.kinds = calloc(h.type, sizeof *zone.kinds);
	if (!zone.times || !zone.types || !zone.kinds)
		return 0;
	for (uint32_t i = 0; i < h.time; i++) {
		zone.times[i] = big_endian(data + 8 * i, 8);
		zone.types[i] = data[8 * h.time + i];
		if (zone.types[i] >= h.type)
			return 0;
	}
	zone.count = h.time;
	zone.kind_count = h.type;
	read_kinds(data + 9 * h.time, &h);
	read_footer(data + body_size(&h, 8), end);
	return 1;
}

static int load_file(const char *path)
{
	static uint8_t data[65536];
	FILE *file = fopen(path, "rb");
	size_t n;

	if (file == NULL)
		return 0;
	n = fread(data, 1, sizeof data, file);
	fclose(file);
	return read_zone(data, data + n);
}

static void clear_zone(void)
{
	free(zone.tz);
	free(zone.times);
	free(zone.types);
	free(zone.kinds);
	memset(&zone, 0, sizeof zone);
}

static void load_zone(const char *tz)
{
	char path[256];

	if (tz == NULL) {
		load_file("/etc/localtime");
		return;
	}
	tz += *tz == ':';
	if (*tz == 0)
		return;
	snprintf(path, sizeof path, *tz == '/' ? "%s" : "/usr/share/zoneinfo/%s", tz);
	if (load_file(path))
		return;
	if (!parse_rule(tz, &zone.rule))
		zone.rule = (struct rule){0};
}

static const struct kind *kind_at(int64_t t)
{
	size_t low = 0, high = zone.count;

	if (zone.rule.used && (zone.count == 0 || t >= zone.times[zone.count - 1]))
		return rule_kind(&zone.rule, t);
	if (zone.kind_count == 0)
		return &utc;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (zone.times[middle] <= t)
			low = middle + 1;
		else
			high = middle;
	}
	return &zone.kinds[low ? zone.types[low - 1] : 0];
}

// latest_kind is the last standard or summer time that the zone knows, or NULL.
static const struct kind *latest_kind(int isdst)
{
	if (zone.rule.used && (!isdst || zone.rule.has_dst))
		return isdst ? &zone.rule.dst : &zone.rule.standard;
	for (size_t i = zone.count; i > 0; i--)
		if (zone.kinds[zone.types[i - 1]].isdst == isdst)
			return &zone.kinds[zone.types[i - 1]];
	for (size_t i = 0; i < zone.kind_count; i++)
		if (zone.kinds[i].isdst == isdst)
			return &zone.kinds[i];
	return NULL;
}

static void ensure_zone(void)
{
	const char *tz = getenv("TZ");
	const struct kind *standard, *dst;

	if (zone.known && (tz == NULL) == (zone.tz == NULL) && (tz == NULL || strcmp(tz, zone.tz) == 0))
		return;
	clear_zone();
	zone.tz = tz ? strdup(tz) : NULL;
	zone.known = 1;
	load_zone(tz);
	standard = latest_kind(0);
	if (standard == NULL)
		standard = &utc;
	dst = latest_kind(1);
	tzname[0] = (char *)standard->name;
	tzname[1] = (char *)(dst ? dst : standard)->name;
	timezone = -standard->offset;
	daylight = dst != NULL;
}

void boxer_zone_forget(void)
{
	zone.known = 0;
}

void tzset(void)
{
	ensure_zone();
}

// kind_at_local finds the kind of local time that a clock on the wall shows: of two the earlier; where a change leaves
// the time out, the one before.
static const struct kind *kind_at_local(int64_t t)
{
	const struct kind *before = kind_at(t - day), *after = kind_at(t + day);
	const struct kind *first = kind_at(t - before->offset), *second = kind_at(t - after->offset);

	if (first->offset == before->offset)
		return first;
	return second->offset == after->offset ? second : before;
}

void __secs_to_zone(long long t, int local, int *isdst, long *offset, long *opposite, const char **name)
{
	const struct kind *kind, *other;

	ensure_zone();
	kind = local ? kind_at_local(t) : kind_at(t);
	other = latest_kind(!kind->isdst);
	*isdst = kind->isdst;
	*offset = kind->offset;
	if (opposite)
		*opposite = (other ? other : kind)->offset;
	*name = kind->name;
}

// Python hands strings of its own in as tm_zone, so the field is trusted, as glibc does.
const char *__tm_to_tzname(const struct tm *tm)
{
	ensure_zone();
	return tm->__tm_zone ? tm->__tm_zone : tzname[tm->tm_isdst > 0];
}
