package filter

import "strings"

// capabilities wants the flavor's extra specs met by what the host tells of itself: those of
// the scope "capabilities", and those without a scope that are named like something that the
// host tells.
func capabilities(*Options) (Filter, error) {
	return Filter{Looks: State,
		Needs: func(s *Spec) Level {
			level := Nothing
			for key := range s.Flavor.ExtraSpecs {
				if path, _, ok := capability(key, ""); ok {
					level = max(level, levelOf(path[0]))
				}
			}
			return level
		},
		Pass: func(h *Host, s *Spec) (Why, bool) {
			for _, key := range sorted(s.Flavor.ExtraSpecs) {
				path, want, ok := capability(key, s.Flavor.ExtraSpecs[key])
				if !ok || !strings.Contains(key, ":") && !tells(h, key) {
					continue
				}
				have := capabilityOf(h, path)
				if have == nil {
					return Why{Text: "it does not tell {a}, asked for {b}", A: strings.Join(path, ":"), B: want}, false
				}
				if t := text(have); !Match(t, want) {
					return Why{Text: "its {a}, asked for {b}", A: strings.Join(path, ":") + " is " + t, B: want}, false
				}
			}
			return yes()
		}}, nil
}

// capability is the path and the requirement that an extra spec means; not ok: it is not for
// this filter.
func capability(key, want string) (path []string, wants string, ok bool) {
	if key == "hw:maxphysaddr_bits" {
		return []string{"cpu_info", "maxphysaddr", "bits"}, ">= " + want, true
	}
	path = strings.Split(key, ":")
	if len(path) == 1 {
		return path, want, true
	}
	return path[1:], want, path[0] == "capabilities"
}

// tells says whether Nova's host state has something of the name.
func tells(h *Host, name string) bool {
	if _, ok := attributes[name]; ok || silentAttributes[name] {
		return true
	}
	_, ok := h.Stats[name]
	return ok
}

func levelOf(name string) Level {
	if a, ok := attributes[name]; ok {
		return a.level
	}
	return FactsOnly // of the stats
}
