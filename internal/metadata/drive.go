package metadata

import (
	"context"
	"errors"
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// ConfigDrive makes the files of a server's config drive: the EC2 tree as one document a
// version, and the OpenStack tree but for the password, with the files of the user's, which
// only config drives have.
func (r *Room) ConfigDrive(s *nova.Server) ([]virt.File, error) {
	t := r.tree(s)
	out, err := r.ec2Files(t)
	if err == nil {
		var more []virt.File
		more, err = t.openstackFiles()
		out = append(out, more...)
		for i, f := range s.Files {
			out = append(out, virt.File{Path: "openstack/content/" + contentName(i), Data: f.Data})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("server %s: config drive: %w", s.ID, err)
	}
	return out, nil
}

func (r *Room) ec2Files(t *Tree) ([]virt.File, error) {
	var out []virt.File
	for _, name := range append(ec2Versions[:len(ec2Versions):len(ec2Versions)], latest) {
		if r.skip[name] {
			continue
		}
		version := ec2Versions[place(ec2Versions, name)]
		if t.userData != nil {
			out = append(out, virt.File{Path: "ec2/" + name + "/user-data", Data: t.userData})
		}
		e, _ := find(t.ec2(), version, "meta-data")
		doc, err := e.document(version)
		if err != nil {
			return nil, err
		}
		doc, err = spell(doc)
		if err != nil {
			return nil, err
		}
		out = append(out, virt.File{Path: "ec2/" + name + "/meta-data.json", Data: doc})
	}
	return out, nil
}

func (t *Tree) openstackFiles() ([]virt.File, error) {
	var out []virt.File
	ctx := context.Background() // what takes long in here has its own time limit
	once := map[string][]byte{} // what is the same in all versions
	for _, name := range append(openstackVersions[:], latest) {
		v := place(openstackVersions[:], name)
		for i := range files {
			f := &files[i]
			if !f.drive || !f.there(t, v) {
				continue
			}
			b, made := once[f.name]
			var err error
			if !made {
				b, err = f.read(t, ctx, v)
			}
			if errors.Is(err, errNoPath) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if !f.versioned {
				once[f.name] = b
			}
			out = append(out, virt.File{Path: "openstack/" + name + "/" + f.name, Data: b})
		}
	}
	return out, nil
}
