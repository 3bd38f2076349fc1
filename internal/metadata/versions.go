package metadata

import (
	"slices"
	"strings"
)

// latest stands for the newest version, in both trees.
const latest = "latest"

// ec2Versions are the versions of the EC2 tree, oldest first.
var ec2Versions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
}

// The versions of the OpenStack tree, by their place in openstackVersions, with what each
// added.
const (
	folsom    = iota // meta_data.json, user_data, content
	grizzly          // password; random_seed
	havana           // vendor_data.json
	liberty          // network_data.json; project_id
	newtonOne        // devices
	newtonTwo        // vendor_data2.json
	ocata            // the VLAN of devices
	rocky            // whether a device's virtual function is trusted
	victoria         // dedicated_cpus
	epoxy            // shares among the devices
	versionCount
)

var openstackVersions = [versionCount]string{
	folsom: "2012-08-10", grizzly: "2013-04-04", havana: "2013-10-17", liberty: "2015-10-15", newtonOne: "2016-06-30",
	newtonTwo: "2016-10-06", ocata: "2017-02-22", rocky: "2018-08-27", victoria: "2020-10-14", epoxy: "2025-04-04",
}

// place finds a version by its name, -1 when there is none.
func place(versions []string, name string) int {
	if name == latest {
		return len(versions) - 1
	}
	return slices.Index(versions, name)
}

// ec2Listing is what "/" answers.
var ec2Listing = strings.Join(ec2Versions, "\n") + "\n" + latest

// Root is the answer to "/", which anybody may ask.
func Root() string { return ec2Listing }

// openstackListing lists the versions up to the day (as 2006-01-02): one that is still to
// come is hidden, but answers.
func openstackListing(today string) string {
	var b strings.Builder
	for _, v := range openstackVersions {
		if v <= today {
			b.WriteString(v)
			b.WriteByte('\n')
		}
	}
	b.WriteString(latest)
	return b.String()
}
