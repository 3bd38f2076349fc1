// Package nova holds the words of the project: servers, flavors, hosts, their states
// and the edges between them, and the one error type.
//
// The structs here are what rooms pass to each other and what the store keeps. They
// hold the newest shape only; no microversion is known here. Sizes carry their unit in
// the name (MemoryMiB, RootGiB). Times are UTC.
//
// Layer 0: words; imports nothing of ours.
package nova
