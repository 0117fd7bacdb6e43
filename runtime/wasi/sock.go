package wasi

// A box has no sockets yet: whatever the descriptor is, it is none.

func sockAccept(c call) errno   { return c.notASocket() }
func sockRecv(c call) errno     { return c.notASocket() }
func sockSend(c call) errno     { return c.notASocket() }
func sockShutdown(c call) errno { return c.notASocket() }

func (c call) notASocket() errno {
	d, e := c.files.lookup(c.u32(0))
	if e != 0 {
		return e
	}
	if filetypeOf(d.mode()) != filetypeSocketStream {
		return errnoNotsock
	}
	return errnoNotsup
}
