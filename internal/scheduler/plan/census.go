package plan

// Census is servers by the hosts that they are on.
type Census struct {
	// Kinds is the kind of each server, as the caller numbers them.
	Kinds []int32
	first []int32 // of a host's servers, in by
	by    []int32 // servers, host by host
	kind  []int32 // of each in by, so that counting is a walk
}

// NewCensus sorts servers by host: hosts and kinds are those of each server; a host below 0 is
// none.
func NewCensus(hosts int, hostOf, kinds []int32) *Census {
	c := &Census{Kinds: kinds, first: make([]int32, hosts+1)}
	for _, h := range hostOf {
		if h >= 0 {
			c.first[h+1]++
		}
	}
	for h := range hosts {
		c.first[h+1] += c.first[h]
	}
	c.by, c.kind = make([]int32, c.first[hosts]), make([]int32, c.first[hosts])
	next := append([]int32(nil), c.first[:hosts]...)
	for s, h := range hostOf {
		if h >= 0 {
			c.by[next[h]], c.kind[next[h]] = int32(s), kinds[s]
			next[h]++
		}
	}
	return c
}

// On are the servers on a host; on none that is not counted.
func (c *Census) On(host int32) []int32 {
	if int(host)+1 >= len(c.first) {
		return nil
	}
	return c.by[c.first[host]:c.first[host+1]]
}

// Count adds up the servers on hosts by kind.
func (c *Census) Count(hosts []int32, into []int) {
	for _, h := range hosts {
		if int(h)+1 >= len(c.first) {
			continue
		}
		for _, k := range c.kind[c.first[h]:c.first[h+1]] {
			into[k]++
		}
	}
}
