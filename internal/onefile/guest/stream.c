// Devices and pipes.
#include "host.h"

u32 read_device(u32 rdev, u8 *to, u32 length, u32 *done)
{
	*done = 0;
	switch (rdev) {
	case dev_null:
		return OK;
	case dev_zero:
	case dev_full:
		clear(to, length);
		break;
	case dev_random:
	case dev_urandom:
		for (u32 at = 0; at < length; at += 65536) { // as much as some hosts give at once
			u32 error = host_random_get(to + at, least(length - at, 65536));

			if (error)
				return error;
		}
		break;
	default:
		return ENXIO;
	}
	*done = length;
	return OK;
}

u32 write_device(u32 rdev, u32 length, u32 *done)
{
	*done = 0;
	if (rdev == dev_full)
		return length ? ENOSPC : OK;
	*done = length;
	return OK;
}

static u32 pipes;

OURS(pipe)(u32 out[2])
{
	ref r, data;
	u32 error;

	if (!inside(out, 8))
		return EFAULT;
	set_up_files();
	r = allocate(sizeof(struct pipe));
	data = allocate(pipe_size);
	if (!r || !data) {
		release(r, sizeof(struct pipe));
		release(data, pipe_size);
		return EMFILE;
	}
	*AT(struct pipe, r) = (struct pipe){.readers = 1, .writers = 1, .number = ++pipes, .data = data};
	error = open_descriptor(0, reader_kind, r, rights_of(reader_kind), 0, &out[0]);
	if (error) {
		release(data, pipe_size);
		release(r, sizeof(struct pipe));
		return error;
	}
	error = open_descriptor(0, writer_kind, r, rights_of(writer_kind), 0, &out[1]);
	if (error) {
		close_pipe(r, 1);
		close_descriptor(out[0]);
	}
	return error;
}

void close_pipe(ref pipe, int writer)
{
	struct pipe *p = AT(struct pipe, pipe);

	if (writer)
		p->writers = 0;
	else
		p->readers = 0;
	if (p->readers || p->writers)
		return;
	release(p->data, pipe_size);
	release(pipe, sizeof *p);
}

// Both ends are in one process with one thread: where POSIX would wait, nobody could ever come.
u32 read_pipe(ref pipe, u8 *to, u32 length, u32 *done)
{
	struct pipe *p = AT(struct pipe, pipe);

	*done = 0;
	if (p->used == 0 && p->writers && length)
		return EAGAIN;
	while (*done < length && p->used) {
		u32 piece = least(least(length - *done, p->used), pipe_size - p->start);

		copy(to + *done, AT(u8, p->data) + p->start, piece);
		p->start = (p->start + piece) % pipe_size;
		p->used -= piece;
		*done += piece;
	}
	return OK;
}

u32 write_pipe(ref pipe, const u8 *from, u32 length, u32 *done)
{
	struct pipe *p = AT(struct pipe, pipe);
	u32 room = pipe_size - p->used;

	*done = 0;
	if (!p->readers)
		return EPIPE;
	if (length > room && (length <= pipe_atomic || room == 0))
		return EAGAIN;
	length = least(length, room);
	while (*done < length) {
		u32 end = (p->start + p->used) % pipe_size, piece = least(length - *done, pipe_size - end);

		copy(AT(u8, p->data) + end, from + *done, piece);
		p->used += piece;
		*done += piece;
	}
	return OK;
}

// poll_oneoff. What the library has itself is ready at once, or never will be; the rest is the host's to wait for.

struct subscription {
	u64 userdata;
	u64 type; // 0: clock, 1: read, 2: write
	u32 fd, pad;
	u64 timeout, precision, flags;
};

struct event {
	u64 userdata;
	u16 error;
	u8 type, pad[5];
	u64 bytes;
	u16 flags, more_pad[3];
};

enum { not_ready, ready, hosts };

static int readiness(const struct subscription *s, struct event *e)
{
	u32 type = (u8)s->type;
	struct description *d;
	struct pipe *p;

	*e = (struct event){.userdata = s->userdata, .type = type};
	if (type == 0)
		return hosts;
	e->error = need(s->fd, type == 1 ? right_read : right_write, &d);
	if (e->error)
		return ready;
	if (d->kind == host_kind)
		return hosts;
	p = AT(struct pipe, d->what);
	switch (d->kind) {
	case file_kind:
		e->bytes = type == 2 ? pipe_size : inode(d->what)->size > d->offset ? inode(d->what)->size - d->offset : 0;
		return ready;
	case reader_kind:
		e->bytes = p->used;
		e->flags = !p->writers;
		return p->used || !p->writers ? ready : not_ready;
	case writer_kind:
		e->bytes = pipe_size - p->used;
		e->flags = !p->readers;
		return e->bytes >= pipe_atomic || !p->readers ? ready : not_ready;
	}
	return ready;
}

// ask lets the host wait for those of count subscriptions that are its.
static u32 ask(const struct subscription *in, struct event *out, u32 count, u32 *events)
{
	ref passed = allocate(count * sizeof *in);
	u32 of_host = 0, error;
	struct event e;

	if (!passed)
		return EINVAL;
	for (u32 i = 0; i < count; i++) {
		struct subscription *s = AT(struct subscription, passed) + of_host;

		if (readiness(in + i, &e) != hosts)
			continue;
		*s = in[i];
		if ((u8)s->type)
			s->fd = host_of(s->fd);
		of_host++;
	}
	error = of_host ? host_poll_oneoff(AT(void, passed), out, of_host, events) : EDEADLK;
	release(passed, count * sizeof *in);
	return error;
}

CALL(poll_oneoff)(const struct subscription *in, struct event *out, u32 count, u32 *events)
{
	u32 found = 0;
	struct event e;

	if (count == 0 || count > 1u << 16)
		return EINVAL;
	if (!inside(events, 4) || !inside(in, count * sizeof *in) || !inside(out, count * sizeof *out))
		return EFAULT;
	for (u32 i = 0; i < count; i++)
		if ((u8)in[i].type > 2)
			return EINVAL;
	for (u32 i = 0; i < count; i++)
		if (readiness(in + i, &e) == ready)
			found++;
	if (!found)
		return ask(in, out, count, events);
	found = 0;
	for (u32 i = 0; i < count; i++) {
		struct subscription s = in[i]; // out may lie over in

		if (readiness(&s, &e) == ready)
			out[found++] = e;
	}
	*events = found;
	return OK;
}
