package wasm

// cycles finds circles in a graph, and nodes by whose removal none remain.
type cycles struct {
	next [][]int32 // by node
	cut  []bool    // nodes that are removed

	group []int32 // by node: of those that are looked at, which group it is in
	last  int32   // number of the group that was made last

	// Tarjan's algorithm (Depth-first search and linear graph algorithms, 1972).
	order, low []int32
	clock      int32
	open       []int32
	path       []cycleStep
	work       int // edges looked at
}

type cycleStep struct {
	node int32
	edge int // the next one of it
}

func newCycles(next [][]int32) *cycles {
	n := len(next)
	return &cycles{next: next, cut: make([]bool, n), group: make([]int32, n), order: make([]int32, n), low: make([]int32, n)}
}

// patience is how many edges may be looked at before it is enough that the nodes which are cut suffice, few or many.
const patience = 20_000_000

// cutAll cuts nodes until there are no circles. It looks for few nodes: those through which most ways lead, one after the
// other in what is still connected.
func (c *cycles) cutAll() {
	all := make([]int32, len(c.next))
	for node := range all {
		all[node] = int32(node)
		for _, to := range c.next[node] {
			c.cut[node] = c.cut[node] || int(to) == node
		}
	}
	for todo := c.components(all); len(todo) > 0; {
		nodes := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c.work > patience {
			c.cutBackEdges(nodes)
			continue
		}
		c.cut[c.busiest(nodes)] = true
		todo = append(todo, c.components(nodes)...)
	}
}

// gather makes the nodes that are not cut a group.
func (c *cycles) gather(nodes []int32) {
	c.last++
	for _, node := range nodes {
		if !c.cut[node] {
			c.group[node] = c.last
			c.order[node] = 0
		}
	}
}

// busiest gives the node with the most ways through it, of some that are connected.
func (c *cycles) busiest(nodes []int32) (best int32) {
	c.gather(nodes)
	for _, node := range nodes {
		c.low[node] = 0 // how many lead to it
	}
	for _, node := range nodes {
		for _, to := range c.next[node] {
			if c.group[to] == c.last && !c.cut[to] {
				c.low[to]++
			}
		}
		c.work += len(c.next[node])
	}
	most := int64(-1)
	for _, node := range nodes {
		out := int64(0)
		for _, to := range c.next[node] {
			if c.group[to] == c.last && !c.cut[to] {
				out++
			}
		}
		if ways := out * int64(c.low[node]); ways > most {
			best, most = node, ways
		}
	}
	return best
}

// components gives the strongly connected components of more than one node.
func (c *cycles) components(nodes []int32) (found [][]int32) {
	c.gather(nodes)
	c.clock = 0
	for _, node := range nodes {
		if c.inGroup(node) && c.order[node] == 0 {
			found = c.search(node, found)
		}
	}
	return found
}

func (c *cycles) inGroup(node int32) bool { return c.group[node] == c.last && !c.cut[node] }

func (c *cycles) search(root int32, found [][]int32) [][]int32 {
	group := c.last
	const closed = -1
	c.enter(root)
	for len(c.path) > 0 {
		top := &c.path[len(c.path)-1]
		if top.edge < len(c.next[top.node]) {
			to := c.next[top.node][top.edge]
			top.edge++
			c.work++
			switch {
			case c.group[to] != group || c.cut[to] || c.order[to] == closed:
			case c.order[to] == 0:
				c.enter(to)
			default:
				c.low[top.node] = min(c.low[top.node], c.order[to])
			}
			continue
		}
		node := top.node
		c.path = c.path[:len(c.path)-1]
		if len(c.path) > 0 {
			above := c.path[len(c.path)-1].node
			c.low[above] = min(c.low[above], c.low[node])
		}
		if c.low[node] != c.order[node] {
			continue
		}
		first := len(c.open) - 1
		for c.open[first] != node {
			first--
		}
		for _, member := range c.open[first:] {
			c.order[member] = closed
		}
		if len(c.open)-first > 1 {
			found = append(found, append([]int32(nil), c.open[first:]...))
		}
		c.open = c.open[:first]
	}
	return found
}

func (c *cycles) enter(node int32) {
	c.clock++
	c.order[node], c.low[node] = c.clock, c.clock
	c.open = append(c.open, node)
	c.path = append(c.path, cycleStep{node: node})
}

// cutBackEdges cuts what closes a circle when the nodes are walked depth first.
func (c *cycles) cutBackEdges(nodes []int32) {
	c.gather(nodes)
	const within, done = 1, 2
	for _, root := range nodes {
		if c.order[root] != 0 {
			continue
		}
		c.order[root] = within
		c.path = append(c.path[:0], cycleStep{node: root})
		for len(c.path) > 0 {
			top := &c.path[len(c.path)-1]
			if top.edge == len(c.next[top.node]) {
				c.order[top.node] = done
				c.path = c.path[:len(c.path)-1]
				continue
			}
			to := c.next[top.node][top.edge]
			top.edge++
			switch {
			case c.group[to] != c.last:
			case c.order[to] == within:
				c.cut[to] = true
			case c.order[to] == 0:
				c.order[to] = within
				c.path = append(c.path, cycleStep{node: to})
			}
		}
	}
}

// circles gives each node the number of the component that it goes round in, 0 if it does not.
func circles(next [][]int32) []int32 {
	c := newCycles(next)
	all := make([]int32, len(next))
	in := make([]int32, len(next))
	for node := range all {
		all[node] = int32(node)
	}
	found := c.components(all)
	for i, nodes := range found {
		for _, node := range nodes {
			in[node] = int32(i + 1)
		}
	}
	for node := range all {
		for _, to := range next[node] {
			if int(to) == node && in[node] == 0 {
				in[node] = int32(len(found) + node + 1)
			}
		}
	}
	return in
}
