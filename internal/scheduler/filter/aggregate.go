package filter

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// SetAggregates puts a host into aggregates. It is only called while the facts are made.
func (f *Facts) SetAggregates(all []Aggregate) {
	f.Aggregates = all
	f.metadata = map[string][]string{}
	for _, a := range all {
		for k, v := range a.Metadata {
			for item := range strings.SplitSeq(v, ",") {
				if item = strings.TrimSpace(item); !slices.Contains(f.metadata[k], item) {
					f.metadata[k] = append(f.metadata[k], item)
				}
			}
		}
	}
	for _, list := range f.metadata {
		slices.Sort(list)
	}
}

// Smallest is the smallest number that the host's aggregates give for the key, or else the
// default. Where one of them is no number, the default counts, as in Nova.
func (f *Facts) Smallest(key string, otherwise float64) float64 {
	least, found := math.Inf(1), false
	for i := range f.Aggregates {
		text, ok := f.Aggregates[i].Metadata[key]
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || math.IsNaN(n) {
			return otherwise
		}
		least, found = min(least, n), true
	}
	if !found {
		return otherwise
	}
	return least
}

// smallestInt is Smallest for settings that are integers.
func (f *Facts) smallestInt(key string, otherwise int64) int64 {
	least, found := int64(math.MaxInt64), false
	for i := range f.Aggregates {
		text, ok := f.Aggregates[i].Metadata[key]
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return otherwise
		}
		least, found = min(least, n), true
	}
	if !found {
		return otherwise
	}
	return least
}
