package filter

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// aggregateImageProperties wants an image's property to be among the values that the host's
// aggregates give for it, where they give any. A property that is off says nothing.
//
// Unlike in Nova since Liberty, properties of an operator's own count as well, and a value may
// be written in any way that means the same: Nova knows but "True".
func aggregateImageProperties(o *Options) (Filter, error) {
	prefix := ""
	if o.ImageNamespace != "" {
		prefix = o.ImageNamespace + o.ImageSeparator
	}
	return Filter{Looks: FactsOnly, Rebuild: true,
		Needs: when(FactsOnly, func(s *Spec) bool { return len(s.Image) > 0 }),
		Pass: func(h *Host, s *Spec) (Why, bool) {
			for _, key := range sorted(s.Image) {
				prop := s.Image[key]
				if !nova.ImagePropSays(key, prop) || !strings.HasPrefix(key, prefix) {
					continue
				}
				is := func(value string) bool { return nova.ImagePropIs(key, prop, value) }
				if values := h.Metadata()[key]; len(values) > 0 && !slices.ContainsFunc(values, is) {
					return Why{Text: "its aggregates want the image's {a} (it is {b})", A: key + " to be " + strings.Join(values, " or "), B: prop}, false
				}
			}
			return yes()
		}}, nil
}
