// Package audit is the room of an operator's hand on the accounting: it finds what the
// accounting says of servers and hosts that are not so, and puts it right when told to.
//
// What loops repair by themselves (orphans of servers, aggregates) is found here too, for
// those who want to see it now; what no loop may decide is done here only: allocations of
// consumers that nobody knows, servers that run without an allocation.
//
// Laws:
//  1. Looking changes nothing.
//  2. Each server, and each consumer, is put right in a transaction of its own that looks
//     again first; a run that is broken off has done some of the work and none of it half.
//  3. A server on which an operation is under way is left to that.
//
// Layer 3: room; talks to seams, never to drivers.
package audit

import "github.com/kilonova/kilonova/internal/store"

// Room does the audits.
type Room struct{ store *store.Store }

// New makes the room.
func New(s *store.Store) *Room { return &Room{s} }
