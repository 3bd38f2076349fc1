package flavor

import (
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// ErrPublic is the refusal to give a project access to what everybody may use.
var ErrPublic = nova.Errorf(nova.Conflict, "Can not add access to a public flavor.")

// AddAccess lets a project use a flavor. With private it must be one that is not public.
func (r *Room) AddAccess(ctx context.Context, who Viewer, id, projectID string, private bool) (nova.Flavor, error) {
	return r.change(ctx, who, id, func(f *nova.Flavor) error {
		if private && f.Public {
			return ErrPublic
		}
		at, found := slices.BinarySearch(f.Projects, projectID)
		if found {
			return nova.Errorf(nova.Conflict, "Flavor access already exists for flavor %s and project %s combination.",
				id, projectID)
		}
		f.Projects = slices.Insert(slices.Clone(f.Projects), at, projectID)
		return nil
	})
}

// RemoveAccess takes it back.
func (r *Room) RemoveAccess(ctx context.Context, who Viewer, id, projectID string) (nova.Flavor, error) {
	return r.change(ctx, who, id, func(f *nova.Flavor) error {
		at, found := slices.BinarySearch(f.Projects, projectID)
		if !found {
			return nova.Errorf(nova.NotFound, "Flavor access not found for %s / %s combination.", id, projectID)
		}
		f.Projects = slices.Delete(slices.Clone(f.Projects), at, at+1)
		return nil
	})
}
