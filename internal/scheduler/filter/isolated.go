package filter

import "slices"

// isolatedHosts keeps some images on some hosts, and others off them.
func isolatedHosts(o *Options) (Filter, error) {
	images, hosts, restrict := o.IsolatedImages, o.IsolatedHosts, o.Restrict
	return Filter{Looks: FactsOnly, Rebuild: true,
		Names: func(*Spec) []string { return hosts },
		Pass: func(h *Host, s *Spec) (Why, bool) {
			there := slices.Contains(hosts, h.Name)
			image := s.ImageID != "" && slices.Contains(images, s.ImageID)
			switch {
			case image && !there:
				return no("the image is isolated and the host is not")
			case !image && there && restrict:
				return no("the host is isolated and the image is not")
			}
			return yes()
		}}, nil
}
