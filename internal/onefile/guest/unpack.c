// DEFLATE (RFC 1951), one chunk at a time: what a chunk refers to lies within it.
#include "guest.h"

enum { fast_bits = 9, max_bits = 15 };

// A code is a canonical Huffman code: a table for short words, and for the others how many there are of each length.
struct code {
	u16 fast[1 << fast_bits]; // length times 512, symbol; 0: longer, or none
	u16 count[max_bits + 1], symbol[288];
};

static struct code literals, distances;
static ref packed_bytes;

struct source {
	const u8 *at, *end;
	u64 bits;
	u32 held;
	int over; // bits that were asked for beyond the end
};

static void fill(struct source *s, u32 wanted)
{
	while (s->held < wanted) {
		u64 next = 0;

		if (s->at < s->end)
			next = *s->at++;
		else
			s->over++;
		s->bits |= next << s->held;
		s->held += 8;
	}
}

static u32 take(struct source *s, u32 count)
{
	u32 value;

	fill(s, count);
	value = s->bits & ((1u << count) - 1);
	s->bits >>= count;
	s->held -= count;
	return value;
}

static u32 reversed(u32 word, u32 length)
{
	u32 out = 0;

	for (; length; length--, word >>= 1)
		out = out << 1 | (word & 1);
	return out;
}

// build makes a code of the lengths of its words; 0 if there cannot be one.
static int build(struct code *c, const u8 *lengths, u32 symbols)
{
	u16 offsets[max_bits + 2], next[max_bits + 2];
	i32 left = 1;

	clear(c, sizeof *c);
	for (u32 i = 0; i < symbols; i++)
		c->count[lengths[i]]++;
	c->count[0] = 0;
	offsets[1] = next[1] = 0;
	for (u32 i = 1; i <= max_bits; i++) {
		left = left * 2 - c->count[i];
		if (left < 0)
			return 0;
		offsets[i + 1] = offsets[i] + c->count[i];
		next[i + 1] = (next[i] + c->count[i]) << 1;
	}
	for (u32 i = 0; i < symbols; i++) {
		u32 length = lengths[i], word;

		if (!length)
			continue;
		c->symbol[offsets[length]++] = i;
		word = next[length]++;
		if (length > fast_bits)
			continue;
		for (u32 k = reversed(word, length); k < 1 << fast_bits; k += 1u << length)
			c->fast[k] = length << 9 | i;
	}
	return 1;
}

static i32 decode_slowly(struct source *s, const struct code *c)
{
	i32 word = 0, first = 0, index = 0;

	for (u32 length = 1; length <= max_bits; length++) {
		i32 count = c->count[length];

		word |= s->bits >> (length - 1) & 1;
		if (word - count < first) {
			s->bits >>= length;
			s->held -= length;
			return c->symbol[index + (word - first)];
		}
		index += count;
		first = (first + count) << 1;
		word <<= 1;
	}
	return -1;
}

static inline i32 decode(struct source *s, const struct code *c)
{
	u32 entry;

	fill(s, max_bits);
	entry = c->fast[s->bits & ((1 << fast_bits) - 1)];
	if (!entry)
		return decode_slowly(s, c);
	s->bits >>= entry >> 9;
	s->held -= entry >> 9;
	return entry & 511;
}

static int fixed_codes(void)
{
	u8 lengths[288];

	for (u32 i = 0; i < 288; i++)
		lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	if (!build(&literals, lengths, 288))
		return 0;
	for (u32 i = 0; i < 30; i++)
		lengths[i] = 5;
	return build(&distances, lengths, 30);
}

static int own_codes(struct source *s)
{
	static const u8 order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	u32 literal = take(s, 5) + 257, distance = take(s, 5) + 1, lengths_given = take(s, 4) + 4, at = 0;
	u8 lengths[320] = {0};

	for (u32 i = 0; i < lengths_given; i++)
		lengths[order[i]] = take(s, 3);
	if (!build(&literals, lengths, 19))
		return 0;
	clear(lengths, sizeof lengths);
	while (at < literal + distance) {
		i32 symbol = decode(s, &literals);
		u32 times = 1;
		u8 value = symbol;

		if (symbol < 0 || s->over > 8 || (symbol == 16 && at == 0))
			return 0;
		if (symbol >= 16)
			value = symbol == 16 ? lengths[at - 1] : 0;
		if (symbol == 16)
			times = 3 + take(s, 2);
		else if (symbol == 17)
			times = 3 + take(s, 3);
		else if (symbol == 18)
			times = 11 + take(s, 7);
		if (at + times > literal + distance)
			return 0;
		while (times--)
			lengths[at++] = value;
	}
	return build(&literals, lengths, literal) && build(&distances, lengths + literal, distance);
}

static u8 *words(struct source *s, u8 *start, u8 *to, const u8 *end)
{
	static const u16 bases[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
		131, 163, 195, 227, 258};
	static const u8 extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
	static const u16 far[30] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
		2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

	for (;;) {
		i32 symbol = decode(s, &literals), distance;
		u32 length, back;

		if (symbol < 0 || s->over > 8)
			return 0;
		if (symbol < 256) {
			if (to == end)
				return 0;
			*to++ = symbol;
			continue;
		}
		if (symbol == 256)
			return to;
		if ((symbol -= 257) >= 29)
			return 0;
		length = bases[symbol] + take(s, extra[symbol]);
		distance = decode(s, &distances);
		if (distance < 0 || distance >= 30)
			return 0;
		back = far[distance] + take(s, distance < 4 ? 0 : distance / 2 - 1);
		if (back > (u32)(to - start) || length > (u32)(end - to))
			return 0;
		if (back >= length) {
			__builtin_memcpy(to, to - back, length);
			to += length;
			continue;
		}
		for (; length; length--, to++)
			*to = to[-(i32)back];
	}
}

static u8 *stored(struct source *s, u8 *to, const u8 *end)
{
	u32 length;

	take(s, s->held & 7);
	length = take(s, 16);
	if ((take(s, 16) ^ length) != 0xffff || length > (u32)(end - to))
		return 0;
	while (length--)
		*to++ = take(s, 8);
	return to;
}

int unpack(u8 *to, u32 size, u32 from, u32 packed)
{
	struct source s = {0};
	u8 *start = to, *end = to + size;
	u32 last;

	if (packed == size) {
		link_read(to, from, size);
		return 1;
	}
	if (!packed_bytes)
		packed_bytes = allocate(chunk_size);
	if (packed > size || !packed_bytes)
		return 0;
	s.at = AT(u8, packed_bytes);
	s.end = s.at + packed;
	link_read(AT(u8, packed_bytes), from, packed);
	do {
		u32 kind;

		last = take(&s, 1);
		kind = take(&s, 2);
		if (kind == 0)
			to = stored(&s, to, end);
		else if (kind == 3 || !(kind == 1 ? fixed_codes() : own_codes(&s)))
			return 0;
		else
			to = words(&s, start, to, end);
		if (!to)
			return 0;
	} while (!last);
	return to == end && s.over <= 8;
}
